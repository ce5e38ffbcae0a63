"""The invariants of DESIGN.md are more than words: each is held by unit tests, by the simulator, and by mutants."""
import glob
import os
import re

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def text(pattern):
    found = sorted(glob.glob(os.path.join(TOP, pattern)))
    assert found, pattern
    return "\n".join(open(f).read() for f in found)


INVARIANTS = [int(n) for n in re.findall(r"^- \*\*I(\d+)\*\*", text("recovery/DESIGN.md"), re.M)]


def test_there_are_eleven():
    assert INVARIANTS == list(range(1, 12))


@pytest.mark.parametrize("number", INVARIANTS)
def test_invariant_is_held(number):
    assert re.search(r"\bTEST\((?:\w*_)?i%d_\w+\)" % number, text("tests/unit/test_*.c")), "no unit test cites it"
    assert re.search(r"oracle_fail\(\s*(?:o|&b->oracle|d->oracle),\s*\"I%d\"" % number, text("tests/sim/*.c")), \
        "the simulator does not look for it"
    assert re.search(r"\bI%d\b" % number, text("tests/mutants/*.patch")), "no mutant breaks it"
