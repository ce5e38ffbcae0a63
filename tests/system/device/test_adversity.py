"""What a program meets in the field: odd files, limits, missing descriptors, full and stuck outputs, inherited signals.

Nothing here may hang, crash, harm the running system, or end without a sentence that names its object. What recovery
meets: test_recovery.py.
"""
import itertools
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import time

import pytest

import shim
import world as worlds
from shim import Machine
from world import compose, images_of

KIB, MIB = worlds.KIB, worlds.MIB


def sentence(done):
    """Object, colon, sentence, code, advice: not an errno and not silence."""
    codes = [f"code {number} {name}" for name, number in worlds.DETAILS.items() if number]
    name = next((code.split()[-1] for code in codes if code in done.flat), None)
    assert name, done
    detail = worlds.details()[name]
    assert f": {detail.sentence}" in done.flat and detail.advice in done.flat, done
    return name


def only_target(world, before):
    """The running system, the environment's other variables, and everything that is no slot are as they were."""
    world.check_running(before)


# --- files that are no files ------------------------------------------------------------------------------------------

KINDS = ["empty", "fifo", "folder", "huge", "loop", "nowhere", "socket", "text", "zeros"]
NAMES = {"zero device": b"/dev/zero", "null device": b"/dev/null", "full device": b"/dev/full",
         "memory": b"/proc/self/mem", "long name": b"x" * 5000, "long path": b"/".join([b"y" * 200] * 30),
         "no text": b"\xff\xfe\x80/\x01", "line feed": b"a\nb"}


def make(folder):
    """One file of each kind: their paths."""
    made = {name: folder / name for name in KINDS}
    made["empty"].write_bytes(b"")
    os.mkfifo(made["fifo"])
    made["folder"].mkdir()
    with open(made["huge"], "wb") as f:
        f.truncate(1 << 40)
    made["loop"].symlink_to(made["loop"])
    made["nowhere"].symlink_to(folder / "gone")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(made["socket"]))
    made["text"].write_text("label: gpt\n" * 1000)
    made["zeros"].write_bytes(bytes(MIB))
    return {name: os.fsencode(path) for name, path in made.items()}


@pytest.mark.parametrize("kind", [*KINDS, *NAMES])
@pytest.mark.parametrize("where", ["--disk", "--board", "package", "folder of checks"])
def test_arguments_of_every_kind(world, where, kind):
    """In the place of the disk, the board tree, the package and the folder of health checks."""
    folder = world.folder / "kinds"
    folder.mkdir()
    path = (make(folder) | NAMES)[kind]
    line = world.command("install" if where == "package" else "confirm" if "folder" in where else "status")
    if where.startswith("--"):
        line[line.index(where) + 1] = path
    else:
        line.append(path)
    if (where, kind) == ("folder of checks", "folder"):
        return
    before = world.snapshot()
    process = subprocess.run(line, capture_output=True, encoding="utf-8", errors="replace", stdin=subprocess.DEVNULL,
                             timeout=20)
    done = worlds.Done(process, line[1:2] + [where, path])
    assert done.status in ((10, 20) if where in ("package", "folder of checks") else (30,)), done
    sentence(done)
    assert world.snapshot() == before and world.env["BOOT_A_GOOD"] == "1"


@pytest.mark.parametrize("option", ["--disk", "--board", "--slot", "--running"])
def test_empty_value(world, option):
    done = world.verb("install", option, "", world.keep(compose()), running=None, expect=2)
    assert f"{option}: needs a value" in done.err, done


def test_board_tree_from_a_pipe(world):
    """--board <(dtc ...): a pipe that somebody fills is waited for, and one that nobody fills is not."""
    line = " ".join(world.command("status")).replace(str(world.board), f"<(sleep 0.3; cat {world.board})")
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and "Slot A" in done.stdout, done


# --- limits -----------------------------------------------------------------------------------------------------------

def limited(world, what, value, verb, *words):
    return world.verb(verb, *words, preexec_fn=lambda: resource.setrlimit(what, (value, value)), timeout=30)


@pytest.mark.parametrize("size", [0, 4 * KIB, 100 * KIB, 300 * KIB, 500 * KIB])
def test_no_file_may_become_larger(world, size):
    """RLIMIT_FSIZE. The kernel would end the program in the middle of it: instead, the write fails and is told."""
    before = world.snapshot()
    done = limited(world, resource.RLIMIT_FSIZE, size, "install", world.keep(compose()))
    assert done.status == 30 and "too large" in done.flat, done
    assert sentence(done) in ("DEVICE_WRITE", "FLAGS_NOT_STORED")
    only_target(world, before)
    world.install(compose(), expect=0)
    assert world.holds("B", images_of(7)) and world.choice == "B"


@pytest.mark.parametrize("verb", ["install", "confirm", "status"])
def test_few_descriptors(world, verb):
    """RLIMIT_NOFILE. From the number on from which the loader finds its library, to the one that is enough."""
    words = {"install": [world.keep(compose())], "confirm": [world.health], "status": []}[verb]
    before, enough = world.snapshot(), False
    for limit in range(4, 24):
        done = limited(world, resource.RLIMIT_NOFILE, limit, verb, *words)
        if done.status == 0:
            enough = True
            break
        assert done.status in (10, 30, 40) and sentence(done) and "too many open files" in done.flat, done
        only_target(world, before)
    assert enough


def test_little_memory(world):
    """RLIMIT_AS. Either it is enough, or there is a sentence."""
    package, before = world.keep(compose()), world.snapshot()
    for mib in range(7, 30):
        done = limited(world, resource.RLIMIT_AS, mib * MIB, "install", package)
        if done.status == 0:
            assert mib < 16, "this much memory is not promised"
            return
        if done.status == 127:  # the loader
            continue
        assert sentence(done) and "out of memory" in done.flat, done
        only_target(world, before)
    assert False, "it never had enough"


# --- descriptors and outputs ------------------------------------------------------------------------------------------

def closed(*numbers):
    return lambda: [os.close(n) for n in numbers]


@pytest.mark.parametrize("numbers", [n for k in (1, 2, 3) for n in itertools.combinations(range(3), k)])
def test_missing_descriptors(world, numbers):
    """As init starts programs that have no console. The disk must not become the place of messages, nor a check's pipe
    its own input."""
    before = world.snapshot()
    check = world.health / "50-says"
    check.write_text("#!/bin/sh\necho fine; echo fine >&2; read line; exit 0\n")
    check.chmod(0o755)
    world.keep(compose())
    for verb, words, status in (("install", [world.folder / "missing.boat"], 10), ("status", [], None),
                                ("plan", [world.folder / "update.boat"], None), ("request-recovery", ["a b"], 2),
                                ("install", [world.folder / "update.boat"], 0), ("confirm", [world.health], 0)):
        done = subprocess.run(world.command(verb, *words, running="B" if verb == "confirm" else "A"), timeout=30,
                              preexec_fn=closed(*numbers))
        assert status is None or done.returncode == status, verb
    after = world.snapshot()
    for name in before:
        if not name.startswith("environment") and not name.endswith("_b"):
            assert before[name] == after[name], name
    assert world.holds("B", images_of(7)) and world.env["BOOT_B_GOOD"] == "1"
    assert "50-says: fine" in world.verb("log", expect=0).out


@pytest.mark.parametrize("verb", ["status", "status --json", "log", "plan", "inspect", "inspect --json"])
def test_full_output_of_what_only_says_something(world, verb):
    """Half a status is none: a program that reads it must not take it for one."""
    words = [world.keep(compose())] if verb.split()[0] in ("plan", "inspect") else []
    with open("/dev/full", "wb") as full:
        process = subprocess.run(world.command(*verb.split(), *words), stdout=full, stderr=subprocess.PIPE, text=True,
                                 stdin=subprocess.DEVNULL, timeout=20)
    done = worlds.Done(subprocess.CompletedProcess([], process.returncode, "", process.stderr), [verb])
    assert done.status == 30 and sentence(done) == "DEVICE_WRITE" and "standard output" in done.flat, done


@pytest.mark.parametrize("output", ["full", "stuck"])
@pytest.mark.parametrize("verb", ["install", "verify", "confirm", "request-recovery"])
def test_lost_output_of_what_does_something(world, verb, output):
    """I10: what was done is done, whoever hears of it. A reader that sleeps holds nothing up for long."""
    words = [world.keep(compose())] if verb in ("install", "verify") else [world.health] if verb == "confirm" else []
    read, write = os.pipe()
    if output == "stuck":
        os.set_blocking(write, False)
        with pytest.raises(BlockingIOError):
            while True:
                os.write(write, bytes(4096))
        os.set_blocking(write, True)
    else:
        os.dup2(os.open("/dev/full", os.O_WRONLY), write)
    started = time.monotonic()
    done = subprocess.run(world.command(verb, *words), stdout=write, stderr=write, stdin=subprocess.DEVNULL, timeout=60)
    assert done.returncode == 0 and time.monotonic() - started < 20
    os.close(read)
    os.close(write)
    assert world.choice == {"install": "B", "request-recovery": "recovery"}.get(verb, "A")


# --- signals ----------------------------------------------------------------------------------------------------------

INHERITED = {
    "children are not waited for": lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
    "everything is ignored": lambda: [signal.signal(s, signal.SIG_IGN) for s in set(range(1, 32)) - {9, 19}],
    "everything is blocked": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32)),
}


@pytest.mark.parametrize("how", sorted(INHERITED))
def test_what_was_inherited_does_not_matter(world, how):
    """A daemon that ignores SIGCHLD calls confirm: no good system is given up because its checks seem to hang."""
    world.install(compose(), expect=0)
    check = world.health / "50-good"
    check.write_text("#!/bin/sh\nexit 0\n")
    check.chmod(0o755)
    world.verb("confirm", world.health, running="B", expect=0, preexec_fn=INHERITED[how])
    assert world.env["BOOT_B_GOOD"] == "1"
    check.write_text("#!/bin/sh\nsleep 20\n")
    process = subprocess.Popen(world.command("confirm", world.health, running="B"), preexec_fn=INHERITED[how],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
    time.sleep(0.3)
    process.terminate()
    out, _ = process.communicate(timeout=10)
    assert process.returncode == 30 and "3026 INTERRUPTED" in out, out
    assert world.env["BOOT_B_GOOD"] == "1" and world.choice == "B"


def test_stopped_and_continued(world):
    """Ctrl-Z and fg in the middle of it."""
    package = world.keep(compose(release=7))
    for delay in (0.001, 0.003, 0.006, 0.01, 0.02):
        process = subprocess.Popen(world.command("install", package), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        time.sleep(delay)
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.02)
        process.send_signal(signal.SIGCONT)
        assert process.wait(20) == 0
    assert world.choice == "B" and world.holds("B", images_of(7))


def test_a_health_check_that_kills_its_parent(world):
    """Nothing is confirmed, and nothing given up: the next start tries again."""
    world.install(compose(), expect=0)
    check = world.health / "50-angry"
    check.write_text("#!/bin/sh\nkill -KILL $PPID\n")
    check.chmod(0o755)
    done = subprocess.run(world.command("confirm", world.health, running="B"), capture_output=True, timeout=20)
    assert done.returncode == -signal.SIGKILL
    assert world.env["BOOT_B_GOOD"] == "0" and world.choice == "B"
    check.unlink()
    world.verb("confirm", world.health, running="B", expect=0)
    assert world.env["BOOT_B_GOOD"] == "1"


# --- health checks ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name,text", [
    ("much", "head -c 20000000 /dev/zero | tr '\\0' x"), ("bytes", "head -c 200000 /dev/urandom"),
    ("daemon", "(sleep 5; echo late) & exit 0"), ("no shell line", None), ("\x1b[2J escape", "exit 0"),
    ("long " + "n" * 240, "exit 0")])
def test_odd_health_checks_that_are_well(world, name, text):
    world.install(compose(), expect=0)
    check = world.health / name
    if text is None:
        shutil.copy("/bin/true", check)
    else:
        check.write_text(f"#!/bin/sh\n{text}\n")
    check.chmod(0o755)
    world.verb("confirm", world.health, running="B", expect=0)
    assert world.env["BOOT_B_GOOD"] == "1"
    log = world.verb("log", expect=0).out
    assert "\x1b" not in log and "\0" not in log


def test_a_named_folder_that_is_a_program(world):
    """`confirm /bin/true`: a slip of the pen is no health, and no illness either."""
    world.install(compose(), expect=0)
    done = world.verb("confirm", "/bin/true", running="B", expect=10)
    assert sentence(done) == "SOURCE_NOT_FOUND" and "not a folder" in done.flat, done
    assert world.choice == "B" and world.env["BOOT_B_LEFT"] == "3"


# --- machines without something ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("without", ["proc", "sys", "run", "dev", "etc"])
@pytest.mark.parametrize("running", ["A", "recovery"])
def test_machine_without(world, without, running):
    """A system whose start was not finished. There is a sentence, and nobody waits for ever."""
    machine, before = Machine(world, running), world.snapshot()
    shutil.rmtree(machine.root / without)
    if without == "dev":
        machine.nodes = []
    if running == "recovery" and without != "proc":
        done = machine.recover("")
        assert done.status == shim.POWERED_OFF, done
        if without in ("sys", "dev"):
            assert sentence(done) in ("BOARD_MISSING", "DISK_NOT_FOUND")
    else:
        package = world.folder / "elsewhere.boat"
        package.write_bytes(compose().bytes())
        done = machine.run("install", package)
        if without in ("run", "etc"):
            assert done.status == 0, done
            return
        assert done.status in (30, 40), done
        assert sentence(done) in ("SLOT_NOT_RUNNING", "BOARD_MISSING", "DISK_NOT_FOUND"), done
    only_target(world, before)


def test_disk_that_cannot_be_read(world):
    """Not just "is on no disk": somebody has to learn that the one there is fails."""
    done = Machine(world).run("status", faults=[("read", "vda", 0, 1 << 30, 5)])
    assert sentence(done) == "DISK_NOT_FOUND" and "vda cannot be read" in done.flat and "error 5" in done.flat, done


def test_disk_whose_table_is_gone(world):
    machine = Machine(world)
    for off in (512, world.disk.stat().st_size - 512):
        world.poke(off, bytes(512))
    done = machine.run("status")
    assert sentence(done) == "DISK_NOT_FOUND" and "vda has no sound partition table" in done.flat, done


@pytest.mark.parametrize("line,choice", [
    ("install --reboot elsewhere.boat", "B"), ("reject --reboot", "A"), ("request-recovery --reboot", "recovery"),
    ("wipe --yes --reboot", "recovery")])
def test_kernel_that_refuses_to_restart(world, line, choice):
    """The status says so, and a sentence; what was to be done before is done."""
    (world.folder / "elsewhere.boat").write_bytes(compose().bytes())
    if line.startswith("reject"):
        world.install("elsewhere", expect=0)
    machine = Machine(world, "B" if line.startswith("reject") else "A")
    done = machine.run(*line.split(), stays=True, cwd=world.folder)
    assert done.status == 1 and "does not restart (not permitted, error 1)" in done.err, done
    assert world.choice == choice


def test_restart_through_init(world):
    """/sbin/reboot is asked, which ends services; when nothing comes of it, the kernel."""
    machine = Machine(world)
    machine.put("sbin/reboot", f"#!/bin/sh\necho asked >{world.folder}/asked\n")
    (machine.root / "sbin/reboot").chmod(0o755)
    done = machine.run("request-recovery", "--reboot")
    assert done.status == shim.RESTARTED and (world.folder / "asked").exists(), done


# --- what is kept and shown again -------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["\x9b31m.boat".encode(), b"\xff\xfe.boat", b"x" + "ä".encode() * 120 + b".boat",
                                  b'"\\\x01\x7f.boat', "ü.boat".encode()])
def test_names_that_come_back(world, name):
    """A stored name is what somebody else chose: it is valid JSON, and no command to a terminal."""
    path = os.fsencode(world.folder) + b"/" + name
    with open(path, "wb") as f:
        f.write(compose(key=False).bytes())
    subprocess.run([*world.command("install"), path], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=20)

    def output(*words):
        return subprocess.run(world.command(*words), stdout=subprocess.PIPE, check=True, timeout=20).stdout
    newest = json.loads(output("status", "--json").decode())["results"][0]
    assert newest["detail_name"] == "UNSIGNED" and ".boat" in newest["origin"] + ".boat"
    for text in (output("log").decode(), output("status").decode()):
        assert not [c for c in text if c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160)], text
    assert ("ü.boat" in output("log").decode()) == (name == "ü.boat".encode())
