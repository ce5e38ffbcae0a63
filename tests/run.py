#!/usr/bin/python3
"""Runs the goals that `make test` consists of, two at a time, and says how many tests passed.

    tests/run.py GOAL ...

A line for each goal with its count and its figures; all that it said is in build/log/test-GOAL.log, whose end is shown when it
fails. The goals wait for devices and for each other's processors in turn, so that two together take little longer than
the longer one. What they need was built before: two makes never build the same.
"""
import concurrent.futures
import os
import re
import subprocess
import sys
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOGS = os.path.join(TOP, "build", "log")
LANES = 2
SILENCE = 60        # seconds after which somebody is told what is going on
TAIL = 40           # lines of the log of a goal that failed

said = time.monotonic()
running = {}
lock = threading.Lock()


def say(text):
    global said
    with lock:
        print(text, flush=True)
        said = time.monotonic()


def count(text):
    """(passed, failed) of what a goal said: its own last line, pytest's, or cmocka's of each program."""
    own = re.findall(r"^(\d+) passed, (\d+) failed", text, re.M)
    if own:
        return tuple(sum(int(n) for n in column) for column in zip(*own))
    ends = re.findall(r"^=+ (.*\bin [\d.]+s.*) =+$", text, re.M)
    if ends:
        return tuple(sum(int(n) for e in ends for n in re.findall(r"(\d+) (?:%s)" % word, e))
                     for word in ("passed", "failed|errors?"))
    return sum(int(n) for n in re.findall(r"\[  PASSED  \] (\d+) test", text)), 0


def skipped(text):
    """How many tests said that they could not run here: nobody shall take them for passed."""
    return sum(int(n) for n in re.findall(r"\b(\d+) skipped|\[  SKIPPED \] (\d+) test", text) for n in n if n)


def run(goal):
    """(passed, failed, whether it ended well)"""
    log = os.path.join(LOGS, "test-%s.log" % goal)
    begin = running[goal] = time.monotonic()
    with open(log, "w") as f:
        done = subprocess.run(["make", "--no-print-directory", goal], cwd=TOP, stdout=f, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL)
    del running[goal]
    with open(log, errors="replace") as f:
        text = f.read()
    passed, failed = count(text)
    counted = "%d passed" % passed if passed else ""
    if skipped(text):
        counted += ", %d skipped" % skipped(text)
    lines = ["  %-9s %-14s %-22s %4d s" % ("FAILED" if done.returncode else "TEST", goal, counted,
                                           time.monotonic() - begin)]
    lines += ["    " + line for line in re.findall(r"^figure: .*", text, re.M)]
    if done.returncode:
        lines += ["    " + line for line in text.splitlines()[-TAIL:]] + ["    (all of it: %s)" % log]
    say("\n".join(lines))
    return passed, max(failed, int(done.returncode != 0)), not done.returncode


def watch():
    """Nobody shall wonder whether it hangs."""
    while True:
        time.sleep(5)
        if time.monotonic() - said > SILENCE:
            say("            running: " + ", ".join("%s (%d s)" % (g, time.monotonic() - at)
                                                    for g, at in sorted(running.items(), key=lambda r: r[1])))


def main():
    os.makedirs(LOGS, exist_ok=True)
    threading.Thread(target=watch, daemon=True).start()
    with concurrent.futures.ThreadPoolExecutor(LANES) as pool:
        results = list(pool.map(run, sys.argv[1:]))
    print("%d passed, %d failed" % (sum(r[0] for r in results), sum(r[1] for r in results)))
    return 0 if all(r[2] for r in results) else 1


if __name__ == "__main__":
    sys.exit(main())
