"""The running system installs into the slot that does not run, and goes on with its work meanwhile."""
import json
import re
import time

import pytest

from rig import confirmed, mount_stick, read_env, words
from web import Server


def prompt(b):
    b.send("\n")
    b.login()


def status(b):
    return json.loads(b.run("lifeboat status --json"))


@pytest.mark.timeout(300)
def test_five_updates_in_a_row_use_both_slots_in_turn(rig):
    """From a stick and over HTTP by turns."""
    releases = [4, 5, 6, 7, 8]
    stick = rig.stick({"r%d.boat" % r: rig.parts.small(r) for r in releases[::2]})
    disk = rig.disk()
    first = read_env(disk)["BOOT_ORDER"].split()[0]
    b = rig.board(disk, usb=stick)
    slot, running = confirmed(b, 1), 1
    assert slot == first
    for release in releases:
        prompt(b)
        if release % 2:
            with Server(rig.parts.small(release)) as server:
                b.run("lifeboat install " + server.url(), 60)
        else:
            mount_stick(b)
            b.run("lifeboat install /tmp/stick/r%d.boat" % release, 60)
        slots = {s["name"]: s for s in status(b)["slots"]}
        target = "AB".replace(slot, "")
        assert slots[slot]["running"] and slots[slot]["release"] == running and slots[slot]["good"]
        assert slots[target]["release"] == release and slots[target]["next"] and not slots[target]["good"]
        b.send("reboot\n")
        assert confirmed(b, release) == target
        slot, running = target, release
    b.cut_power()
    rig.assert_runs(disk, 8, slot)
    assert rig.holds(disk, "AB".replace(slot, ""), 7)
    assert slot != first


def test_system_answers_while_it_installs(rig):
    disk = rig.disk()
    b = rig.board(disk)
    old = confirmed(b, 1)
    prompt(b)
    with Server(rig.parts.package(2), speed=3 << 20) as server:
        b.run("{ lifeboat install %s; echo status $?; } >/tmp/log 2>&1 & true" % server.url())
        gaps, answers, last = [], 0, time.monotonic()
        while b.run("kill -0 $! 2>/dev/null && echo runs || echo ended").strip() == "runs":
            answers += 1
            gaps.append(time.monotonic() - last)
            last = time.monotonic()
            time.sleep(0.1)
    assert answers >= 5, "the install was over before anybody could ask"
    assert max(gaps) < 5, "the system did not answer for %.1f s" % max(gaps)
    text = b.run("cat /tmp/log")
    assert "status 0" in text
    # In a file there is nothing to draw over: whole lines, now and then.
    assert "\r" not in text and re.search(r"\d+ %  writing system", text)
    assert re.search(words("If the power fails all the same, the system that runs now starts again"), text)
    b.cut_power()
    new = "AB".replace(old, "")
    assert rig.holds(disk, new, 2) and rig.holds(disk, old, 1)
    b.power_on()
    assert confirmed(b, 2) == new
    b.cut_power()
    rig.assert_runs(disk, 2, new)


def test_older_release_needs_a_word_and_then_installs(rig):
    disk = rig.disk(kind="both")
    b = rig.board(disk)
    new = confirmed(b, 2)
    prompt(b)
    with Server(rig.parts.package(1)) as server:
        code, text = b.run("lifeboat install " + server.url(), 60, check=False)
        assert code == 3 and re.search(words("is older than the installed release"), text)
        assert re.search(words("Nothing on the device was changed"), text)
        b.send("lifeboat install --allow-older --reboot %s\n" % server.url())
        assert confirmed(b, 1) != new
    b.cut_power()
    rig.assert_runs(disk, 1, "AB".replace(new, ""))


def test_request_recovery_and_back(rig):
    disk = rig.disk()
    b = rig.board(disk, net=False)
    slot = confirmed(b, 1)
    prompt(b)
    b.send("lifeboat request-recovery --reboot maintenance\n")
    b.expect(r"^Lifeboat recovery", 30)
    b.expect(words("What shall be done?"), 30)
    assert b.seen(r"Why +" + words("The boot loader started recovery for the reason 'maintenance'."))
    b.send("r")
    assert confirmed(b, 1) == slot
    b.cut_power()
    rig.assert_runs(disk, 1, slot)
