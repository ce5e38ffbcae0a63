"""Start a disk that a power cut left, through the real U-Boot. It must come up as the complete old system, the complete
new system, or recovery that finishes the job; and then every byte must be what it has to be."""
import json
import os
import subprocess

from rig import (boards, Board, confirmed, copy_image, in_recovery, installed, partitions, read_env, read_env_copies,
                 read_partition, restart, words)
from scenarios import FLOOR, NEW, SCENARIOS, install_running

SECTOR = 512
PATIENCE = 120      # s, for one wait
VARIABLES = ("BOOT_ORDER", "BOOT_A_LEFT", "BOOT_A_GOOD", "BOOT_B_LEFT", "BOOT_B_GOOD", "BOOT_RECOVERY")


def flags(disk):
    """What the boot script goes by, as Debian's fw_printenv reads it."""
    env = read_env(disk)
    return {name: env.get(name, "") for name in VARIABLES}


def native(parts, verb, disk, kind, *arguments):
    return subprocess.run([parts("lifeboat"), verb, "--disk", disk, "--board", parts.tree(kind)] + list(arguments),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)


def status(parts, disk, kind):
    """What lifeboat knows about the device, without what differs from run to run."""
    done = native(parts, "status", disk, kind, "--json")
    assert done.returncode == 0, "status: " + done.stderr
    known = json.loads(done.stdout)
    for name in ("boot_count", "results", "recovery_reason"):
        del known[name]
    return known


class Reference:
    """What the update that was recorded ended with, and what it had reached behind the flip."""

    def __init__(self, parts, recording, folder):
        self.kind, self.old, self.old_slot = SCENARIOS[recording.name]
        flipped = recording.disk(os.path.join(folder, "flipped.img"), recording.epoch("flip").number, "+")
        self.flipped = flags(flipped), status(parts, flipped, self.kind)
        os.unlink(flipped)
        end = os.path.join(folder, "end.img")
        self.end = flags(end), status(parts, end, self.kind)


class Judge:
    def __init__(self, parts, recordings, folder):
        self.parts = parts
        self.reference = {name: Reference(parts, r, os.path.dirname(r.start)) for name, r in recordings.items()}
        self.folder = folder
        self.images = {}
        for release in (1, 2, NEW):
            for role in ("boot", "system"):
                with open(parts.image(release, role), "rb") as f:
                    self.images[release, role] = f.read()

    # --- What lies on the disk ---

    def holds(self, disk, slot, release):
        return all(read_partition(disk, "%s_%s" % (role, slot.lower()), len(self.images[release, role])) ==
                   self.images[release, role] for role in ("boot", "system"))

    def release_in(self, disk, slot):
        """The release that is whole in this slot, or None."""
        return next((r for r in (1, 2, NEW) if self.holds(disk, slot, r)), None)

    def choice(self, disk):
        """What the boot script must start: "recovery" or a slot. Every slot that it could start, now or when the
        one before fails, must be whole (I2, I4)."""
        assert any(valid for valid, _, _ in read_env_copies(disk)), "both copies of the environment are damaged"
        env = flags(disk)
        order = env["BOOT_ORDER"].split()
        startable = [s for s in order if env["BOOT_%s_LEFT" % s] in tuple("123456789")]
        last_resort = [s for s in "AB" if env["BOOT_%s_GOOD" % s] == "1" and env["BOOT_%s_LEFT" % s] != "0"]
        for slot in dict.fromkeys(startable + last_resort):
            assert self.release_in(disk, slot), "slot %s can be started, and is not whole: %s" % (slot, env)
        if env["BOOT_RECOVERY"] == "1" or not startable:
            return "recovery"
        return startable[0]

    def assert_untouched(self, disk, start):
        """Nothing has changed but boot flags, state, and in slot A as much as the images need."""
        places = {label: at for label, (at, _) in partitions(start).items()}
        may_change = [(at, boards.ENVIRONMENT_SIZE) for at in boards.ENVIRONMENT_OFFSETS]
        may_change.append(partitions(start)["state"])
        for role in ("boot", "system"):
            size = len(self.images[NEW, role])
            may_change.append((places[role + "_a"], size + -size % SECTOR))
        at = 0
        for offset, size in sorted(may_change) + [(os.path.getsize(start), 0)]:
            where = first_difference(disk, start, at, offset)
            assert where is None, "byte %d has changed, where nothing should" % where
            at = offset + size

    # --- What happens when it is started ---

    def judge(self, case, disk, log, on_board):
        """Returns what came up: "old", "new" or "recovery". Raises AssertionError or BoardError with what is wrong.
        on_board is called with the board before it is switched off."""
        kind = self.reference[case.recording.name].kind
        choice = self.choice(disk)
        whole = None if choice == "recovery" else self.release_in(disk, choice)
        stick = None if case.alone else copy_image(self.parts("stick.img"), disk + ".stick")
        with Board(disk, tree=kind, usb=stick, net=False, log=log) as b:
            try:
                came = self.start(case, b, choice, whole)
            finally:
                on_board(b)
        self.assert_untouched(disk, case.recording.start)
        getattr(self, "assert_" + came)(case, disk, kind)
        return came.partition("_")[0]

    def start(self, case, b, choice, whole):
        started = b.expect(r"^Lifeboat: starting (\w+)\r?\n", PATIENCE).group(1)
        assert started == choice, "%s was started, and not %s" % (started, choice)
        if choice != "recovery":
            slot = confirmed(b, whole, PATIENCE)
            assert slot == choice and not b.seen("Lifeboat recovery"), "slot %s runs, and not %s" % (slot, choice)
            if case.to_the_end and case.recording.name == "ab-running" and whole != NEW:
                install_running(b)
                assert confirmed(b, NEW, PATIENCE) == "A"
                return "old_confirmed"
            return "new" if whole == NEW else "old"
        assert case.recording.name != "ab-running", "the system that installed does not start any more"
        in_recovery(b, PATIENCE)
        if case.alone:
            b.expect(words("What shall be done?"), PATIENCE)
            assert b.seen(words("An install was interrupted")) or b.seen(words("It goes on by itself"))
            restart(b)
            confirmed(b, 2, PATIENCE)
            return "recovery_alone"
        b.expect(r"Install this version\?", PATIENCE)
        if not case.unattended:
            b.send("i")
        installed(b, PATIENCE)
        if not case.to_the_end:
            return "recovery_installed"
        if not case.unattended:
            restart(b)
        assert confirmed(b, NEW, PATIENCE) == "A"
        return "recovery_confirmed"

    # --- What it must have led to ---

    def assert_end(self, case, disk, kind, confirmed):
        """The new system is whole and comes first; and all is as it was after the update that nothing interrupted."""
        reference = self.reference[case.recording.name]
        env, known = flags(disk), status(self.parts, disk, kind)
        assert self.holds(disk, "A", NEW), "slot A does not hold the new release"
        assert env["BOOT_ORDER"].split()[0] == "A" and env["BOOT_RECOVERY"] == "0", env
        assert (env["BOOT_A_GOOD"], env["BOOT_A_LEFT"]) == ("01"[confirmed], "3"), env
        assert known["rollback_floor"] == (FLOOR if confirmed else 0), "the floor is %d" % known["rollback_floor"]
        assert known["confirmed_release"] == (NEW if confirmed else reference.old), known
        expected_env, expected = reference.end if confirmed else reference.flipped
        assert env == expected_env, "boot flags %s, and not %s" % (env, expected_env)
        wrong = ["%s: %s, and not %s" % (k, known[k], expected[k]) for k in expected if known[k] != expected[k]]
        assert not wrong, "; ".join(wrong)

    def assert_new(self, case, disk, kind):
        self.assert_end(case, disk, kind, True)

    assert_recovery_confirmed = assert_old_confirmed = assert_new

    def assert_recovery_installed(self, case, disk, kind):
        self.assert_end(case, disk, kind, False)

    def assert_old(self, case, disk, kind):
        """The old system is the first choice still, and what is left of the install is not in the way of the next."""
        reference = self.reference[case.recording.name]
        assert self.holds(disk, reference.old_slot, reference.old), "the old release is not whole"
        env = flags(disk)
        slot = reference.old_slot
        assert env["BOOT_ORDER"].split()[0] == slot and env["BOOT_RECOVERY"] == "0", env
        assert (env["BOOT_%s_GOOD" % slot], env["BOOT_%s_LEFT" % slot]) == ("1", "3"), env
        assert status(self.parts, disk, kind)["confirmed_release"] == reference.old
        done = native(self.parts, "install", disk, kind, "--running", slot, self.parts.package(NEW))
        assert done.returncode == 0, "installing once more: " + done.stderr
        self.assert_end(case, disk, kind, False)

    def assert_recovery_alone(self, case, disk, kind):
        assert self.holds(disk, "B", 2) and flags(disk)["BOOT_ORDER"] == "B", flags(disk)
        known = status(self.parts, disk, kind)
        assert known["pending"] and known["pending"]["release"] == NEW, known


def extents(fd, at, end):
    """Parts of a file between these offsets that are no holes."""
    while at < end:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:     # no data any more
            return
        hole = os.lseek(fd, at, os.SEEK_HOLE)
        if at < end:
            yield at, min(hole, end)
        at = hole


def first_difference(one, other, at, end):
    """The offset of a byte between these offsets in which two files differ, or None."""
    with open(one, "rb") as a, open(other, "rb") as b:
        for f in (a, b):
            for start, stop in extents(f.fileno(), at, end):
                for piece in range(start, stop, 1 << 20):
                    size = min(1 << 20, stop - piece)
                    x, y = os.pread(a.fileno(), size, piece), os.pread(b.fileno(), size, piece)
                    if x != y:
                        return piece + next(i for i in range(size) if x[i] != y[i])
    return None
