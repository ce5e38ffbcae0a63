#!/usr/bin/python3
"""Which lines and branches of recovery/core the unit tests run: two `figure:` lines, and a table of what they do not.

Usage: coverage.py OBJECTS LOG LINES BRANCHES

OBJECTS is the folder of the objects that the tests, built with --coverage, were linked from; their .gcda files hold the
counts. LINES and BRANCHES are the least per cent that passes. A branch is what gcov calls one: each way out of each
part of a condition. Whatever the compiler keeps counts: nothing is left out by a marker. Inline functions of a header
count once, whichever files they were compiled into.
"""
import json
import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CORE = "recovery/core/"


def reports(objects):
    """What gcov says of each source, those whose object never ran included."""
    notes = sorted(os.path.join(objects, CORE, f) for f in os.listdir(os.path.join(objects, CORE)) if f.endswith(".gcno"))
    out = subprocess.run(["gcov", "--json-format", "--stdout", "--branch-probabilities"] + notes, cwd=TOP, check=True,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    return [json.loads(line) for line in out.splitlines() if line]


def count(objects):
    """{file: ({line: runs}, {(line, number): runs})} of core's files."""
    found = {}
    for report in reports(objects):
        for part in report["files"]:
            name = os.path.relpath(os.path.join(TOP, part["file"]), TOP)
            if not name.startswith(CORE):
                continue
            lines, branches = found.setdefault(name, ({}, {}))
            for line in part["lines"]:
                at = line["line_number"]
                lines[at] = lines.get(at, 0) + line["count"]
                for number, branch in enumerate(line["branches"]):
                    branches[at, number] = branches.get((at, number), 0) + branch["count"]
    return found


def share(counts):
    return 100.0 * sum(1 for runs in counts if runs) / len(counts) if counts else 100.0


def write_log(path, found):
    rows = sorted((share(branches.values()), share(lines.values()), name) for name, (lines, branches) in found.items())
    with open(path, "w") as f:
        f.write("%-28s %8s %9s  never run (lines; those of branches in brackets)\n" % ("file", "lines", "branches"))
        for branch_share, line_share, name in rows:
            lines, branches = found[name]
            never = ["%d" % n for n, runs in sorted(lines.items()) if not runs]
            half = ["(%d)" % n for n in sorted({n for (n, _), runs in branches.items() if not runs and lines[n]})]
            f.write("%-28s %7.1f%% %8.1f%%  %s\n" % (name[len(CORE):], line_share, branch_share, " ".join(never + half)))


def main():
    objects, log, least_lines, least_branches = sys.argv[1:]
    found = count(objects)
    write_log(log, found)
    lines = share([runs for file_lines, _ in found.values() for runs in file_lines.values()])
    branches = share([runs for _, file_branches in found.values() for runs in file_branches.values()])
    print("figure: core_line_coverage = %.1f %%" % lines)
    print("figure: core_branch_coverage = %.1f %%" % branches)
    if lines < float(least_lines) or branches < float(least_branches):
        sys.exit("The unit tests run too little of recovery/core: %s %% of its lines and %s %% of its branches are asked "
                 "for. %s names those that never run." % (least_lines, least_branches, log))


main()
