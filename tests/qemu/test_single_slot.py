"""One slot, installed in place: whatever happens to the power, recovery goes on by itself until all is done."""
import time

import pytest

from rig import confirmed, in_recovery, installed, mount_stick, read_env, restart, words

# Text that the console shows, seconds after it, and how fast the card may write and read meanwhile (bytes/s, 0: as it
# can): slow ones stretch what follows the text, so that the power goes in the midst of it. tests/replay has the
# moments that are exact to a sector.
MOMENTS = [
    ("while the package is checked", r"Checking the whole package", 0, 0, 0),
    ("at the mark", r"Marking slot A", 0.4, 20000, 0),
    ("at the journal", r"Marking slot A", 1.4, 20000, 0),
    ("writing, just begun", r"writing boot", 0, 600000, 0),
    ("writing, early", r"[3-7]\d %  writing system", 0, 1000000, 0),
    ("writing, in the middle", r"(4[3-9]|[5-7]\d) %  writing system", 0, 1000000, 0),
    ("writing, late", r"(5[5-9]|[67]\d) %  writing system", 0, 1000000, 0),
    ("reading back, early", r"Reading slot A back", 0.1, 0, 6000000),
    ("reading back, late", r"9\d %  reading back system", 0, 0, 6000000),
    ("at the commit", r"Switching the boot flags", 0.1, 8000, 0),
]


@pytest.mark.timeout(300)
def test_power_is_lost_ten_times_and_recovery_finishes(rig):
    disk = rig.disk("single", recovery=True)
    stick = rig.stick({"update.boat": rig.parts.medium()})
    b = rig.board(disk, tree="single", usb=stick)
    for number, (when, text, pause, write, read) in enumerate(MOMENTS):
        in_recovery(b)
        b.expect(r"Install this version\?", 30)
        if number >= 4:
            assert b.seen(words("The install of version 9 was interrupted")), when
            assert b.seen(words("It goes on where it was interrupted")), when
        if number != 5:         # once without anybody there
            b.send("i")
        b.throttle(write, read)
        b.expect(text, 60)
        time.sleep(pause)
        b.cut_power()
        if number >= 3:
            env = read_env(disk)
            assert (env["BOOT_A_GOOD"], env["BOOT_A_LEFT"]) == ("0", "0"), when
        b.power_on()
    in_recovery(b)
    installed(b, 60)
    assert rig.holds(disk, "A", 9)
    restart(b)
    assert confirmed(b, 9) == "A"
    b.cut_power()
    status = rig.assert_runs(disk, 9, "A", "single")
    assert status["confirmed_release"] == 9


def test_power_is_lost_right_after_the_commit(rig):
    disk = rig.disk("single", recovery=True)
    b = rig.board(disk, tree="single", usb=rig.stick({"update.boat": rig.parts.small(4)}))
    b.expect(r"Install this version\?", 30)
    b.send("i")
    installed(b)
    b.cut_power()
    b.power_on()
    assert confirmed(b, 4) == "A"
    assert not b.seen("Lifeboat recovery")
    b.cut_power()
    rig.assert_runs(disk, 4, "A", "single")


def test_interrupted_install_waits_for_its_package_and_then_goes_on(rig):
    """Nothing can start meanwhile, so recovery waits; another package on another stick is not what it waits for."""
    disk = rig.disk("single", recovery=True)
    stick = rig.stick({"update.boat": rig.parts.medium()})
    b = rig.board(disk, tree="single", usb=stick, net=False)
    b.expect(r"Install this version\?", 30)
    b.send("i")
    b.throttle(write=4000000)
    b.expect(r"[3-7]\d %  writing system", 60)
    b.cut_power()
    b.unplug_usb()
    b.power_on()
    in_recovery(b)
    b.expect(words("Waiting for a package"), 30)
    assert b.seen(words("Slot A empty or incomplete"))
    assert not b.seen(words("By itself in")), "nothing can be started, and nothing is there to install"
    b.plug_usb(stick)
    b.expect(r"> install now \(nobody chose\)", 30)
    installed(b)
    restart(b)
    assert confirmed(b, 9) == "A"
    b.cut_power()
    rig.assert_runs(disk, 9, "A", "single")


def test_install_is_refused_while_the_only_slot_runs(rig):
    disk = rig.disk("single")
    b = rig.board(disk, tree="single", usb=rig.stick({"update.boat": rig.parts.small(4)}, ))
    b.login()
    mount_stick(b)
    status, text = b.run("lifeboat install /tmp/stick/update.boat", check=False)
    assert status == 3
    assert "cannot be installed while the only slot is running" in " ".join(text.split())
    b.cut_power()
    rig.assert_runs(disk, 1, "A", "single")
