"""The stack's worst case (tests/stack/stack.py) of programs whose answer is known, and of those it must refuse."""
import os
import re
import subprocess

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SIGNAL = 4688

BEGIN = """
#define APART __attribute__((noinline, noclone))
void on_signal(void) {}
volatile int some;
APART void use(volatile char *p) { p[0] = 1; }
APART int leaf(void) { volatile char a[1000]; use(a); return a[0]; }
"""


def worst(tmp_path, body, limit=1 << 20):
    source, program = tmp_path / "p.c", tmp_path / "p"
    source.write_text(BEGIN + body)
    subprocess.run(["aarch64-linux-gnu-gcc", "-O1", "-fno-stack-protector", "-fno-optimize-sibling-calls", "-nostdlib",
                    "-static", "-o", program, source], check=True)
    done = subprocess.run(["/usr/bin/python3", "tests/stack/stack.py", program, str(limit), tmp_path / "log"], cwd=TOP,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    found = re.search(r"^figure: stack_worst = (\d+) bytes$", done.stdout, re.M)
    return int(found.group(1)) - SIGNAL if found else None, done


def test_the_deeper_of_two_ways(tmp_path):
    size, _ = worst(tmp_path, """
        APART int deep(void) { volatile char a[5000]; use(a); return a[0] + leaf(); }
        void _start(void) { if (some) leaf(); else deep(); }""")
    assert 6000 <= size <= 6200


def test_a_frame_that_is_given_back_before_the_call(tmp_path):
    """Large frames come from a register; what is not there any more when the next one is called does not count."""
    size, _ = worst(tmp_path, """
        APART int large(void) { volatile char a[70000]; use(a); return a[0]; }
        void _start(void) { large(); leaf(); }""")
    assert 70000 <= size <= 70200


def test_more_than_the_limit(tmp_path):
    size, done = worst(tmp_path, "void _start(void) { leaf(); }", limit=5000)
    assert done.returncode != 0 and size > 312 and "limit of 5000 bytes" in done.stderr


@pytest.mark.parametrize("body, what", [
    ("int (*which)(void) = leaf; void _start(void) { which(); }", "_start: a call through a pointer"),
    ("APART int again(int n) { volatile char a[100]; use(a); return n ? again(n - 1) + a[0] : leaf(); }"
     "void _start(void) { again(some); }", "a circle of calls without a stated depth: again"),
    ("void _start(void) { volatile char a[some + 1]; use(a); leaf(); }", "_start: a frame whose size is worked out"),
])
def test_what_is_not_known_is_no_guess(tmp_path, body, what):
    size, done = worst(tmp_path, body)
    assert done.returncode != 0 and size is None and what in done.stderr
