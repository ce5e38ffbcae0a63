"""Core is pure logic: what it may include and what it may call is listed here, and nothing else passes."""
import os
import re
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CORE = os.path.join(TOP, "recovery/core")

HEADERS = {"stdalign.h", "stdbool.h", "stddef.h", "stdint.h", "string.h", "limits.h", "bearssl_ec.h", "bearssl_hash.h",
           "libfdt.h", "zstd.h", "zstd_errors.h"}
# The memory and string functions of ISO C that neither allocate nor keep anything, and the three libraries.
CALLS = re.compile(r"^(mem(cpy|set|cmp|chr|move)|str(len|cmp|ncmp|chr|rchr)|br_\w+|fdt_\w+|ZSTD_\w+"
                   r"|__stack_chk_fail|__\w+_chk)$")
ALLOCATES = re.compile(r"^ZSTD_(create|free)\w+$")


def sources(ending):
    return sorted(f for f in os.listdir(CORE) if f.endswith(ending))


def core_objects():
    """Core's own objects, as the native program links them."""
    return [os.path.join(TOP, "build/host/obj/recovery/core", f[:-2] + ".o") for f in sources(".c")]


def undefined(path):
    lines = subprocess.run(["nm", "--undefined-only", path], check=True, stdout=subprocess.PIPE, text=True).stdout
    return [line.split()[-1] for line in lines.splitlines()]


def test_core_includes_no_platform_header():
    own = set(sources(".h"))
    for name in sources(".c") + sources(".h"):
        with open(os.path.join(CORE, name)) as f:
            for header in re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', f.read(), re.M):
                assert header in own | HEADERS, "%s includes %s" % (name, header)


def test_core_calls_nothing_that_allocates_or_asks_the_system():
    defined = set()
    for path in core_objects():
        out = subprocess.run(["nm", "--defined-only", path], check=True, stdout=subprocess.PIPE, text=True).stdout
        defined |= {line.split()[-1] for line in out.splitlines()}
    for path in core_objects():
        for symbol in undefined(path):
            if symbol in defined or symbol == "_GLOBAL_OFFSET_TABLE_":
                continue
            assert CALLS.match(symbol) and not ALLOCATES.match(symbol), "%s calls %s" % (os.path.basename(path), symbol)


def test_core_has_no_variables():
    """No writable data: whatever core knows is in what it is given."""
    for path in core_objects():
        out = subprocess.run(["nm", "--defined-only", path], check=True, stdout=subprocess.PIPE, text=True).stdout
        for line in out.splitlines():
            _, kind, name = line.split()
            # A table of pointers is relocated, so "d" with .data.rel.ro is constant all the same.
            if kind in "bBcC" or kind in "dD" and not is_constant(path, name):
                raise AssertionError("%s has the variable %s" % (os.path.basename(path), name))


def is_constant(path, name):
    out = subprocess.run(["objdump", "--syms", path], check=True, stdout=subprocess.PIPE, text=True).stdout
    return any(line.split()[-1:] == [name] and ".data.rel.ro" in line for line in out.splitlines())


def test_the_lower_layers_do_not_know_the_upper_ones():
    for layer, forbidden in (("platform", ("ui/", "app.h")), ("ui", ("platform/", "app.h"))):
        folder = os.path.join(TOP, "recovery", layer)
        for name in sorted(os.listdir(folder)):
            if not name.endswith((".c", ".h")):
                continue
            with open(os.path.join(folder, name)) as f:
                for header in re.findall(r'#\s*include\s*"([^"]+)"', f.read()):
                    assert not header.startswith(forbidden), "%s/%s includes %s" % (layer, name, header)
