"""What a person can do in recovery's menu, and clocks that are wrong."""
import shutil
import time

import pytest

from rig import confirmed, in_recovery, install, read_env, restart, run, since, words


def menu(b):
    in_recovery(b)
    b.expect(words("What shall be done?"), 30)


def test_power_off(rig):
    disk = rig.disk(recovery=True)
    b = rig.board(disk, net=False)
    menu(b)
    b.send("p")
    b.expect("Switching off", 10)
    b.wait_off(20)
    assert read_env(disk)["BOOT_RECOVERY"] == "1", "recovery was asked for and nothing has been done about it"
    log = rig.host("log", disk=disk)
    assert "recovery: power off" in log


def test_log_on_the_screen(rig):
    disk = rig.disk(recovery=True)
    b = rig.board(disk, net=False)
    menu(b)
    b.send("l")
    b.expect(r"\[boot \d+ \+[\d.]+\] recovery: started, reason request", 10)
    b.expect(words("More of the log?"), 10)
    b.send("m")
    b.expect(words("What shall be done?"), 10)
    restart(b)
    assert confirmed(b, 1)


def test_shell_in_a_development_build(rig):
    disk = rig.disk(recovery=True)
    b = rig.board(disk, net=False)
    menu(b)
    assert b.seen(words("Development build: it trusts development keys and offers a shell. Not for products."))
    b.send("x")
    b.expect(words("Maintenance shell of a development build"), 10)
    time.sleep(0.5)
    b.send("echo uid-''of-$$; exit\n")
    b.expect(r"uid-of-\d+", 10)
    b.expect(words("What shall be done?"), 10)
    restart(b)
    assert confirmed(b, 1)


def test_keys_that_are_no_choice_show_the_menu_again(rig):
    disk = rig.disk(recovery=True)
    b = rig.board(disk, net=False)
    menu(b)
    for key in ("\r", "q", "\x1b[A"):
        time.sleep(0.3)
        b.send(key)
    b.expect(words("What shall be done?"), 10)
    assert since(b, "Restarting") is None
    b.send("\x03")
    time.sleep(0.5)
    restart(b)
    assert confirmed(b, 1)


def test_install_from_the_menu(rig):
    """The countdown is stopped by a key, nothing happens for a while, then a person chooses."""
    disk = rig.disk(recovery=True)
    b = rig.board(disk, usb=rig.stick({"update.boat": rig.parts.small(4)}), net=False)
    b.expect(r"Install this version\?", 30)
    b.send("m")
    b.expect(words("What shall be done?"), 10)
    time.sleep(2)
    assert not since(b, "Writing slot")
    b.send("s")
    install(b)
    restart(b)
    slot = confirmed(b, 4)
    b.cut_power()
    rig.assert_runs(disk, 4, slot)


def test_board_whose_policy_is_to_ask_waits_for_a_person(rig):
    tree = shutil.copy(rig.parts.tree(), rig.new("tree.dtb"))
    run("fdtput", "-t", "s", tree, "/lifeboat", "policy", "ask")
    disk = rig.disk(recovery=True)
    b = rig.board(disk, tree=tree, usb=rig.stick({"update.boat": rig.parts.small(4)}), net=False)
    b.expect(r"Install this version\?", 30)
    assert not b.expect(r"By itself in \d+ s: (.*)\.", 5).group(1).startswith("install")
    time.sleep(2)
    assert not since(b, "Writing slot")
    b.send("i")
    b.expect(r"Start the new system\?", 60)


@pytest.mark.parametrize("year", ["1970", "2100"])
def test_clock_takes_no_part(rig, year):
    disk = rig.disk(recovery=True)
    b = rig.board(disk, usb=rig.stick({"update.boat": rig.parts.small(4)}), rtc=year + "-01-01T00:00:10", net=False)
    install(b)
    restart(b)
    slot = confirmed(b, 4)
    b.cut_power()
    status = rig.assert_runs(disk, 4, slot)
    walls = [r["wall_clock"] for r in status["results"][:2]]
    # A comment at best; a clock that was never set says nothing.
    assert all(w.startswith("2100") if year == "2100" else not w for w in walls), walls
