#!/usr/bin/python3
"""The worst case of the device program's stack, as a `figure:` line, from the program itself.

Usage: stack.py PROGRAM LIMIT LOG

Read from the disassembly, so that nothing is left out: what the optimiser inlined, musl, BearSSL and Zstandard count as
they were linked. Each function's frame is followed through its instructions; a call is counted with what the caller's
stack holds at that place. A call through a pointer may reach what its place in the source names:

- `x->ops->read(...)`, `watch->told(...)`: every function that a source assigns to a member of that name;
- where that does not tell (libraries, tables of verbs): what is listed below, by the function that calls.

Whatever is not known is an error and not a guess: a call through a pointer without targets, a frame whose size is worked
out at run time, a circle of calls without a stated depth. LOG gets the deepest path, and the largest frames.
"""
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OBJDUMP = "aarch64-linux-gnu-objdump"

# A signal may come at the deepest place. Linux keeps the processor's state on the stack: struct rt_sigframe, with the
# vector registers of ARMv8.0 4,688 bytes (a processor with SVE needs more, and the kernel is built without).
SIGNAL_FRAME = 4688
SIGNAL_HANDLERS = ["on_signal"]

# Calls through pointers in libraries and tables, by the function that makes them: what they may reach, and why.
POINTERS = {
    "main": [r"verb_\w+"],                       # the table of verbs
    "__libc_start_init": [r"frame_dummy"],       # .init_array
    "__libc_exit_fini": [r"__do_global_dtors_aux"],  # .fini_array
    "__libc_start_main": [r"libc_start_main_stage2"],
    "libc_start_main_stage2": [r"main"],
    "register_tm_clones": [], "deregister_tm_clones": [],  # weak, and nobody defines them
    "ZSTD_customFree": [],                       # a context in the caller's memory has no allocator
    "_pthread_cleanup_pop": [r"cleanup"],
    "__fclose_ca": [r"__stdio_close"],
    "fclose": [r"__stdio_close"],
    "close_file": [r"__stdio_(write|seek)"],
    "__toread": [],                              # files are opened to read only: there is nothing to write first
    "__uflow": [r"__stdio_read"],
    "__clock_gettime": [r"cgt_init"],
    "cgt_init": [],                              # the kernel's vDSO: it needs less than a page, and has its own frame
    "__dns_parse": [r"dns_parse_callback"],
    "__netlink_enumerate": [r"netlink_msg_to_ifaddr"],
    "scandir": [],
    "sift": [r"wrapper_cmp"], "trinkle": [r"wrapper_cmp"],
    "wrapper_cmp": [r"addrcmp", r"by_\w+", r"compare\w*"],
    "br_ecdsa_i31_vrfy_raw": [r"api_\w+"],
    "consider": [r"prefers"],
}

# Members that are given their functions by place and not by name.
APP = "recovery/app.c"
HTTP = "recovery/platform/http_parse.c"
MEMBERS = {
    "progress": [(APP, "observe_progress")],
    "line": [(APP, "observe_line"), (APP, "watch_line_app")],
    "poll": [(APP, "observe_poll"), (APP, "watch_poll_app")],
    "retry": [(APP, "watch_retry_app")],
    "on": [(HTTP, name) for name in ("on_accept_ranges", "on_coding", "on_connection", "on_encoding", "on_etag",
                                     "on_length", "on_location", "on_modified", "on_range", "on_retry_after")],
}

# Members of the same name in two seams are told apart by what they are given first: its last word, the files.
SEAMS = {
    "read": {"dev": "recovery/platform/blockdev.c", "disk": "recovery/platform/blockdev.c",
             "source": "recovery/platform/source_"},
}

# Frames whose size is worked out at run time: the most that they take, and why.
DYNAMIC = {
    "__execvpe": 4096 + 256,  # a folder of PATH and a name: PATH_MAX and NAME_MAX
    "execl": 128,           # pointers to the words of a command: recovery gives three at most
}

# Circles of calls: how often at most they go round, and why.
DEPTH = {
    ("FSE_readNCount_body",): 2,    # a header of fewer than eight bytes is copied, and read again
    ("alloc_slot",): 8,             # musl's malloc: a group lies in a slot at least twice as large, 16 bytes to a page
    ("nontrivial_free",): 8,        # and is freed the same way
    ("fdt_get_alias_namelen", "fdt_path_offset", "fdt_path_offset_namelen"): 2,  # all our paths begin with a slash
    ("inet_pton",): 2,              # the IPv4 address at the end of an IPv6 one
    ("scan_folder",): 2,            # lifeboat/ of a stick
}


def base(name):
    """The name in the source: without what the optimiser appends to its copies."""
    return re.sub(r"\.(lto_priv|constprop|isra|part|cold|localalias)\b.*", "", name)


class Function:
    def __init__(self, name):
        self.name = name
        self.code = []      # (address, operation, operands, (file, line))
        self.frame = 0
        self.calls = []     # (stack at that place, address called)
        self.pointers = []  # (stack at that place, (file, line))


def read_program(program):
    text = subprocess.run([OBJDUMP, "-d", "-l", "--no-show-raw-insn", program], check=True, stdout=subprocess.PIPE,
                          text=True).stdout
    functions, function, line = {}, None, None
    for row in text.splitlines():
        m = re.match(r"([0-9a-f]+) <(.+)>:$", row)
        if m:
            function, line = Function(m.group(2)), None
            functions[int(m.group(1), 16)] = function
            continue
        m = re.match(r"\S*?(recovery/\S+):(\d+)", row)
        if m:
            line = (m.group(1), int(m.group(2)))
            continue
        m = re.match(r"\s+([0-9a-f]+):\s+(\S+)\s*(.*)", row)
        if m and function:
            function.code.append((int(m.group(1), 16), m.group(2), re.sub(r"\s*//.*", "", m.group(3)), line))
    return functions


def number(text):
    return int(text, 0)


def stack_change(op, args, registers):
    """What an instruction takes from the stack (below 0: gives back); None: worked out at run time."""
    m = re.match(r"sp, sp, #(\w+)(?:, lsl #(\d+))?$", args)
    if op in ("sub", "add") and m:
        size = number(m.group(1)) << int(m.group(2) or 0)
        return size if op == "sub" else -size
    m = re.match(r"sp, sp, x(\d+)$", args)
    if op in ("sub", "add") and m:
        size = registers.get(m.group(1))
        return None if size is None else size if op == "sub" else -size
    m = re.search(r"\[sp, #(-?\w+)\]!$", args)
    if m:
        return -number(m.group(1))
    m = re.search(r"\[sp\], #(-?\w+)$", args)
    if m:
        return -number(m.group(1))
    return 0


def follow_constants(op, args, registers):
    """Frames of 4 KiB and more come from a register: mov x12, #N; movk x12, #M, lsl #16."""
    m = re.match(r"[xw](\d+), #(\w+)(?:, lsl #(\d+))?$", args)
    if op == "mov" and m:
        registers[m.group(1)] = number(m.group(2))
    elif op == "movk" and m and m.group(1) in registers:
        shift = int(m.group(3) or 0)
        registers[m.group(1)] = registers[m.group(1)] & ~(0xffff << shift) | number(m.group(2)) << shift
    elif re.match(r"[xw](\d+),", args) and not op.startswith(("st", "cmp", "cb", "tb")):
        registers.pop(re.match(r"[xw](\d+),", args).group(1), None)


def follow(function, errors):
    """Frame and calls of a function: every instruction that is reached, with what the stack holds there."""
    code = function.code
    index = {address: i for i, (address, _, _, _) in enumerate(code)}
    todo, seen, extra = [(0, 0, {})], {}, 0
    while todo:
        at, stack, registers = todo.pop()
        while at < len(code):
            if seen.get(at, -1) >= stack:
                break
            seen[at] = stack
            address, op, args, line = code[at]
            registers = dict(registers)
            change = stack_change(op, args, registers)
            if change is None:
                if base(function.name) not in DYNAMIC:
                    errors.append("%s: a frame whose size is worked out at run time, and no bound is listed"
                                  % function.name)
                extra, change = DYNAMIC.get(base(function.name), 0), 0
            follow_constants(op, args, registers)
            stack = max(0, stack + change)
            function.frame = max(function.frame, stack)
            m = re.search(r"\b([0-9a-f]+) <", args)
            to = int(m.group(1), 16) if m else None
            if op == "bl":
                function.calls.append((stack, to))
            elif op == "blr":
                function.pointers.append((stack, line))
            elif op == "br" and args in ("x16", "x17"):  # by the procedure call standard a call, as a jump
                function.pointers.append((stack, line))
                break
            elif op == "br":  # a switch: it may go on wherever nothing else leads
                for i in range(at + 1, len(code)):
                    if i not in seen:
                        todo.append((i, stack, {}))
                break
            elif op == "b":
                if to in index:
                    todo.append((index[to], stack, registers))
                elif to is not None:
                    function.calls.append((stack, to))  # the last call, as a jump
                break
            elif op == "ret":
                break
            elif to in index and (op.startswith("b.") or op in ("cbz", "cbnz", "tbz", "tbnz")):
                todo.append((index[to], stack, registers))
            at += 1
    # What is worked out at run time counts as if it were there from beginning to end.
    function.frame += extra
    function.calls = [(stack + extra, to) for stack, to in function.calls]
    function.pointers = [(stack + extra, line) for stack, line in function.pointers]


def members():
    """{member: functions}: what the device's sources assign to members of that name."""
    found = {}
    for folder in ("recovery", "recovery/core", "recovery/platform", "recovery/ui"):
        for name in sorted(os.listdir(os.path.join(TOP, folder))):
            if name.endswith(".c"):
                with open(os.path.join(TOP, folder, name)) as f:
                    for member, value in re.findall(r"(?:\.|->)(\w+) = &?(\w+)\s*[,;}]", f.read()):
                        found.setdefault(member, set()).add((folder + "/" + name, value))
    for member, values in MEMBERS.items():
        found.setdefault(member, set()).update(values)
    return found


def source(function):
    """The file that a function stands in; None in libraries."""
    return next((line[0] for _, _, _, line in function.code if line), None)


def called_members(line, known, sources={}):
    """(member, what it is given first) of the calls in the statement at a line of the source."""
    path, at = line
    if path not in sources:
        with open(os.path.join(TOP, path)) as f:
            sources[path] = f.read().splitlines()
    text = " ".join(sources[path][max(0, at - 2):at + 2])
    return [call for call in re.findall(r"(?:->|\.)(\w+)\(\s*([\w>.-]*)", text) if call[0] in known]


def resolve(functions, errors):
    """Turns calls through pointers into calls."""
    by_name, known = {}, {}
    for address, function in functions.items():
        by_name.setdefault(base(function.name), []).append(address)
    for member, values in members().items():
        for path, name in values:  # several files may have a function of this name: their own counts, or it is not static
            same = by_name.get(name, [])
            own = [address for address in same if source(functions[address]) == path] or same
            known.setdefault(member, set()).update((path, address) for address in own)
    known = {member: places for member, places in known.items() if places}
    for function in functions.values():
        for stack, line in function.pointers:
            targets = set()
            for member, given in called_members(line, known) if line else ():
                seam = SEAMS.get(member, {}).get(re.split(r"->|\.", given)[-1], "")
                targets.update(address for path, address in known[member] if path.startswith(seam))
            if not targets:
                patterns = POINTERS.get(base(function.name))
                if patterns is None:
                    errors.append("%s%s: a call through a pointer, and nothing says where to"
                                  % (function.name, " (%s:%d)" % line if line else ""))
                    continue
                for pattern in patterns:
                    found = [a for name in by_name if re.fullmatch(pattern, name) for a in by_name[name]]
                    if not found:
                        errors.append("%s: is said to call %s, and there is none" % (function.name, pattern))
                    targets.update(found)
            function.calls += [(stack, address) for address in targets]


def circles(functions):
    """Sets of functions that call each other in a circle (Tarjan)."""
    order, low, stack, on, found = {}, {}, [], set(), []

    def visit(start):
        work = [(start, iter({to for _, to in functions[start].calls if to in functions}))]
        order[start] = low[start] = len(order)
        stack.append(start)
        on.add(start)
        while work:
            node, rest = work[-1]
            for to in rest:
                if to not in order:
                    order[to] = low[to] = len(order)
                    stack.append(to)
                    on.add(to)
                    work.append((to, iter({t for _, t in functions[to].calls if t in functions})))
                    break
                if to in on:
                    low[node] = min(low[node], order[to])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == order[node]:
                    group = set()
                    while True:
                        member = stack.pop()
                        on.discard(member)
                        group.add(member)
                        if member == node:
                            break
                    if len(group) > 1 or any(to == node for _, to in functions[node].calls):
                        found.append(group)

    for start in functions:
        if start not in order:
            visit(start)
    return found


def deepest(functions, errors):
    """{address: (bytes, path)}: the most that each function and what it calls take."""
    in_circle, worst = {}, {}
    for group in circles(functions):
        names = sorted({base(functions[a].name) for a in group})
        depth = next((d for key, d in DEPTH.items() if set(names) <= set(key)), None)
        if depth is None:
            errors.append("a circle of calls without a stated depth: " + ", ".join(names))
            depth = 1
        for address in group:
            in_circle[address] = (group, depth)

    def leave(address):
        """What may be called from here, out of the circle that this is in."""
        group, _ = in_circle.get(address, ({address}, 1))
        return [(stack if len(group) == 1 else functions[a].frame, to) for a in group
                for stack, to in functions[a].calls if to in functions and to not in group]

    def visit(address):
        todo = [address]
        while todo:
            at = todo[-1]
            below = leave(at)
            missing = [to for _, to in below if to not in worst]
            if missing and at not in worst:
                todo += missing
                continue
            todo.pop()
            group, depth = in_circle.get(at, (None, 1))
            function = functions[at]
            round_trip = sum(functions[a].frame for a in group) * depth if group else 0
            best, path = function.frame, []
            for stack, to in below:
                size = (0 if group else stack) + worst[to][0]
                if size > best or not path and size == best:
                    best, path = size, worst[to][1]
            if group:
                best = round_trip + max([worst[to][0] for _, to in below], default=0)
            worst[at] = (best, [(function.name, round_trip or function.frame)] + path)

    for address in functions:
        if address not in worst:
            visit(address)
    return worst


def main():
    program, limit, log = sys.argv[1:]
    errors = []
    functions = read_program(program)
    for function in functions.values():
        follow(function, errors)
    resolve(functions, errors)
    worst = deepest(functions, errors)
    entry = {function.name: address for address, function in functions.items()}
    handlers = max(worst[a][0] for a, f in functions.items() if base(f.name) in SIGNAL_HANDLERS)
    size, path = worst[entry["_start"]]
    total = size + SIGNAL_FRAME + handlers
    with open(log, "w") as f:
        f.write("%6d  in all\n%6d  a signal at the deepest place\n" % (total, SIGNAL_FRAME + handlers))
        f.writelines("%6d  %s\n" % (frame, name) for name, frame in path)
        f.write("\nThe largest frames:\n")
        f.writelines("%6d  %s\n" % (g.frame, g.name)
                     for g in sorted(functions.values(), key=lambda g: -g.frame)[:40])
    if errors:
        sys.exit("\n".join(sorted(set(errors))))
    print("figure: stack_worst = %d bytes" % total)
    if total > int(limit):
        sys.exit("The stack of %s may need more than the limit of %s bytes: %s names the path." % (program, limit, log))


if __name__ == "__main__":
    main()
