#!/usr/bin/python3
"""The boot script, run by the real U-Boot, against the model of it (tests/sim/boot_model.h).

    tests/boot/boot_matrix.py [--deep] [--case NAME]

U-Boot's sandbox build runs the boards' script with the boards' configuration on a small disk of the boards' layout.
After each start are compared: what was started (by the text in its kernel and its ramdisk), the kernel's command line,
and every byte of the disk. What recovery/core reads from the same environment is held against both. A failure is
shown with the name of its case; --case runs that one alone and shows the console. boot_mutants.py shows that each of
the comparisons can fail.

Every run does all combinations of order, tries, good marks, recovery request and valid or invalid images, with the
copies of the environment in each state in turn; all triples of every value that any of these can have; and lists of
odd and hostile environments, failing media and damaged partition tables. --deep does the product of everything.
"""
import argparse
import ctypes
import itertools
import multiprocessing
import os
import random
import re
import sys
import time
import zlib

import bench
from bench import BROKEN, ENV_OFFSETS, ENV_SIZE, PARTS, ROOTS, SECTOR, TABLES

# --- Environments ----------------------------------------------------------------------------------------------------

ORDERS = ["A B", "B A", "A", "B", ""]
ODD_ORDERS = [None, "B  A", "C", "A B A", "a b", "R", " A", "A ", "AB", "A\tB"]
TRIES = ["0", "1", "3"]
ODD_TRIES = ["10", None, "-1", "0x3", "3 3", "a", "03", "1 ", " 1", "+1"]
MORE_TRIES = ["2", "4", "5", "6", "7", "8", "9"]
ODD_MARKS = [None, "2", "yes", "01", "1 "]
DAMAGES = ["checksum", "first", "last", "zeros", "ones"]

# State of the two copies: serials, which of them are damaged or cannot be read.
COPIES = [(6, 5, "", ""), (5, 6, "", ""), (255, 0, "", ""), (0, 255, "", ""), (7, 7, "", ""), (127, 128, "", ""),
          (254, 255, "", ""), (1, 0, "", ""), (9, 5, "damaged", ""), (5, 9, "damaged", ""), (9, 5, "", "damaged"),
          (5, 9, "", "damaged"), (255, 0, "damaged", ""), (255, 0, "", "damaged"), (6, 5, "damaged", "damaged")]
FAILING_COPIES = [(9, 5, "unreadable", ""), (5, 9, "unreadable", ""), (5, 9, "", "unreadable"),
                  (9, 5, "", "unreadable"), (6, 5, "unreadable", "unreadable"), (6, 5, "unreadable", "damaged"),
                  (6, 5, "damaged", "unreadable")]


def copy_of(data, serial):
    """One copy of the environment; data: a dictionary, or the bytes as they stand there."""
    if isinstance(data, dict):
        data = b"".join(b"%s=%s\0" % (n.encode("latin-1"), v.encode("latin-1"))
                        for n, v in data.items() if v is not None) + b"\0"
    data = data[:ENV_SIZE - 5].ljust(ENV_SIZE - 5, b"\0")
    return zlib.crc32(data).to_bytes(4, "little") + bytes([serial]) + data


def damaged(copy, how):
    at = {"checksum": 0, "first": 5, "last": ENV_SIZE - 1}.get(how)
    if at is None:
        return (b"\0" if how == "zeros" else b"\xff") * ENV_SIZE
    return copy[:at] + bytes([copy[at] ^ 0x10]) + copy[at + 1:]


def decoy(data):
    """What the copy that does not count holds: an environment that leads elsewhere."""
    if not isinstance(data, dict):
        return {"BOOT_ORDER": "B", "BOOT_B_LEFT": "8"}
    order = {"A B": "B A", "B A": "A B", "A": "B", "B": "A"}.get(data.get("BOOT_ORDER"), "B A")
    return {"BOOT_ORDER": order, "BOOT_A_LEFT": "8", "BOOT_B_LEFT": "7", "BOOT_A_GOOD": "1", "BOOT_B_GOOD": "1",
            "BOOT_RECOVERY": "0" if data.get("BOOT_RECOVERY") == "1" else "1", "decoy": "yes"}


def counts(copies):
    """Which copy U-Boot must take, or None. (Said here once more, for the decoy.)"""
    serials, sound = copies[:2], [c == "" for c in copies[2:]]
    if not all(sound):
        return sound.index(True) if any(sound) else None
    if set(serials) == {0, 255}:
        return serials.index(0)
    return 1 if serials[1] > serials[0] else 0


class Case:
    """One start. exact: the model says what happens; else only that it is something that is allowed to happen."""

    def __init__(self, env, images=("good", "good", "good"), copies=COPIES[0], table="good", fail_writes=0,
                 unreadable_images="", damage="checksum", exact=True, core=True):
        self.env, self.images, self.copies, self.table = env, images, copies, table
        self.fail_writes, self.unreadable_images, self.damage = fail_writes, unreadable_images, damage
        self.exact, self.core = exact, core

    def __repr__(self):
        return ", ".join("%s=%r" % i for i in vars(self).items() if i[1] not in ("", 0))

    def blocks(self):
        """Sectors that cannot be read."""
        return tuple(offset // SECTOR + 3 for offset, state in zip(ENV_OFFSETS, self.copies[2:])
                     if state == "unreadable") + tuple(offsets[PARTS[w]] // SECTOR for w in self.unreadable_images)

    def changes(self):
        """[(offset, bytes)]: what the disk holds where the table's disk is empty."""
        current = counts(self.copies)
        for i in range(2):
            copy = copy_of(self.env if i == current else decoy(self.env), self.copies[i])
            yield ENV_OFFSETS[i], damaged(copy, self.damage) if self.copies[2 + i] == "damaged" else copy
        for which, form in zip("ABR", self.images):
            yield offsets[PARTS[which]], images[which, form].ljust(bench.IMAGE_MAX, b"\0")

    def has(self, label):
        return label not in TABLES[self.table]

    def image_ok(self, which):
        form = self.images["ABR".index(which)]
        return form.startswith("good") and which not in self.unreadable_images and self.has(PARTS[which])


# --- Cases -----------------------------------------------------------------------------------------------------------

def variables(order, left_a, left_b, good_a, good_b, recovery):
    return {"BOOT_ORDER": order, "BOOT_A_LEFT": left_a, "BOOT_B_LEFT": left_b, "BOOT_A_GOOD": good_a,
            "BOOT_B_GOOD": good_b, "BOOT_RECOVERY": recovery}


GOOD = variables("A B", "3", "3", "1", "1", "0")


def in_turn(values, n):
    return values[n % len(values)]


def forms(valid, n):
    """Three images, each valid or broken in one of the ways."""
    return tuple(in_turn(["good", "good", "good-and-more"], n + i) if v else in_turn(BROKEN, n + 5 * i)
                 for i, v in enumerate(valid))


def product(orders, tries, copies):
    """All combinations. copies: None, each in turn; else these too are multiplied."""
    n = 0
    for order, a, b, good_a, good_b, recovery, *valid in itertools.product(
            orders, tries, tries, "01", "01", "01", *[(True, False)] * 3):
        env = variables(order, in_turn(ODD_TRIES, n // 7) if a == "odd" else a,
                        in_turn(ODD_TRIES, n // 11) if b == "odd" else b, good_a, good_b, recovery)
        for c in copies or [in_turn(COPIES, n)]:
            n += 1
            yield Case(env, forms(valid, n // 3), c, damage=in_turn(DAMAGES, n))


def triples(seed=1):
    """Few cases in which each three values of three different things meet at least once."""
    factors = [ORDERS + ODD_ORDERS[:5], TRIES + MORE_TRIES[:1] + ODD_TRIES[:5], TRIES + MORE_TRIES[:1] + ODD_TRIES[5:],
               ["0", "1"] + ODD_MARKS[:2], ["0", "1"] + ODD_MARKS[2:], ["0", "1"] + ODD_MARKS[1:3],
               ["good", "good-and-more", "bad"], ["good", "good-and-more", "bad"], ["good", "bad"], range(len(COPIES))]
    pick = random.Random(seed)
    threes = list(itertools.combinations(range(len(factors)), 3))
    missing = {(three, values) for three in threes
               for values in itertools.product(*(range(len(factors[f])) for f in three))}

    def met(row):
        return {(three, tuple(row[f] for f in three)) for three in threes}

    n = 0
    for three, values in sorted(missing):
        if (three, values) not in missing:
            continue
        best, most = None, -1
        for _ in range(6):
            row = [pick.randrange(len(f)) for f in factors]
            for f, v in zip(three, values):
                row[f] = v
            new = len(met(row) & missing)
            if new > most:
                best, most = row, new
        missing -= met(best)
        n += 1
        order, a, b, good_a, good_b, recovery, *kinds, copies = (f[v] for f, v in zip(factors, best))
        yield Case(variables(order, a, b, good_a, good_b, recovery),
                   tuple(in_turn(BROKEN, n + 3 * i) if k == "bad" else k for i, k in enumerate(kinds)),
                   COPIES[copies], damage=in_turn(DAMAGES, n))


def every_broken_image():
    for which, form in itertools.product(range(3), BROKEN):
        wanted = tuple(form if i == which else "good" for i in range(3))
        for order, recovery in [("A B", "0"), ("B A", "0"), ("", "0"), ("A B", "1")]:
            yield Case(dict(GOOD, BOOT_ORDER=order, BOOT_RECOVERY=recovery), wanted)
    for form in BROKEN:
        yield Case(GOOD, (form,) * 3)


def every_value():
    for order, recovery in itertools.product(ODD_ORDERS, ["0", "1"] + ODD_MARKS):
        yield Case(dict(GOOD, BOOT_ORDER=order, BOOT_RECOVERY=recovery))
    for tries, slot in itertools.product(TRIES + MORE_TRIES + ODD_TRIES, "AB"):
        yield Case(dict(GOOD, BOOT_ORDER=slot, **{"BOOT_%s_LEFT" % slot: tries}))
        # The last resort takes them too.
        yield Case(dict(GOOD, BOOT_ORDER="", **{"BOOT_%s_LEFT" % slot: tries}),
                   ("good" if slot == "A" else "empty", "good" if slot == "B" else "empty", "kernel"))


def every_serial():
    for one in range(256):
        yield Case(GOOD, copies=(one, (one + 1) % 256, "", ""))
        yield Case(GOOD, copies=((one + 1) % 256, one, "", ""))


def failing_media():
    """Stores that fail, copies of the environment and images that cannot be read."""
    for fail, order, good_a, good_b, valid in itertools.product(
            range(1, 16), ["A B", "B A"], "01", "01", [(1, 1, 1), (0, 1, 1), (0, 0, 1), (0, 0, 0), (0, 1, 0)]):
        yield Case(variables(order, "2", "1", good_a, good_b, "0"), forms(valid, fail), in_turn(COPIES, fail),
                   fail_writes=fail)
    for copies, order, recovery in itertools.product(FAILING_COPIES, ["A B", "B A"], "01"):
        yield Case(dict(GOOD, BOOT_ORDER=order, BOOT_RECOVERY=recovery), copies=copies)
        yield Case(dict(GOOD, BOOT_ORDER=order, BOOT_RECOVERY=recovery), copies=copies, fail_writes=1)
    for dead, order in itertools.product(["A", "B", "R", "AB", "AR", "BR"], ["A B", "B A", "A", ""]):
        yield Case(dict(GOOD, BOOT_ORDER=order), unreadable_images=dead)


def partition_tables():
    for table, order, recovery, first, last in itertools.product(
            TABLES, ["A B", "B A", "B", ""], "01", ["good", "huge"], ["good", "kernel"]):
        yield Case(dict(GOOD, BOOT_ORDER=order, BOOT_RECOVERY=recovery), (first, "good", last), table=table)


def text(variables):
    return b"".join(b"%s=%s\0" % (n.encode(), v.encode()) for n, v in variables.items())


HOSTILE = {"lb_slot": "B", "lb_part": "boot_b", "lb_order": "B", "lb_s": "B", "lb_go": "1", "lb_tree": "0",
           "lb_next": "9", "lb_reason": "x", "bootcmd": "echo hijacked; reset", "bootdelay": "10",
           "bootargs": "init=/bin/sh", "verify": "no", "preboot": "echo hijacked", "fdtcontroladdr": "48000000",
           "loadaddr": "0", "stdin": "nowhere", "stdout": "nulldev"}


def odd_environments():
    """Bytes that U-Boot's own tools never store: what it makes of them, the model says."""
    for order, recovery, valid in itertools.product(["A B", "B A", ""], "01",
                                                    [(1, 1, 1), (0, 1, 1), (0, 0, 1), (1, 1, 0)]):
        yield Case(dict(GOOD, BOOT_ORDER=order, BOOT_RECOVERY=recovery, **HOSTILE), forms(valid, 2))
    yield Case(dict(GOOD, **{n: "1" for n in (
        ".flags", ".callbacks", "xflags", "verify", "autostart", "bootm_low", "bootm_size", "bootm_mapsize", "fdt_high",
        "initrd_high", "skip_board_fixup", "silent_linux", "baudrate", "IFS", "HUSH_NO_EVAL", "fdtaddr", "lb_other")}))
    yield Case(dict(GOOD, IFS="AB"))
    yield Case(dict(GOOD, verify="n", bootm_low="0", bootm_size="1000"))
    for order in ("A B; echo hijacked", "$(echo B)", "${bootcmd}", "A B&&echo hijacked", "A|B", "#A B", "A B\n",
                  "A\nB", "\nA", "A B\necho hijacked", "-o", "!", "=", "-z", "A = A", "<", "x" * 3000, "\xc1 B",
                  "A\rB"):
        # Core reads a line feed as what it is; the shell, as a space. Nobody stores one.
        yield Case(dict(GOOD, BOOT_ORDER=order), core="\n" not in order)
    for left in ("3; echo hijacked", "$BOOT_B_LEFT", "3\n", "1 -o 1 = 1", "9" * 100, "1=1", "=1", "!", "-n"):
        yield Case(dict(GOOD, BOOT_A_LEFT=left), core="\n" not in left)
        yield Case(dict(GOOD, BOOT_A_LEFT=left, BOOT_A_GOOD=left))
    yield Case(dict(GOOD, BOOT_ENVIRONMENT="default"))
    yield Case(dict(GOOD, BOOT_ENVIRONMENT="default", BOOT_RECOVERY="1"))
    yield Case(dict(GOOD, BOOT_ENVIRONMENT="x"))
    # The form of the environment itself.
    for data, core in [
            (b"", True), (text(GOOD)[:-1], True), (text(GOOD) + b"BOOT_ORDER=B\0", True),
            (b"BOOT_ORDER=B\0" + text(GOOD), True), (text(GOOD) + b"BOOT_ORDER\0", False),
            (text(GOOD) + b"BOOT_ORDER=\0", True), (b"\0" + text(GOOD), False), (b"\0\0" + text(GOOD), True),
            (text(GOOD) + b"\0BOOT_ORDER=B\0", True), (b"=x\0" + text(GOOD), False), (text(GOOD) + b"=\0", True),
            (text(GOOD) + b"=x\0", False), (b"#" + text(GOOD), True), (text(GOOD) + b"#BOOT_ORDER=B\0", True),
            (b"  \t" + text(GOOD), False), (text(GOOD) + b" BOOT_ORDER=B\0", False), (b"   \0" + text(GOOD), True),
            (b"#\0" + text(GOOD), True), (text(GOOD) + b"name\0", True), (text(GOOD) + b"x==\0", True),
            (text(GOOD) + b"z=a\\\0", True), (text(GOOD) + b"z=\\\\\0y=\\n\\\0", True), (text(GOOD) + b"z=\\\0", True),
            (b"BOOT_RECOVERY=\\1\0" + text(dict(GOOD, BOOT_RECOVERY="\\0")), False),
            (b"a" * 16379, True), (b"=" * 16379, False), (b"\xff" * 16379, True), (b"a=" * 8189, True),
            (b"BOOT_ORDER=" + b"A" * 16368, True), (b" " * 16379, True), (b"#" * 16379, True)]:
        yield Case(data, core=core)
    # As many variables as there is room for; each of them takes a place in U-Boot's table.
    for count in (500, 510, 515, 516, 517, 520, 521, 522, 600, 2000):
        yield Case(text(GOOD) + b"".join(b"%x=1\0" % i for i in range(count)))
    yield Case((text(GOOD) + b"".join(b"%x=1\0" % i for i in range(0x100, 0x900)))[:16370] + b"\0")
    # The store fails because nothing more fits, by one byte; and values that grow when they are stored. (What U-Boot
    # cannot store, a slot on trial does not survive; core cannot know.)
    room = ENV_SIZE - 5 - len(text(GOOD)) - len(b"stderr=serial\0stdin=serial\0stdout=serial\0") - len("zz=\0") - 1
    for more, good_a, good_b in itertools.product((-2, -1, 0, 1, 2), "01", "01"):
        env = dict(GOOD, BOOT_A_GOOD=good_a, BOOT_B_GOOD=good_b)
        yield Case(dict(env, zz="y" * (room + more)), core=False)
        yield Case(dict(env, BOOT_A_LEFT="0", zz="y" * (room + more)), core=False)
        yield Case(text(env) + b"zz=" + b"y" * (room + more - 1) + b"\\\0", core=False)
        yield Case(text(env) + b"".join(b"%03d=\\\0" % i for i in range(500)) +
                   b"zz=" + b"y" * (room + more - 500 * 7) + b"\0", core=False)
    yield Case(text(GOOD) + b"".join(b"%x=\\\0" % i for i in range(3000)))
    # A quote in a value ends the script's own: the shell may read other words then, and nothing worse.
    for quote in ('3" -o "1" = "1', "A' = 'A' -o 'B", "'", '"', "\\\\", "1' -o '1' = '1", "x' -o 'A B", "A B' -o 'x",
                  "';", "'; echo hijacked; '", "' || echo hijacked || '", "'\necho hijacked\n'", "$(echo hijacked)'",
                  "' #", "1\\\\", "A B\\\\", "\\\\A B", "''", "1''", "'A B'", "1'1", "-o '", "' -o '",
                  "' ' ' ' ' ' ' ' ' ' ' ' ' '"):
        for name in ("BOOT_ORDER", "BOOT_A_LEFT", "BOOT_B_GOOD", "BOOT_RECOVERY", "BOOT_ENVIRONMENT"):
            yield Case(dict(GOOD, **{name: quote}), exact=False, core=False)


GROUPS = {
    "product": lambda: product(ORDERS, TRIES + ["odd"], None),
    "triples": triples,
    "images": every_broken_image,
    "values": every_value,
    "media": failing_media,
    "tables": partition_tables,
    "odd": odd_environments,
}
DEEP = {
    "whole-product": lambda: product(ORDERS + ["odd"], TRIES + ["9", "odd"], COPIES),
    "serials": every_serial,
    "triples-2": lambda: triples(2),
}

# --- Judging ---------------------------------------------------------------------------------------------------------

READ_MAX = 16 << 20     # what is not verified yet stays below U-Boot's own memory
REASONS = ("no-slot", "no-tries-left", "environment-damaged", "request", "boot-image-invalid")


def command_line(started, reason):
    if started == "R":
        return "console=ttyAMA0 quiet panic=5 gpt lifeboat.mode=recovery lifeboat.reason=%s" % reason
    return "console=ttyAMA0 quiet panic=5 gpt ro rootwait root=PARTUUID=%s lifeboat.slot=%s" % (
        bench.uuid_of(ROOTS[started]), started)


def show_copies(memory):
    lines = []
    for at in ENV_OFFSETS:
        copy = bytes(memory[at:at + ENV_SIZE])
        sound = zlib.crc32(copy[5:]) == int.from_bytes(copy[:4], "little")
        lines.append("    %s serial %d: %s" % ("valid  " if sound else "damaged", copy[4], " ".join(
            v.decode("latin-1")[:60] for v in copy[5:].rstrip(b"\0").split(b"\0")[:14])))
    return "\n".join(lines)


class Bench:
    """A machine and the model, each with a disk of the same contents."""

    def __init__(self, folder):
        self.machine, self.model = bench.Machine(folder), bench.Memory()
        self.table = None

    def prepare(self, case):
        anew = case.table != self.table or not self.alike()
        for disk in self.machine, self.model:
            if anew:
                ctypes.memmove(disk.address, disks[case.table], bench.DISK_SIZE)
            for offset, data in case.changes():
                ctypes.memmove(disk.address + offset, data, len(data))
        self.table = case.table

    def alike(self, start=0, end=bench.DISK_SIZE):
        return not libc.memcmp(ctypes.c_void_p(self.machine.address + start),
                               ctypes.c_void_p(self.model.address + start), end - start)

    def run(self, case):
        """Run a case; returns (what is wrong, the console)."""
        self.prepare(case)
        ok = tuple(case.image_ok(w) for w in "ABR")
        roots = tuple(case.has(ROOTS[w]) for w in "AB")
        expected, reason, core = self.model.start(ok, roots, case.fail_writes, case.blocks())
        console = self.machine.power_on(case.fail_writes, case.blocks())
        started, kernel, ramdisk, bootargs = bench.what_started(console)
        wrong = []
        if any(int(n) > READ_MAX // SECTOR for n in re.findall(r"^MMC read: .*, count (\d+) ", console, re.M)):
            wrong.append("more was read than there is room for")
        if "\nhijacked" in console:
            wrong.append("a command from the environment ran")
        if started in "ABR":
            if kernel != bench.kernel(started).decode() or (ramdisk or "") != (
                    bench.RAMDISK.decode() if started == "R" else ""):
                wrong.append("%s was said to start, but %r with %r did" % (started, kernel, ramdisk))
            if not ok["ABR".index(started)]:
                wrong.append("%s was started, whose image is not valid" % started)
            if bootargs not in [command_line(started, r) for r in ([reason] if case.exact else REASONS)]:
                wrong.append("the command line was %r" % bootargs)
        if case.exact:
            if started != expected:
                wrong.append("%s was started; the model says %s %s" % (started, expected, reason))
            if not self.alike():
                wrong.append("the disk is not what the model says. U-Boot's:\n%s\n    The model's:\n%s" % (
                    show_copies(self.machine.bytes), show_copies(self.model.bytes)))
        else:
            if not self.alike(0, ENV_OFFSETS[0]) or not self.alike(ENV_OFFSETS[1] + ENV_SIZE):
                wrong.append("something besides the environment was changed")
            if started == "?":
                wrong.append("nothing was started")
        if case.core and case.table == "good" and not case.fail_writes:
            wrong += against_core(case, core, console)
        return wrong, console


def against_core(case, core, console):
    """What core says will be started is what the script tries first."""
    first = re.search(r"^Lifeboat: starting (\w+)", console, re.M)
    first = {"A": "A", "B": "B", "recovery": "R"}.get(first.group(1)) if first else "?"
    if core == "D" and first == "R" or core == first:
        return []
    if core == "?" and "unreadable" in case.copies:             # it may be sound, says core; U-Boot has to decide
        return []
    return ["core says %s, the script tried %s first" % (core, first)]


def work(index):
    name, case = cases[index]
    global worker
    if not worker:
        worker = Bench(os.path.join(work_folder, str(os.getpid())))
    wrong, _ = worker.run(case)
    return name, wrong and "%s: %r\n  %s" % (name, case, "\n  ".join(wrong))


worker = None
libc = ctypes.CDLL(None)
cases, images, disks, offsets, work_folder = [], {}, {}, {}, None


def prepare():
    """Images, disks and the control tree; to be called once."""
    global images, disks, offsets
    os.makedirs(bench.OUT, exist_ok=True)
    images = bench.make_images(bench.OUT)
    disks, offsets = bench.make_disks(bench.OUT)
    bench.make_tree(bench.OUT)


def run_cases(wanted, stop):
    """Run [(name, case)], two for each processor: a start sleeps for a part of its time (the card's own waits).
    Returns ({group: number of starts}, [failures]); ends after so many failures."""
    global cases, work_folder
    cases, failures, done = wanted, [], {}
    work_folder = os.path.join("/dev/shm" if os.access("/dev/shm", os.W_OK) else bench.OUT,
                               "lifeboat-boot-%d" % os.getpid())
    try:
        with multiprocessing.Pool(2 * os.cpu_count()) as pool:
            for name, wrong in pool.imap_unordered(work, range(len(cases)), chunksize=8):
                group = name.split(":")[0]
                done[group] = done.get(group, 0) + 1
                if wrong:
                    failures.append(wrong)
                    if len(failures) >= stop:
                        break
    finally:
        bench.shutil.rmtree(work_folder, ignore_errors=True)
    return done, failures


def all_of(groups):
    everything = dict(GROUPS, **DEEP)
    return [("%s:%d" % (group, n), case) for group in groups for n, case in enumerate(everything[group]())]


LEAST = 8500  # of all groups; fewer: one has lost its cases


def show_case(name):
    group, number = name.split(":")
    case = next(itertools.islice(dict(GROUPS, **DEEP)[group](), int(number), None))
    folder = os.path.join(bench.OUT, "case")
    wrong, console = Bench(folder).run(case)
    bench.shutil.rmtree(folder)
    print(console, repr(case), *wrong, sep="\n")
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(description="the boot script against the model of it")
    parser.add_argument("--deep", action="store_true", help="the whole product too")
    parser.add_argument("--case", help="run this one and show the console")
    parser.add_argument("--group", action="append", choices=list(GROUPS) + list(DEEP), help="only these groups")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each Nth case (1)")
    parser.add_argument("--stop", type=int, default=50, metavar="N", help="end after N failures (50)")
    args = parser.parse_args()

    prepare()
    if args.case:
        return show_case(args.case)
    start = time.monotonic()
    cases = all_of(args.group or list(GROUPS) + (list(DEEP) if args.deep else []))
    done, failures = run_cases(cases[::args.every], args.stop)
    print(*failures[:10], sep="\n", end="\n" if failures else "")
    if len(failures) >= args.stop:
        print("  BOOT      that is enough")
    for group in done:
        print("  BOOT      %-14s %d starts" % (group, done[group]))
    count = sum(done.values())
    print("figure: boot_matrix_cases = %d cases" % count)
    print("figure: boot_matrix_failures = %d cases" % len(failures))
    print("%d passed, %d failed in %.0f s" % (count - len(failures), len(failures), time.monotonic() - start))
    if not args.group and args.every == 1 and not failures and count < LEAST:
        print("these are fewer starts than there must be: %d" % LEAST, file=sys.stderr)
        return 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
