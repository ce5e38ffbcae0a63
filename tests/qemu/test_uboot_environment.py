"""U-Boot's environment: what Lifeboat, U-Boot and Debian's tools make of each other's stores, and of damage."""
import re

import pytest

from rig import (asked, confirmed, damage_env, in_recovery, install, read_env, read_env_copies, restart, words,
                 write_env)

OTHERS = {"ethaddr": "52:54:00:12:34:56", "site": "hall 3, row 7", "empty_looking": "=", "zz_last": "x" * 500}


def order_of(disk):
    return read_env(disk)["BOOT_ORDER"].split()


def test_other_variables_survive_every_store(rig):
    """U-Boot's, lifeboat's in the running system, and recovery's."""
    disk = rig.disk()
    write_env(disk, **OTHERS)
    b = rig.board(disk, usb=rig.stick({"update.boat": rig.parts.small(4)}), net=False)
    confirmed(b, 1)
    b.send("\n")
    b.login()
    b.send("lifeboat request-recovery --reboot\n")
    install(b)
    restart(b)
    slot = confirmed(b, 4)
    b.cut_power()
    rig.assert_runs(disk, 4, slot)
    env = read_env(disk)
    assert {name: env.get(name) for name in OTHERS} == OTHERS
    assert all(valid for valid, _, _ in read_env_copies(disk))


def test_fw_printenv_reads_what_lifeboat_stored(rig):
    disk = rig.disk()
    b = rig.board(disk, net=False)
    slot = confirmed(b, 1)
    b.send("\n")
    b.login()
    b.run("lifeboat request-recovery service-call")
    b.cut_power()
    env = read_env(disk)
    assert env["BOOT_RECOVERY"] == "1" and env["BOOT_RECOVERY_REASON"] == "service-call"
    assert env["BOOT_ORDER"].split()[0] == slot and env["BOOT_%s_GOOD" % slot] == "1"


def test_what_fw_setenv_stored_is_obeyed(rig):
    """By U-Boot and by lifeboat: recovery with a reason, then the other slot first."""
    disk = rig.disk(kind="both")
    write_env(disk, BOOT_RECOVERY="1", BOOT_RECOVERY_REASON="field-test")
    status = rig.status(disk)
    assert status["recovery_requested"] and status["recovery_reason"] == "field-test"
    b = rig.board(disk, net=False)
    in_recovery(b)
    b.expect(words("What shall be done?"), 30)
    assert b.seen(r"'field-test'")
    b.cut_power()
    second, first = reversed(order_of(disk))
    write_env(disk, BOOT_RECOVERY="0", BOOT_ORDER=second + " " + first)
    b.power_on()
    assert confirmed(b, 1) == second
    b.send("\n")
    b.login()
    assert re.search(r"Slot %s\s+version 1 \(release 1\), running, confirmed" % second, b.run("lifeboat status"))
    b.cut_power()
    rig.assert_runs(disk, 1, second)


@pytest.mark.parametrize("copy", ["newer", "older"])
def test_one_damaged_copy_is_survived(rig, copy):
    disk = rig.disk(kind="both")
    copies = read_env_copies(disk)
    newer = 0 if (copies[0][1] - copies[1][1]) % 256 == 1 else 1
    damage_env(disk, newer if copy == "newer" else 1 - newer)
    b = rig.board(disk, net=False)
    slot = confirmed(b, 2)
    b.cut_power()
    rig.assert_runs(disk, 2, slot)
    assert all(valid for valid, _, _ in read_env_copies(disk)), "the damaged copy was not written anew"


def test_both_copies_damaged_lead_to_recovery_whose_menu_brings_the_system_back(rig):
    disk = rig.disk(kind="both")
    first = order_of(disk)[0]
    damage_env(disk, 0, 1)
    b = rig.board(disk, net=False)
    in_recovery(b)
    b.expect(words("What shall be done?"), 30)
    assert b.seen(r"Why +" + words("Both copies of the boot loader's environment are damaged"))
    restart(b)
    assert confirmed(b, 2) == first, "the newest confirmed system comes first"
    b.cut_power()
    rig.assert_runs(disk, 2, first)
    env = read_env(disk)
    assert all(env["BOOT_%s_GOOD" % s] == "1" for s in "AB")


def test_both_copies_damaged_and_an_install_writes_them_anew(rig):
    disk = rig.disk(kind="both")
    first = order_of(disk)[0]
    damage_env(disk, 0, 1)
    b = rig.board(disk, usb=rig.stick({"update.boat": rig.parts.small(4)}), net=False)
    asked(b)
    b.send("i")
    b.expect(r"Start the new system\?", 60)
    restart(b)
    slot = confirmed(b, 4)
    b.cut_power()
    rig.assert_runs(disk, 4, slot)
    assert slot != first, "the newest good system was overwritten"
    assert rig.holds(disk, first, 2)


def test_slot_whose_tries_are_used_up_is_still_known_to_be_good(rig):
    """Three starts without a confirmation (a person who switches off too early): recovery, and the way back."""
    disk = rig.disk()
    slot = order_of(disk)[0]
    write_env(disk, **{"BOOT_%s_LEFT" % slot: "0"})
    b = rig.board(disk, net=False)
    in_recovery(b)
    b.expect(words("What shall be done?"), 30)
    assert b.seen(words("No slot may be started"))
    restart(b)
    assert confirmed(b, 1) == slot
    b.cut_power()
    rig.assert_runs(disk, 1, slot)
