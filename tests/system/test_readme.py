"""Every command that the README shows is run, as it stands there."""
import os
import pty
import re
import select
import subprocess
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def blocks():
    """The indented blocks of the README that hold commands, each as one shell script."""
    with open(os.path.join(TOP, "README.md")) as f:
        text = f.read()
    found = re.findall(r"(?:^    .*\n)+", text, re.M)
    return [re.sub(r"^    ", "", b, flags=re.M) for b in found]


def workplace(tmp_path):
    """A folder that looks like the checkout, so that what the commands make does not litter it."""
    for name in os.listdir(TOP):
        if not name.startswith(".") and name not in ("boot.img", "system.img", "stick"):
            os.symlink(os.path.join(TOP, name), tmp_path / name)
    return tmp_path


def test_the_tour(tmp_path):
    scripts = [b for b in blocks() if "lifeboat-pack build" in b or "lifeboat plan" in b]
    assert len(scripts) == 2
    done = subprocess.run(["sh", "-eux", "-c", "\n".join(s.replace("make\n", "") for s in scripts)], text=True,
                          cwd=workplace(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    assert "version 7.1 (release 7), on trial, tries left: 3, starts next" in done.stdout


def test_playing_with_the_board(tmp_path):
    script, = [b for b in blocks() if "qemu/run" in b]
    process, console = pty.fork()
    if not process:
        os.chdir(workplace(tmp_path))
        os.execvp("sh", ["sh", "-e", "-c", script.replace("--stick stick", "--fresh --stick stick")])
    text = b""

    def wait_for(what, seconds=90):
        nonlocal text
        end = time.monotonic() + seconds
        while what not in text:
            assert time.monotonic() < end, text.decode(errors="replace")[-2000:]
            if select.select([console], [], [], 1)[0]:
                text += os.read(console, 4096)
        text = text[text.index(what) + len(what):]

    wait_for(b"is confirmed.")
    os.write(console, b"lifeboat status\r")
    wait_for(b"running, confirmed")
    os.write(console, b"\x01x")
    _, status = os.waitpid(process, 0)
    os.close(console)
    assert os.waitstatus_to_exitcode(status) == 0


def test_every_goal_exists():
    """Whatever the README calls with make."""
    with open(os.path.join(TOP, "Makefile")) as f:
        makefile = f.read()
    with open(os.path.join(TOP, "README.md")) as f:
        goals = set(re.findall(r"(?:`|^    )make ([a-z][a-z-]*)", f.read(), re.M))
    assert {"demo", "test", "size", "bench", "sim", "replay"} <= goals
    for goal in goals:
        assert re.search(r"^%s(?: [a-z-]+)*:" % goal, makefile, re.M), goal


def test_links_lead_somewhere():
    with open(os.path.join(TOP, "README.md")) as f:
        for target in re.findall(r"\]\(([^)]+)\)", f.read()):
            assert os.path.exists(os.path.join(TOP, target)), target
