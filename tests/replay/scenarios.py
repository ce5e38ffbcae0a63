"""The updates that are recorded: from what they start, and who installs.

Linux sees main storage twice: as the card that U-Boot reads, and as a disk with a write cache. The board's card has
none, so nothing ever flushes it; with a cache, the kernel sends each flush that Lifeboat asks for, and keeps and orders
what was not flushed as it does for any disk. Lifeboat is told to use that one. The disks that come of it are started
with the card alone.
"""
import gzip
import os
import random
import shutil
import subprocess

from rig import (MIB, ROOT, Board, Parts, confirmed, copy_image, install, make_stick, mount_stick, restart, run,
                 write_env)

NEW = 4         # the release that is installed
FLOOR = 2       # and the rollback floor that it brings
TWIN = "0000:00:08.0"
# What runs, or would run, and in which slot; what is installed goes to slot A.
SCENARIOS = {
    "ab-recovery": ("ab", 2, "B"),
    "ab-running": ("ab", 2, "B"),
    "single-recovery": ("single", 1, "A"),
    "card-recovery": ("ab", 2, "B"),
    "single-resumed": ("single", 1, "A"),
}
# What the second cut comes into: the update that goes on behind the first one.
RESUMED = {"single-resumed": ("single-recovery", "system_a", "middle")}


class ReplayParts(Parts):
    """What was built, the disks to start from and the package to install."""

    @classmethod
    def make(cls, folder):
        os.makedirs(folder)
        built = os.path.join(ROOT, "build", "board")
        names = ["u-boot.bin", "Image.gz", "ab.dtb", "single.dtb", "disk-ab.img", "disk-single.img"]
        names += ["release-%d.%s" % (r, kind) for r in (1, 2) for kind in ("boat", "boot.itb", "system.img", "its")]
        for name in names:
            assert os.path.exists(os.path.join(built, name)), "build/board/%s is missing: run 'make board'" % name
            copy_image(os.path.join(built, name), os.path.join(folder, name))
        for name in ("lifeboat", "lifeboat-pack"):
            shutil.copy(os.path.join(ROOT, "build", "host", name), folder)
        parts = cls(folder)
        os.makedirs(parts("no-checks"))
        for board in ("ab", "single"):
            disk = parts("confirmed-%s.img" % board)
            os.rename(parts("disk-%s.img" % board), disk)
            parts._native(disk, board, "A", "confirm", parts("no-checks"))
        disk = copy_image(parts("confirmed-ab.img"), parts("both-ab.img"))
        parts._native(disk, "ab", "A", "install", parts.package(2))
        parts._native(disk, "ab", "B", "confirm", parts("no-checks"))
        parts._make_new()
        make_stick(parts("stick.img"), {"update.boat": parts.package(NEW)})

    def _native(self, disk, board, running, verb, argument):
        run(self("lifeboat"), verb, "--disk", disk, "--board", self.tree(board), "--running", running, argument,
            stdin=subprocess.DEVNULL)

    def _make_new(self):
        """A small release, no chunk of which stands on the disk already: another kernel file, another ballast."""
        boot, system, ballast = (self("release-%d.%s" % (NEW, n)) for n in ("boot.itb", "system.img", "ballast"))
        with gzip.open(self("Image.gz")) as f:
            kernel = f.read()
        with open(self("Image.gz"), "wb") as f:
            f.write(gzip.compress(kernel, 5, mtime=0))
        with open(self("release-2.its")) as f:
            source = f.read().replace("system 2", "system %d" % NEW)
        with open(self("release-%d.its" % NEW), "w") as f:
            f.write(source)
        run(os.path.join(ROOT, "build", "components", "u-boot-aarch64", "mkimage"), "-D",
            "-q -I dts -O dtb -i " + self.folder, "-f", self("release-%d.its" % NEW), "-k", os.path.join(ROOT, "keys"),
            "-r", boot, env=dict(os.environ, SOURCE_DATE_EPOCH="0"))
        with open(ballast, "wb") as f:
            f.write(random.Random(NEW).randbytes(MIB))
        with open(self("release"), "w") as f:
            f.write("%d\n" % NEW)
        copy_image(self("release-2.system.img"), system)
        run("/sbin/debugfs", "-w", "-f", "-", system, env=dict(os.environ, E2FSPROGS_FAKE_TIME="1"),
            input="cd /etc\nrm release\nwrite %s release\ncd /usr/share\nrm ballast\nwrite %s ballast\n" %
            (self("release"), ballast))
        run("/sbin/resize2fs", "-f", system, "%dK" % (4 * MIB >> 10), env=dict(os.environ, E2FSPROGS_FAKE_TIME="1"))
        os.truncate(system, 4 * MIB)
        self.pack(self.package(NEW), NEW, "--rollback-floor", FLOOR, boot=boot, system=system)

    def package(self, release):
        return self("release-%s.boat" % release)


class TwinBoard(Board):
    """Main storage on the card's slot, and once more as a disk with a write cache."""

    def command(self, serial, monitor):
        command = super().command(serial, monitor)
        at = next(i for i, a in enumerate(command) if a.startswith("if=none,id=main,"))
        del command[at - 1:at + 1]
        at = command.index("sd-card,bus=pcie.0/slot0/sd-bus,drive=main") - 1
        # One node for both, so that both write to the same disk and the same log.
        command[at:at] = ["-blockdev", "node-name=main," + self._main_storage()]
        return command + ["-device", "virtio-blk-pci,drive=main,addr=8,share-rw=on,write-cache=on"]


def install_running(b):
    """Install in the running system, which has confirmed itself."""
    b.send("\n")
    b.login(120)
    mount_stick(b)
    b.send("lifeboat install --reboot /tmp/stick/update.boat\n")


def record(parts, scenario, folder, cut=None):
    """A whole update, with every write to main storage recorded: start.img, log and end.img. cut: what makes the disk
    to start from, when it is not a sound one."""
    os.makedirs(folder)
    kind, release, _ = SCENARIOS[scenario]
    disk = os.path.join(folder, "end.img")
    if cut:
        cut(disk)
    else:
        copy_image(parts("both-ab.img" if kind == "ab" else "confirmed-single.img"), disk)
    recovery = scenario != "ab-running"
    if recovery and not cut:
        write_env(disk, BOOT_RECOVERY="1", BOOT_RECOVERY_REASON="request")
    copy_image(disk, os.path.join(folder, "start.img"))
    tree = parts.tree(kind)
    make = Board
    if scenario != "card-recovery":
        make = TwinBoard
        tree = shutil.copy(tree, os.path.join(folder, "tree.dtb"))
        run("fdtput", "-t", "s", tree, "/lifeboat", "storage", TWIN)
    log = os.path.join(folder, "log")
    open(log, "w").close()
    stick = copy_image(parts("stick.img"), os.path.join(folder, "stick.img"))
    with make(disk, tree=tree, usb=stick, write_log=log, net=False, log=os.path.join(folder, "console.log")) as b:
        if recovery:
            install(b, 180)
            restart(b)
        else:
            confirmed(b, release, 120)
            install_running(b)
        confirmed(b, NEW, 120)
