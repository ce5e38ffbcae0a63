"""`make lint` finds: the rule that looks at recovery is given a file with a mistake for each of its three programs."""
import os
import subprocess

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@pytest.mark.parametrize("name, finding", [
    ("analyzer", "[CWE-415]"),
    ("tidy", "bugprone-misplaced-operator-in-strlen-in-alloc"),
    ("cppcheck", "[constVariable]"),
])
def test_a_mistake_is_found(name, finding):
    done = subprocess.run(["make", "-s", "build/lint/tests/lint/%s.ok" % name], cwd=TOP, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    assert done.returncode != 0 and finding in done.stdout, done.stdout[-3000:]
    assert not os.path.exists(os.path.join(TOP, "build/lint/tests/lint/%s.ok" % name))
