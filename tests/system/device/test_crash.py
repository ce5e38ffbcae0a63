"""Cuts and failing media, at every write, flush and read in turn.

strace ends the program at its Nth system call, lets it fail, or makes it do nothing and look well. After each the boot
loader's choice must be a complete system or recovery, and running again must end where an undisturbed run ends. (Writes
that are lost or torn by a power cut are the simulator's work and QEMU's; here it is the process that dies.)
"""

import os
import random
import re
import shutil
import signal
import subprocess
import time

import pytest

import packing
import world as worlds
from world import CHUNK, compose, images_of

pytestmark = pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")

OLD, NEW = images_of(5), images_of(7)


def strace(world, syscall, inject, verb, *words, running="A", out="/dev/null"):
    line = ["strace", "-f", "-qq", "-o", out, "-e", f"trace={syscall}"]
    line += ["-e", f"inject={syscall}:{inject}"] if inject else []
    if not (inject or "").startswith("signal"):  # it is faster, and loses signals
        line.insert(1, "--seccomp-bpf")
    process = subprocess.run(line + world.command(verb, *words, running=running), capture_output=True, timeout=60,
                             encoding="utf-8", errors="replace", stdin=subprocess.DEVNULL)
    return worlds.Done(process, [inject, verb, *words])


def calls(world, syscall, verb, *words, running="A"):
    """The lines that strace has for them, in a run that is not disturbed."""
    out = world.folder / "strace"
    done = strace(world, syscall, None, verb, *words, running=running, out=str(out))
    assert done.status == 0, done
    return [line for line in out.read_text().splitlines() if f"{syscall}(" in line]


@pytest.fixture(scope="module")
def finished(running_world, single_world, memory_root):
    """What an undisturbed run makes of each device: its bytes and its variables."""
    made = {}
    for name, base, running in (("ab", running_world, "A"), ("single", single_world, None)):
        new = base.copy(memory_root / f"finished-{name}")
        new.keep(compose(release=7))
        new.install("update", running=running, expect=0)
        made[name] = new
    return made


def same_end(world, reference):
    """Every partition but the state byte by byte, and every variable."""
    ours, theirs = world.snapshot(), reference.snapshot()
    for name in theirs:
        if not name.startswith("environment"):
            assert ours[name] == theirs[name], name
    assert world.env == reference.env


def complete(world, running_a=True):
    """The choice is a complete system or recovery; with two slots it is never recovery."""
    choice = world.choice
    if choice == "A":
        assert world.holds("A", OLD) or world.holds("A", NEW)
    elif choice == "B":
        assert world.holds("B", NEW)
    else:
        assert not running_a, f"recovery, though A is there: {world.env}"
    if running_a:
        assert world.holds("A", OLD) and world.env["BOOT_A_GOOD"] == "1"
    assert world.env["stranger"] == "keeps this"
    world.status()
    return choice


SHARES = 4


def shares(count, share):
    return range(1 + share, count + 1, SHARES)


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("syscall", ["pwrite64", "fdatasync"])
def test_killed_at_each_write_and_flush(running_world, memory, finished, syscall, share):
    total = len(calls(running_world.copy(memory / "count"), syscall, "install", finished["ab"].folder / "update.boat"))
    assert total > 8
    for n in shares(total, share):
        world = running_world.copy(memory / f"cut-{n}")
        package = world.keep(compose(release=7))
        done = strace(world, syscall, f"signal=KILL:when={n}", "install", package)
        assert done.status == -signal.SIGKILL, (n, done)
        complete(world)
        world.install(package, expect=0)
        same_end(world, finished["ab"])
        world.verb("confirm", world.health, running="B", expect=0)
        assert world.status("B")["pending"] is None
        shutil.rmtree(world.folder)


@pytest.mark.parametrize("share", range(SHARES))
def test_killed_at_each_write_over_an_older_system(running_world, memory, share):
    """Both slots are proved, and the target is the second choice: not even that may be a partial system (I2, I4)."""
    base = running_world.copy(memory / "base")
    base.install(compose(release=6), expect=0)
    base.verb("confirm", base.health, running="B", expect=0)
    assert base.env["BOOT_ORDER"] == "B A"
    package = base.keep(compose(release=7))
    for n in shares(len(calls(base.copy(memory / "count"), "pwrite64", "install", package, running="B")), share):
        world = base.copy(memory / f"cut-{n}")
        done = strace(world, "pwrite64", f"signal=KILL:when={n}", "install", package, running="B")
        assert done.status == -signal.SIGKILL, (n, done)
        env = world.env
        assert "B" in env["BOOT_ORDER"].split() and env["BOOT_B_GOOD"] == "1" and world.holds("B", images_of(6))
        if "A" in env["BOOT_ORDER"].split() and env["BOOT_A_LEFT"] != "0":
            assert world.holds("A", OLD) or world.holds("A", NEW), (n, env)
        world.install(package, running="B", expect=0)
        assert world.choice == "A" and world.holds("A", NEW)
        shutil.rmtree(world.folder)


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("syscall", ["pwrite64"])
def test_single_slot_killed_at_each_write(single_world, memory, finished, syscall, share):
    total = len(calls(single_world.copy(memory / "count"), syscall, "install", finished["single"].folder /
                      "update.boat", running=None))
    seen = set()
    for n in shares(total, share):
        world = single_world.copy(memory / f"cut-{n}")
        package = world.keep(compose(release=7))
        done = strace(world, syscall, f"signal=KILL:when={n}", "install", package, running=None)
        assert done.status == -signal.SIGKILL, (n, done)
        seen.add(complete(world, running_a=False))
        world.install(package, running=None, expect=0)
        same_end(world, finished["single"])
        shutil.rmtree(world.folder)
    assert "recovery" in seen, "no cut fell into the writing"


def test_cut_again_while_it_resumes(single_world, memory, finished):
    """Every cut leaves less to do; nothing is ever taken back."""
    world = single_world.copy(memory / "world")
    package = world.keep(compose(release=7))
    for n in (5, 9, 6, 8, 5, 7):
        done = strace(world, "pwrite64", f"signal=KILL:when={n}", "install", package, running=None)
        if done.status != -signal.SIGKILL:
            assert done.status == 0, done
            break
        complete(world, running_a=False)
    world.install(package, running=None, expect=0)
    same_end(world, finished["single"])


def test_resume_does_not_write_again_what_is_there(world):
    package = world.keep(compose(release=7))
    total = len(calls(world.copy(world.folder / "count"), "pwrite64", "install", package))
    strace(world, "pwrite64", f"signal=KILL:when={total - 9}", "install", package)
    assert world.status()["pending"], "an install was begun"
    done = world.install(package, expect=0)
    kib = re.match(r"[\d.]+", done.written[0]).group()
    assert float(kib) < 25, done


def test_another_package_after_a_cut(world):
    strace(world, "pwrite64", "signal=KILL:when=8", "install", world.keep(compose(release=7)))
    world.install(compose(release=8), expect=0)
    assert world.holds("B", images_of(8)) and world.choice == "B"
    assert world.slot("B")["release"] == 8


@pytest.mark.parametrize("syscall", ["pwrite64", "fdatasync"])
def test_confirmation_killed_at_each_step(running_world, memory, syscall):
    base = running_world.copy(memory / "base")
    base.install(compose(release=9, floor=9, epoch=2), expect=0)
    for n in range(1, len(calls(base.copy(memory / "count"), syscall, "confirm", base.health, running="B")) + 1):
        world = base.copy(memory / f"cut-{n}")
        strace(world, syscall, f"signal=KILL:when={n}", "confirm", world.health, running="B")
        assert world.choice == "B"
        world.verb("confirm", world.health, running="B", expect=0)
        status = world.status("B")
        assert (status["rollback_floor"], status["key_epoch"], status["confirmed_release"]) == (9, 2, 9)
        assert world.env["BOOT_B_GOOD"] == "1" and status["pending"] is None
        shutil.rmtree(world.folder)


def test_request_killed_at_each_write(running_world, memory):
    for n in range(1, len(calls(running_world.copy(memory / "count"), "pwrite64", "request-recovery")) + 1):
        world = running_world.copy(memory / f"cut-{n}")
        strace(world, "pwrite64", f"signal=KILL:when={n}", "request-recovery")
        assert world.choice in ("A", "recovery") and world.env["BOOT_A_GOOD"] == "1"
        world.verb("request-recovery", expect=0)
        assert world.choice == "recovery"


@pytest.mark.parametrize("base", ["running_world", "single_world"])
def test_killed_at_random_moments_on_a_disk(request, tmp_path, finished, base):
    """The same by the clock and not by counting, on a real file system."""
    single = base == "single_world"
    base = request.getfixturevalue(base)
    running = None if single else "A"
    package = base.keep(compose(release=7), "random")
    chance = random.Random(20)
    killed = 0
    for i in range(10):
        world = base.copy(tmp_path / f"world-{i}")
        for _ in range(2):
            process = subprocess.Popen(world.command("install", package, running=running), stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
            time.sleep(chance.uniform(0.0005, 0.03))
            process.kill()
            killed += process.wait() == -signal.SIGKILL
            complete(world, running_a=not single)
        world.install(package, running=running, expect=0)
        same_end(world, finished["single" if single else "ab"])
        shutil.rmtree(world.folder)
    assert killed > 3


# --- media that fail --------------------------------------------------------------------------------------------------

def consistent(world, done):
    """Success is said exactly when the next start takes the new system, and then it is complete."""
    choice = complete(world)
    assert (done.status == 0) == (choice == "B"), (choice, done)
    if done.status:
        assert done.status == 30, done


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("syscall,error", [("pwrite64", "EIO"), ("fdatasync", "EIO"), ("pread64", "EIO")])
def test_each_write_flush_and_read_fails_once(running_world, memory, finished, syscall, error, share):
    """pread64 also reads the package: then it is the source that failed, and the status is 10."""
    package = finished["ab"].folder / "update.boat"
    lines = calls(running_world.copy(memory / "count"), syscall, "install", package)
    # The loader reads the C library with pread64 too, but not in sectors.
    numbers = [n for n in shares(len(lines), share) if syscall != "pread64" or int(lines[n - 1].rsplit("= ", 1)[1]) % 512 == 0]
    if len(numbers) > 24:  # the rings are read block by block
        numbers = numbers[::len(numbers) // 24]
    for n in numbers:
        world = running_world.copy(memory / f"fail-{n}")
        done = strace(world, syscall, f"error={error}:when={n}", "install", package)
        if syscall == "pread64" and done.status == 10:
            assert world.choice == "A"
        else:
            consistent(world, done)
        if done.status:
            assert done.says(world.results[0]["detail_name"]) or not world.results[0]["detail"], done
        world.install(package, expect=0)
        same_end(world, finished["ab"])
        shutil.rmtree(world.folder)


@pytest.mark.parametrize("syscall,error,words", [("pwrite64", "EIO", "error 5"), ("pwrite64", "ENOSPC", "error 28"),
                                                 ("fdatasync", "EIO", "error 5"), ("pwrite64", "EROFS", "error 30")])
def test_medium_that_fails_for_good(world, syscall, error, words):
    """From some write on. The real cause is named, even when it cannot be stored."""
    for n in (1, 4, 8):
        done = strace(world, syscall, f"error={error}:when={n}+", "install", world.keep(compose(release=7)))
        assert done.status == 30 and words in done.flat, done
        complete(world)
        assert world.choice == "A"


@pytest.mark.parametrize("share", range(SHARES))
def test_each_write_is_lost_in_turn(running_world, memory, finished, share):
    """The medium says that all went well. What matters is read back, so it is noticed or it did not matter."""
    package = finished["ab"].folder / "update.boat"
    lines = calls(running_world.copy(memory / "count"), "pwrite64", "install", package)
    slots = [running_world.table[label] for label in ("boot_b", "system_b")]
    noticed = 0
    for n in shares(len(lines), share):
        size = int(lines[n - 1].rsplit("= ", 1)[1])
        place = int(re.search(r", (\d+)\)\s+= ", lines[n - 1]).group(1))
        world = running_world.copy(memory / f"lost-{n}")
        done = strace(world, "pwrite64", f"retval={size}:when={n}", "install", package)
        consistent(world, done)
        if any(off <= place < off + whole for off, whole in slots):
            assert done.status == 30 and done.says("READ_BACK"), done
            assert world.results[0]["detail_name"] == "READ_BACK"
            noticed += 1
        elif place in worlds.ENV_OFFSETS:
            # Read back and written again: a store that nobody saw arrive is no store.
            assert done.status == 0 or done.says("FLAGS_NOT_STORED"), done
            noticed += 1
        world.install(package, expect=0)
        same_end(world, finished["ab"])
        shutil.rmtree(world.folder)
    assert noticed


@pytest.mark.parametrize("label,at", [("boot_b", 0), ("boot_b", 8999), ("system_b", 3 * CHUNK + 5),
                                      ("system_b", 10 * CHUNK + 99)])
def test_byte_flipped_between_write_and_read_back(world, label, at):
    """All is written and flushed; then one bit of it turns over before it is read back."""
    package = world.keep(compose(release=7))
    image = dict(NEW)[label.split("_")[0]]
    flushes = calls(world.copy(world.folder / "count"), "fdatasync", "install", package)
    last = last_flush_of_data(world, package)
    assert 0 < last <= len(flushes)
    process = subprocess.Popen(["strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e",
                                f"inject=fdatasync:delay_exit=700000:when={last}", *world.command("install", package)],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
    deadline = time.monotonic() + 20
    while not world.holds("B", NEW) and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    world.put(label, bytes([image[at] ^ 0x20]), at=at)
    out, _ = process.communicate(timeout=30)
    flat = " ".join(out.split())
    assert process.returncode == 30 and "code 3018 READ_BACK" in flat and label in flat, out
    newest = world.results[0]
    assert (newest["status"], newest["detail_name"], newest["image"]) == (30, "READ_BACK", label.split("_")[0])
    complete(world)
    assert world.choice == "A"
    world.install(package, expect=0)
    assert world.holds("B", NEW) and world.choice == "B"


def test_stores_of_the_flags_that_are_lost_for_good(world):
    """Each attempt vanishes: it is noticed, said, and the running system stays the choice."""
    package = world.keep(compose(release=7))
    lines = calls(world.copy(world.folder / "count"), "pwrite64", "install", package)
    flips = [n for n, line in enumerate(lines, 1) if line.rstrip().endswith(f"= {worlds.ENV_SIZE}")]
    done = strace(world, "pwrite64", f"retval={worlds.ENV_SIZE}:when={flips[-1]}..{flips[-1] + 2}", "install", package)
    assert done.status == 30 and done.says("FLAGS_NOT_STORED"), done
    complete(world)
    assert world.choice == "A"
    world.install(package, expect=0)
    assert world.choice == "B"


def last_flush_of_data(world, package):
    """The number of the flush that ends the writing to the slot."""
    out = world.folder / "order"
    copy = world.copy(world.folder / "order-world")
    strace(copy, "pwrite64,fdatasync", None, "install", package, out=str(out))
    off, size = copy.table["system_b"]
    flush, last, wrote = 0, 0, False
    for line in out.read_text().splitlines():
        if "fdatasync(" in line:
            flush += 1
            if wrote:
                last, wrote = flush, False
        elif off <= int(re.search(r", (\d+)\)\s+= ", line).group(1)) < off + size:
            wrote = True
    return last


def test_image_that_may_not_be_written(memory, running_world):
    """Not root, and the image is read-only: a sentence, and no trace."""
    world = running_world.copy(memory / "world")
    package = world.keep(compose(release=7))
    world.disk.chmod(0o444)
    before = world.disk.read_bytes()
    who = {}
    if os.geteuid() == 0:
        for folder in (memory.parent, memory, world.folder):
            folder.chmod(0o755)
        who = {"user": 65534, "group": 65534}
    done = world.install(package, **who)
    assert done.status in (3, 30) and "disk.img" in done.flat and "ermission" in done.flat, done
    assert world.disk.read_bytes() == before


def test_disk_that_ends_inside_a_slot(world):
    """The image was cut by a full file system when somebody copied it."""
    off, size = world.table["boot_b"]
    os.truncate(world.disk, off + size // 2)
    before = world.disk.read_bytes()
    done = world.install(compose(release=7))
    assert done.status == 30 and done.flat, done
    assert world.disk.read_bytes() == before


# --- somebody interrupts ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGPIPE, signal.SIGTERM, signal.SIGINT])
def test_signals_while_it_writes(world, number):
    """A lost session does not end an install; who ends it on purpose is obeyed, and can go on later."""
    package = world.keep(compose(release=7))
    process = subprocess.Popen(["strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e",
                                "inject=fdatasync:delay_exit=600000:when=5", *world.command("install", package)],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
    deadline = time.monotonic() + 20
    while not world.holds("B", NEW[:1]) and time.monotonic() < deadline:
        time.sleep(0.01)
    with open(f"/proc/{process.pid}/task/{process.pid}/children") as f:
        os.kill(int(f.read().split()[0]), number)
    out, _ = process.communicate(timeout=30)
    if number in (signal.SIGHUP, signal.SIGPIPE):
        assert process.returncode == 0 and world.choice == "B", out
    else:
        assert process.returncode == 30 and "interrupted" in " ".join(out.split()), out
        complete(world)
        assert world.choice == "A"
        world.install(package, expect=0)
    assert world.holds("B", NEW)


def test_output_that_nobody_reads(world):
    """The screen's other end is gone: reporting never fails an update (I10)."""
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run(world.command("install", world.keep(compose(release=7))), stdout=write, stderr=write,
                             stdin=subprocess.DEVNULL, timeout=30)
    os.close(write)
    assert process.returncode == 0
    assert world.choice == "B" and world.holds("B", NEW)


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr"])
def test_closed_descriptors(world, stream):
    """A missing descriptor must not become the disk's: what is printed would go there."""
    before = world.snapshot()
    number = {"stdin": 0, "stdout": 1, "stderr": 2}[stream]
    line = " ".join(f"'{w}'" for w in world.command("install", world.keep(compose(release=7))))
    process = subprocess.run(["sh", "-c", f"exec {number}>&-; exec {line}"], timeout=30, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert process.returncode == 0
    after = world.snapshot()
    for name in before:
        if not name.startswith("environment") and not name.endswith("_b"):
            assert before[name] == after[name], name
    assert world.choice == "B" and world.holds("B", NEW)
    world.put("boot_b", packing.noise(100, 1))
    refused = subprocess.run(["sh", "-c", f"exec {number}>&-; exec {line.replace('update.boat', 'missing.boat')}"],
                             timeout=30, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert refused.returncode == 10
    assert world.snapshot()["boot_a"] == before["boot_a"]
