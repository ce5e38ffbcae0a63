"""What the tests of the boards share: disks to start from, packages, and reading what a board is like afterwards.

Final facts come from the disk image: partitions byte by byte, the boot loader's environment by Debian's fw_printenv,
and Lifeboat's own record by the native build's `lifeboat status --json --disk`.
"""
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "qemu"))

import board as boards  # noqa: E402
from board import (Board, BoardError, TIME_FACTOR, copy_image, make_stick, partitions, read_env,  # noqa: E402,F401
                   read_env_copies, read_partition, write_env, write_partition, damage_env, flip_byte)

MIB = 1 << 20
LOGS = os.path.join(ROOT, "build", "log", "qemu")
EDITIONS = ("panics", "no-init", "hangs", "unhealthy", "no-root")
GOOD = ("release-1", "release-2")


def words(text):
    """A regular expression for a text of the screen, wherever its lines are broken."""
    return r"\s+".join(re.escape(w) for w in text.split())


def run(*command, **keywords):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          **keywords)
    assert done.returncode == 0, "%s ended with %d:\n%s" % (command, done.returncode, done.stdout)
    return done.stdout


class Parts:
    """A copy of what was built, so that a build meanwhile does not mix two states, and what is made of it."""

    def __init__(self, folder):
        self.folder = folder
        boards.BUILD = folder

    def __call__(self, name):
        return os.path.join(self.folder, name)

    @classmethod
    def make(cls, folder):
        os.makedirs(folder)
        built = os.path.join(ROOT, "build", "board")
        names = ["u-boot.bin", "ab.dtb", "single.dtb"]
        names += ["%s-%s.img" % (kind, board) for kind in ("blank", "disk") for board in ("ab", "single")]
        names += ["%s.%s" % (s, kind) for s in GOOD + EDITIONS for kind in ("boat", "boot.itb", "system.img")]
        for name in names:
            assert os.path.exists(os.path.join(built, name)), "build/board/%s is missing: run 'make board'" % name
            copy_image(os.path.join(built, name), os.path.join(folder, name))
        for name in ("lifeboat", "lifeboat-pack"):
            shutil.copy(os.path.join(ROOT, "build", "host", name), folder)
        parts = cls(folder)
        parts._confirm("confirmed", "single", parts("disk-single.img"), 1)
        slot = parts._confirm("confirmed", "ab", parts("disk-ab.img"), 1)
        # Release 2 in the other slot, and the new first choice.
        disk = copy_image(parts("confirmed-ab.img"), parts("both-ab.new"))
        run(parts("lifeboat"), "install", "--disk", disk, "--board", parts.tree(), "--running", slot,
            parts.package(2), stdin=subprocess.DEVNULL)
        parts._confirm("both", "ab", disk, 2)

    def _confirm(self, kind, board, disk, release):
        """A release is started for the first time and confirms itself; what that leaves is a disk of this kind."""
        disk = copy_image(disk, self("%s-%s.img" % (kind, board)))
        os.makedirs(LOGS, exist_ok=True)
        with Board(disk, tree=board, log=os.path.join(LOGS, "make-%s-%s.log" % (kind, board))) as b:
            return confirmed(b, release)

    def tree(self, board="ab"):
        return self(board + ".dtb")

    def image(self, release, role):
        """The image of a release (a number, or an edition's name), as it must stand in its partition."""
        name = "release-%s" % release if os.path.exists(self("release-%s.boat" % release)) else release
        return self("%s.%s" % (name, {"boot": "boot.itb", "system": "system.img"}[role]))

    def package(self, release):
        name = "release-%s.boat" % release
        return self(name) if os.path.exists(self(name)) else self("%s.boat" % release)

    def once(self, name, make):
        """The file or folder of this name, made by make(path) when the first test of any worker asks for it."""
        target = self(name)
        with open(target + ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not os.path.exists(target):
                if os.path.isdir(target + ".new"):      # of a test that failed
                    shutil.rmtree(target + ".new")
                make(target + ".new")
                os.rename(target + ".new", target)
        return target

    def small(self, release):
        """A good release in a small filesystem, for tests where the number of installs counts: 4 to 8."""
        return self.once("release-%d.boat" % release, lambda target: self._make(target, release, 4 * MIB, MIB))

    def medium(self):
        """Release 9: smaller than a real one, but long enough to be interrupted."""
        return self.once("release-9.boat", lambda target: self._make(target, 9, 10 * MIB, 6 * MIB))

    def _make(self, target, release, size, ballast):
        system = self("release-%d.system.img" % release)
        texts = {"release": b"%d\n" % release, "ballast": os.urandom(ballast)}
        copy_image(self("release-2.system.img"), system)
        script = []
        for name, path in (("release", "/etc"), ("ballast", "/usr/share")):
            source = self("%s-%d" % (name, release))
            with open(source, "wb") as f:
                f.write(texts[name])
            script += ["cd " + path, "rm " + name, "write %s %s" % (source, name)]
        run("/sbin/debugfs", "-w", "-f", "-", system, input="\n".join(script) + "\n")
        run("/sbin/resize2fs", "-f", system, "%dK" % (size >> 10))
        os.truncate(system, size)
        run("/sbin/e2fsck", "-f", "-n", system)
        shutil.copy(self("release-2.boot.itb"), self("release-%d.boot.itb" % release))
        self.pack(target, release, boot=self("release-%d.boot.itb" % release), system=system)

    def pack(self, target, release, *options, boot, system, products=("reference-ab", "reference-single"),
             key=os.path.join(ROOT, "keys", "development.key")):
        command = [self("lifeboat-pack"), "build", "-q", "-o", target, "--release", release, "--version", release,
                   "--image", "boot=" + boot, "--image", "system=" + system]
        for product in products:
            command += ["--product", "lifeboat," + product]
        if key:
            command += ["--key", key]
        run(*command, *options)
        return target


class Rig:
    """One test's boards, disks and sticks."""

    def __init__(self, parts, folder, name):
        self.parts, self.folder = parts, folder
        os.makedirs(LOGS, exist_ok=True)
        self.log = os.path.join(LOGS, name + ".log")
        if os.path.exists(self.log):
            os.unlink(self.log)
        self.boards = []
        self._count = 0

    def path(self, name):
        return os.path.join(self.folder, name)

    def new(self, suffix):
        self._count += 1
        return self.path("%d-%s" % (self._count, suffix))

    def close(self):
        for b in self.boards:
            b.close()

    def tail(self):
        for b in self.boards:
            b.close()
        if not os.path.exists(self.log):
            return "nothing"
        with open(self.log, "rb") as f:
            return "\n".join(f.read().decode(errors="replace").replace("\r", "\n").splitlines()[-60:])

    # --- What a test starts from ---

    def disk(self, board="ab", kind="confirmed", recovery=False):
        """A disk of one's own: "confirmed" (release 1 has confirmed itself), "both" (so has release 2 in the other
        slot, and starts first), "disk" (release 1 as it leaves the factory) or "blank". recovery: the next start goes
        to recovery, stored by Debian's fw_setenv."""
        disk = copy_image(self.parts("%s-%s.img" % (kind, board)), self.new("%s.img" % board))
        if recovery:
            write_env(disk, BOOT_RECOVERY="1", BOOT_RECOVERY_REASON="request")
        return disk

    def board(self, disk, **options):
        options.setdefault("log", self.log)
        b = Board(disk, **options)
        self.boards.append(b)
        return b

    def stick(self, files, **options):
        return make_stick(self.new("stick.img"), files, **options)

    def tree_for(self, port, board="ab", path="update.boat"):
        """The board's tree with another address for packages."""
        tree = self.new("tree.dtb")
        shutil.copy(self.parts.tree(board), tree)
        run("fdtput", "-t", "s", tree, "/lifeboat", "network-url", "http://10.0.2.2:%d/%s" % (port, path))
        return tree

    def host(self, *arguments, disk, board="ab", running=None, status=0):
        """The native lifeboat, on a board that is switched off."""
        command = [self.parts("lifeboat"), arguments[0], "--disk", disk, "--board", self.parts.tree(board)]
        if running:
            command += ["--running", running]
        done = subprocess.run(command + [str(a) for a in arguments[1:]], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == status, "%s ended with %d:\n%s%s" % (command, done.returncode, done.stdout,
                                                                       done.stderr)
        return done.stdout

    # --- What it ends with ---

    def status(self, disk, board="ab"):
        return json.loads(self.host("status", "--json", disk=disk, board=board))

    def holds(self, disk, slot, release):
        """Whether the slot's partitions hold the images of this release, byte by byte."""
        for role in ("boot", "system"):
            with open(self.parts.image(release, role), "rb") as f:
                image = f.read()
            if read_partition(disk, "%s_%s" % (role, slot.lower()), len(image)) != image:
                return False
        return True

    def assert_runs(self, disk, release, slot, board="ab", pending=False):
        """Power is off: this release stands in this slot, is whole, has confirmed itself and starts next time. pending:
        whether an install into the other slot was interrupted and is remembered; None: it does not matter."""
        assert self.holds(disk, slot, release), "slot %s does not hold release %s" % (slot, release)
        env = read_env(disk)
        assert env["BOOT_ORDER"].split()[0] == slot
        assert env["BOOT_%s_GOOD" % slot] == "1"
        assert env["BOOT_%s_LEFT" % slot] == "3"
        assert env["BOOT_RECOVERY"] == "0"
        status = self.status(disk, board)
        s = next(s for s in status["slots"] if s["name"] == slot)
        assert s["release"] == int(release) and s["confirmed"] and s["next"], status
        if pending is not None:
            assert (status["pending"] is not None) == pending, status["pending"]
        return status


def mount_stick(b, node="/dev/sda1"):
    """Wait in the running system for a stick, and mount it on /tmp/stick."""
    b.run("mkdir -p /tmp/stick; for i in 1 2 3 4 5 6 7 8 9 10; do [ -b %s ] && break; sleep 1; done; "
          "mount -o ro %s /tmp/stick 2>/dev/null || mount -t exfat -o ro %s /tmp/stick" % (node, node, node))


# --- What happens on the console -------------------------------------------------------------------------------------

def since(b, pattern):
    """Whether the console shows this behind what was expected last."""
    return re.search(pattern, b.output[b.position:], re.MULTILINE)


def in_recovery(b, timeout=30):
    b.expect(r"^Lifeboat recovery\r?$", timeout)


def asked(b, timeout=30):
    """Recovery has found a package and asks."""
    b.expect("Install this version\\?", timeout)


def install(b, timeout=60):
    """Agree to what recovery has found, and wait until it is installed."""
    asked(b)
    b.send("i")
    installed(b, timeout)


def installed(b, timeout=60):
    b.expect(r"Start the new system\?", timeout)


def restart(b):
    b.send("r")


def confirmed(b, release, timeout=40):
    """The system has started and confirmed itself; returns its slot."""
    return b.expect(r"Version %s \(release %s\) in slot\s+(\w)\s+is\s+confirmed" % (release, release), timeout).group(1)


def started(b, timeout=40):
    """A system has started: returns its release and slot."""
    return b.expect(r"Lifeboat reference system, release (.*), slot (\w)\.", timeout).groups()
