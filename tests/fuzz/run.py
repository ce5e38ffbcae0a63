"""Runs the fuzz targets.

    run.py corpus NAME...             every seed and every kept input, once, without libFuzzer
    run.py short NAME...              20 seconds each, two at a time, from the seeds and the kept inputs on
    run.py deep --seconds N NAME...   one after the other; what reaches new ground is kept in build/fuzz/found/NAME
    run.py minimize NAME...           the kept inputs anew: as few as reach, with the seeds, what all that is known reaches

Seeds are made by the targets themselves, each for a rule of the format; kept inputs are what fuzzing found besides.

A finding is left in build/fuzz/findings/NAME-*; give it to build/test/fuzz-NAME to see it again.
"""
import argparse
import concurrent.futures
import pathlib
import re
import shutil
import subprocess
import sys

CORPUS = pathlib.Path("tests/fuzz/corpus")
SEEDS = pathlib.Path("build/fuzz/seeds")
FINDINGS = pathlib.Path("build/fuzz/findings")
# A whole package of chunks fits many times; a kept corpus is small.
LARGEST = 20000


def command(name, folders, *options):
    return [f"build/fuzz/fuzz-{name}", *map(str, folders), "-timeout=10", "-rss_limit_mb=1024", "-verbosity=1",
            f"-max_len={LARGEST}", f"-artifact_prefix={FINDINGS}/{name}-", *options]


def last_lines(text, count=30):
    return "\n".join(text.splitlines()[-count:])


def say(kind, name, text):
    print(f"  {kind:<9} {name:<18} {text}", flush=True)


def make_seeds(name):
    folder = SEEDS / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    subprocess.run([f"build/test/fuzz-{name}", "--seeds", folder], check=True, stdout=subprocess.DEVNULL)
    return folder


def replay(name):
    done = subprocess.run([f"build/test/fuzz-{name}", make_seeds(name), CORPUS / name], capture_output=True, text=True, errors="replace")
    if done.returncode:
        print(last_lines(done.stderr), file=sys.stderr)
    count = re.search(r"(\d+) inputs", done.stdout)
    count = int(count.group(1)) if count else 0
    return done.returncode == 0 and count > 0, count


def corpus(names):
    failed = total = 0
    for name in names:
        good, count = replay(name)
        failed += not good
        total += count
        say("FUZZ", name, f"{count} inputs" if good else "FAILED")
    print(f"figure: fuzz_inputs = {total}")
    print(f"{len(names) - failed} passed, {failed} failed")
    return failed


def fuzz(name, seconds, found):
    """Returns (runs, what went wrong)."""
    found.mkdir(parents=True, exist_ok=True)
    log = pathlib.Path(f"build/log/fuzz-{name}.log")
    with open(log, "wb") as output:
        done = subprocess.run(command(name, [found, make_seeds(name), CORPUS / name], f"-max_total_time={seconds}",
                                      "-print_final_stats=1"), stdout=output, stderr=subprocess.STDOUT)
    text = log.read_text(errors="replace")
    runs = re.search(r"number_of_executed_units: (\d+)", text)
    runs = int(runs.group(1)) if runs else 0
    wrong = "" if done.returncode == 0 and runs else f"status {done.returncode}: {log}\n{last_lines(text)}"
    return runs, wrong


def run_all(names, seconds, at_a_time, folder):
    findings = 0
    FINDINGS.mkdir(parents=True, exist_ok=True)
    pathlib.Path("build/log").mkdir(exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(at_a_time) as pool:
        runs = {name: pool.submit(fuzz, name, seconds, folder / name) for name in names}
        for name in names:
            count, wrong = runs[name].result()
            findings += bool(wrong)
            say("FUZZ", name, f"{count} runs in {seconds} s" + (": A FINDING" if wrong else ""))
            print(f"figure: fuzz_{name}_runs = {count}", flush=True)
            if wrong:
                print(wrong, file=sys.stderr, flush=True)
    print(f"figure: fuzz_findings = {findings}")
    print(f"{len(names) - findings} passed, {findings} failed", flush=True)
    return findings


def short(names):
    # What an earlier run found is not looked at: every run begins with what is kept.
    folder = pathlib.Path("build/fuzz/new")
    shutil.rmtree(folder, ignore_errors=True)
    return run_all(names, 20, 2, folder)


def minimize(names):
    for name in names:
        all_found, kept = (pathlib.Path(f"build/fuzz/{kind}/{name}") for kind in ("found", "kept"))
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(make_seeds(name), kept)
        for folder in (all_found, FINDINGS, CORPUS / name):
            folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(command(name, [kept, CORPUS / name, all_found], "-merge=1"), capture_output=True,
                              text=True, errors="replace")
        if done.returncode:
            print(last_lines(done.stderr), file=sys.stderr)
            return 1
        shutil.rmtree(CORPUS / name)
        (CORPUS / name).mkdir()
        for file in sorted(kept.glob("[!s]*")):
            # A short name: what is in it says all.
            shutil.copy(file, CORPUS / name / file.name[:12])
        size = sum(file.stat().st_size for file in (CORPUS / name).iterdir())
        say("MINIMIZE", name, f"{len(list((CORPUS / name).iterdir()))} inputs, {size} bytes")
    return 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["corpus", "short", "deep", "minimize"])
    parser.add_argument("--seconds", type=int, default=900)
    parser.add_argument("names", nargs="+")
    words = parser.parse_args()
    if words.what == "corpus":
        return corpus(words.names) != 0
    if words.what == "short":
        return short(words.names) != 0
    if words.what == "deep":
        return run_all(words.names, words.seconds, 1, pathlib.Path("build/fuzz/found")) != 0
    return minimize(words.names)


sys.exit(main())
