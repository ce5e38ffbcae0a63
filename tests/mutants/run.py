#!/usr/bin/python3
"""Breaks the shipping code on purpose, one small patch at a time, and says by which test each break is caught.

    tests/mutants/run.py [NAME ...]

make gives the rest: HOST_COMPILE is how the code of the simulator and of the program is compiled, without sanitizers,
SIM_LINK and PROGRAM_LINK how they are linked, PROGRAM the objects of the program's own; UNIT_COMPILE and UNIT_LINK the
same of the unit tests, and UNIT their names in the order in which they are tried, with the functions that a test takes
the place of in UNIT_WRAPS. Whom the patch names is asked first, then the simulator, then the unit tests. A patch of the
program's own code names the test in a made-up machine (tests/system/device) that finds it: no other is asked. A patch
that no longer applies is a failure, so that it is not forgotten when the code moves on; so is one that nothing catches.
All of them are content with the code as it ships, which is asked first, and a program that ends badly without a failure
of its own catches nothing.
"""
import concurrent.futures
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(TOP, "build", "mutants")
TIMEOUT = 600           # seconds; a program that takes so long says nothing about the mutant
# What failed: the simulator's scenario, invariant and case, cmocka's test, a sanitizer's finding.
# The simulator's own abort is none: it could not set a scenario up.
FAILURES = (r"^([a-z0-9-]+: (?:I\d+|outside|crash)): (?!the program ended with signal 6 ).*(\[\S+\])$",
            r"^\[  FAILED  \] (?:.*: )?(\w+)$",
            r"^(.*ERROR: \w+Sanitizer.*|.*runtime error.*)$", r"^FAILED \S+/(\w+\.py::\S+)")
FOUND_BY = re.compile(r"^Found by (?:(?P<unit>test_\w+)|the simulator, (?P<sim>\S+)|"
                      r"(?P<device>test_\w+\.py, test_\w+(?:\[\w+\])?))\.$", re.M)


def words(name):
    return shlex.split(os.environ[name])


def run(command, **more):
    return subprocess.run(command, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", **more)


class Broken(Exception):
    """The mutant could not be made."""


def patched(patch, folder):
    """A copy of core with the patch in it; the files that it changes."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    with open(patch) as f:
        files = re.findall(r"^\+\+\+ b/(\S+)", f.read(), re.M)
    if not files:
        raise Broken("it changes nothing")
    for name in files:
        if not name.startswith("recovery/"):
            raise Broken("%s is not the code that ships" % name)
        where = os.path.join(folder, os.path.dirname(name))
        if not os.path.exists(where):
            shutil.copytree(os.path.join(TOP, os.path.dirname(name)), where, ignore=shutil.ignore_patterns("*[!ch]"))
    done = run(["patch", "-p1", "--fuzz=0", "-d", folder, "-i", patch])
    if done.returncode:
        raise Broken("the patch does not apply:\n" + done.stdout)
    return files


def is_of_the_program(name):
    """Else it is in the library, which everything is linked with."""
    return os.path.dirname(name) == "recovery"


def compiled(kind, name, folder):
    target = os.path.join(folder, os.path.basename(name)[:-2] + ".o")
    done = run(words(kind.upper() + "_COMPILE") + ["-c", os.path.join(folder, name), "-o", target])
    if done.returncode:
        raise Broken("it does not compile:\n" + done.stdout)
    return target


def library(kind, files, folder):
    """The library of the device program as kind has it, "host" or "unit", with the changed files in it."""
    target = os.path.join(folder, kind + ".a")
    shutil.copy(os.path.join(TOP, os.environ[kind.upper() + "_LIBRARY"]), target)
    for name in files:
        if not is_of_the_program(name):
            subprocess.run(["ar", "r", target, compiled(kind, name, folder)], check=True, stderr=subprocess.DEVNULL)
    return target


def link(kind, program, objects, device, folder):
    target = os.path.join(folder, program)
    done = run(words(kind.upper() + "_LINK") + ["-o", target] + objects + ["-Wl,--start-group", device] +
               words("LIBS") + ["-Wl,--end-group", "-lcmocka"])
    if done.returncode:
        raise Broken("it does not link:\n" + done.stdout)
    return target


def fails(command, **more):
    """None when the program is content, else what it said first."""
    try:
        done = run(command, timeout=TIMEOUT, **more)
    except subprocess.TimeoutExpired:
        raise Broken("%s did not end in %d s" % (os.path.basename(command[0]), TIMEOUT))
    if not done.returncode:
        return None
    for pattern in FAILURES:
        found = re.search(pattern, done.stdout, re.M)
        if found:
            return " ".join(found.groups())
    if done.returncode < 0 and done.returncode != -signal.SIGABRT:
        return "signal %d" % -done.returncode
    raise Broken("%s says no failure that is known, and ends with status %d:\n%s" %
                 (" ".join(command[1:]) or os.path.basename(command[0]), done.returncode, done.stdout[-500:]))


class Mutant:
    """A patched core, and the programs that are linked with it when they are asked."""

    def __init__(self, patch):
        self.folder = os.path.join(BUILD, os.path.basename(patch)[:-len(".patch")])
        self.files = patched(patch, self.folder)
        self.libraries = {}

    def library(self, kind):
        if kind not in self.libraries:
            self.libraries[kind] = library(kind, self.files, self.folder)
        return self.libraries[kind]

    def sim(self, *scenario):
        said = fails([link("sim", "sim", [], self.library("host"), self.folder), "--quick", *scenario])
        return said and "sim: " + said

    def unit(self, test):
        objects = ["build/test/obj/tests/unit/%s.o" % test]
        objects += ["-Wl,--wrap=" + w[len(test) + 1:] for w in words("UNIT_WRAPS") if w.startswith(test + "=")]
        said = fails([link("unit", test, objects, self.library("unit"), self.folder)])
        return said and "%s: %s" % (test, said)

    def program(self):
        own = {os.path.basename(name)[:-2] + ".o": compiled("host", name, self.folder)
               for name in self.files if is_of_the_program(name)}
        objects = [own.get(os.path.basename(o), o) for o in words("PROGRAM")]
        return link("program", "lifeboat", objects, self.library("host"), self.folder)

    def device(self, test, program):
        """test: "FILE.py, NAME" """
        return fails([sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--tb=no",
                      "tests/system/device/" + test.replace(", ", "::")], env=os.environ | {"LIFEBOAT": program})

    def known(self, patch):
        """Whom the patch says that it was found by: asked first, so that most cost a second. It must be true."""
        by = finder(patch)
        if not by and any(map(is_of_the_program, self.files)):
            raise Broken("it names no test in a made-up machine that finds it")
        if not by:
            return None
        said = (self.unit(by["unit"]) if by["unit"] else self.device(by["device"], self.program()) if by["device"] else
                self.sim("--scenario", by["sim"]))
        if not said:
            raise Broken("whom it names does not find it")
        return said


def finder(patch):
    with open(patch) as f:
        return FOUND_BY.search(f.read())


def try_one(patch):
    """(name, what caught it or None, problem or None)"""
    name = os.path.basename(patch)[:-len(".patch")]
    try:
        mutant = Mutant(patch)
        caught = mutant.known(patch) or mutant.sim()
        for test in words("UNIT"):
            caught = caught or mutant.unit(test)
        shutil.rmtree(mutant.folder)
        return name, caught, None
    except Broken as e:
        return name, None, str(e)


class Control(Mutant):
    """The code as it ships: what fails with this catches nothing."""

    def __init__(self, patches):
        self.folder, self.files, self.libraries = os.path.join(BUILD, "control"), [], {}
        self.devices = sorted({by["device"] for by in map(finder, patches) if by and by["device"]})
        os.makedirs(self.folder, exist_ok=True)

    def content(self):
        program = self.program()
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            said = [self.sim()] + [self.unit(test) for test in words("UNIT")]
            said += pool.map(lambda test: self.device(test, program), self.devices)
        for line in filter(None, said):
            print("  %-9s %-42s %s" % ("FAILED", "no mutant at all", line))
        return not any(said)


def main():
    names = sys.argv[1:]
    patches = sorted(os.path.join(HERE, f) for f in os.listdir(HERE) if f.endswith(".patch"))
    if names:
        patches = [p for p in patches if os.path.basename(p)[:-len(".patch")] in names]
        if len(patches) != len(names):
            sys.exit("There is no such mutant in tests/mutants.")
    os.makedirs(BUILD, exist_ok=True)
    if not Control(patches).content():
        sys.exit("The tests fail without a mutant.")
    caught = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, by, problem in pool.map(try_one, patches):
            caught += by is not None
            print("  %-9s %-42s %s" % ("MUTANT" if by else "SURVIVED", name, by or problem or "nothing catches it"),
                  flush=True)
    print("figure: mutants_total = %d mutants" % len(patches))
    print("figure: mutants_caught = %d mutants" % caught)
    print("%d passed, %d failed" % (caught, len(patches) - caught))
    return 0 if caught == len(patches) else 1


if __name__ == "__main__":
    sys.exit(main())
