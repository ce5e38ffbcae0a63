"""Power lost at moments that are exact to a sector, and inside a sector: before, in and between all steps.

An install is recorded once, write by write; then the disk is made as it was at each moment, and the board is started
with it. It always starts a complete system, or recovery; and the update ends well afterwards.
"""
import os

import pytest

from replay import Recording
from rig import confirmed, copy_image, in_recovery, install, mount_stick, restart, words

NEW = 4     # the release that is installed
# Bytes of a store of the environment: the checksum is there, and little of what it is for. (Most of the first sector
# would be a whole store.)
TORN = 8

# For each moment: what starts afterwards, "recovery", "new" or (where the system that runs does the work) "old".
MOMENTS = {
    "before the mark": "recovery",
    "inside the mark": "recovery",
    "behind the mark": "recovery",
    "inside the record that follows the mark": "recovery",
    "before the first byte of the slot": "recovery",
    "inside the first sector of the slot": "recovery",
    "between two images": "recovery",
    "in the middle of the slot": "recovery",
    "behind the last byte of the slot": "recovery",
    "before the flip": "recovery",
    "inside the flip": "recovery",
    "behind the flip": "new",
    "inside the boot loader's store": "new",
    "inside the confirmation": "new",
}


def moment(recording, name):
    """Sectors written, and bytes of the next one."""
    stores = [run for run in recording.runs if run[0] == "env"]
    mark, flip, take, confirmation = stores[-4:]
    slot = [run for run in recording.runs if run[0][:5] in ("boot_", "syste") and mark[2] <= run[1] < flip[1]]
    assert slot, recording.runs
    record = next(run for run in recording.runs if run[1] >= mark[2] and run[0] == "state")
    written = [n for run in slot for n in range(run[1], run[2])]
    return {
        "before the mark": (mark[1], 0),
        "inside the mark": (mark[1], TORN),
        "behind the mark": (mark[2], 0),
        "inside the record that follows the mark": (record[1] + 3, 100),
        "before the first byte of the slot": (written[0], 0),
        "inside the first sector of the slot": (written[0], 100),
        "between two images": (next(run for run in slot if run[0].startswith("system"))[1], 0),
        "in the middle of the slot": (written[len(written) // 2], 300),
        "behind the last byte of the slot": (written[-1] + 1, 0),
        "before the flip": (flip[1], 0),
        "inside the flip": (flip[1], TORN),
        "behind the flip": (flip[2], 0),
        "inside the boot loader's store": (take[1], TORN),
        "inside the confirmation": (confirmation[1], TORN),
    }[name]


def stick_with_update(rig):
    return rig.stick({"update.boat": rig.parts.small(NEW)})


def install_running(b):
    """Install in the running system, once it has confirmed itself; returns its slot."""
    slot = confirmed(b, 2)
    b.send("\n")
    b.login()
    mount_stick(b)
    b.send("lifeboat install --reboot /tmp/stick/update.boat\n")
    return slot


def record(rig, kind, folder):
    """A whole update, with every write to the card recorded: start.img, and log."""
    os.makedirs(folder)
    board, who = kind.split("-")
    disk = rig.disk("ab" if board == "ab" else "single", "both" if board == "ab" else "confirmed",
                    recovery=who == "recovery")
    copy_image(disk, os.path.join(folder, "start.img"))
    log = os.path.join(folder, "log")
    open(log, "w").close()
    b = rig.board(disk, tree=board, usb=stick_with_update(rig), write_log=log)
    if who == "recovery":
        install(b)
        restart(b)
    else:
        install_running(b)
    confirmed(b, NEW)
    b.cut_power()


@pytest.fixture
def recorded(rig):
    def recorded(kind):
        folder = rig.parts.once("recorded-" + kind, lambda folder: record(rig, kind, folder))
        return Recording(os.path.join(folder, "start.img"), os.path.join(folder, "log"))
    return recorded


@pytest.mark.parametrize("when", MOMENTS)
def test_recovery_with_two_slots(rig, recorded, when):
    disk = recorded("ab-recovery").disk_after(rig.new("cut.img"), *moment(recorded("ab-recovery"), when))
    b = rig.board(disk, usb=stick_with_update(rig))
    if MOMENTS[when] == "recovery":
        install(b)
        restart(b)
    slot = confirmed(b, NEW)
    b.cut_power()
    rig.assert_runs(disk, NEW, slot)
    assert rig.holds(disk, "AB".replace(slot, ""), 2), "the good slot has changed"


@pytest.mark.parametrize("when", ["inside the mark", "in the middle of the slot", "before the flip", "inside the flip",
                                  "behind the flip", "inside the boot loader's store"])
def test_running_system_with_two_slots(rig, recorded, when):
    """The system that installed starts again, until the flags say otherwise; nothing that is left is in the way."""
    disk = recorded("ab-running").disk_after(rig.new("cut.img"), *moment(recorded("ab-running"), when))
    b = rig.board(disk, usb=stick_with_update(rig))
    if MOMENTS[when] == "recovery":
        good = install_running(b)
        slot = confirmed(b, NEW)
        assert slot != good
    else:
        slot = confirmed(b, NEW)
    b.cut_power()
    rig.assert_runs(disk, NEW, slot)
    assert rig.holds(disk, "AB".replace(slot, ""), 2), "the good slot has changed"


@pytest.mark.parametrize("when", ["inside the mark", "inside the record that follows the mark",
                                  "inside the first sector of the slot", "in the middle of the slot",
                                  "inside the flip", "behind the flip", "inside the confirmation"])
def test_recovery_with_one_slot(rig, recorded, when):
    disk = recorded("single-recovery").disk_after(rig.new("cut.img"), *moment(recorded("single-recovery"), when))
    b = rig.board(disk, tree="single", usb=stick_with_update(rig))
    if MOMENTS[when] == "recovery":
        install(b)
        restart(b)
    confirmed(b, NEW)
    b.cut_power()
    rig.assert_runs(disk, NEW, "A", "single")


def test_after_a_cut_the_other_system_can_be_chosen(rig, recorded):
    """The stick is lost too: the menu brings the system back that was there before."""
    recording = recorded("ab-recovery")
    disk = recording.disk_after(rig.new("cut.img"), *moment(recording, "in the middle of the slot"))
    b = rig.board(disk, net=False)
    in_recovery(b)
    b.expect(words("What shall be done?"), 30)
    assert b.seen(words("An install was interrupted")) or b.seen(words("was interrupted. It goes on by itself"))
    restart(b)
    slot = confirmed(b, 2)
    b.cut_power()
    rig.assert_runs(disk, 2, slot, pending=True)
