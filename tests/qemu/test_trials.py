"""A system that does not prove itself is given up: the one before it starts again, and what happened is stored."""
import time

import pytest

from rig import (EDITIONS, asked, confirmed, in_recovery, install, read_env, restart, since, started, words,
                 write_env, write_partition)


def slots_of(disk):
    good = read_env(disk)["BOOT_ORDER"].split()[0]
    return good, "AB".replace(good, "")


def assert_given_up(rig, disk, target, edition, what, detail):
    env = read_env(disk)
    assert env["BOOT_%s_LEFT" % target] == "0" and env["BOOT_%s_GOOD" % target] == "0"
    assert target not in env["BOOT_ORDER"].split()
    results = rig.status(disk)["results"]
    result = next(r for r in results if r["status"] == 40)
    assert (result["what"], result["detail_name"]) == (what, detail), result
    assert result["slot"] == target and result["release"] == 3 and edition in result["version"], result
    assert not any(r["status"] == 0 and r["release"] == 3 and r["what"] == "confirm" for r in results)
    return result


@pytest.mark.timeout(300)
@pytest.mark.parametrize("edition", EDITIONS)
def test_defective_edition_leads_back_to_the_good_slot(rig, edition):
    disk = rig.disk()
    good, target = slots_of(disk)
    rig.host("install", rig.parts.package(edition), disk=disk, running=good)
    assert rig.holds(disk, target, edition)
    # All of them would have three tries. Once is enough to see, and a few seconds each to save.
    tries = 3 if edition in ("panics", "unhealthy") else 1
    write_env(disk, **{"BOOT_%s_LEFT" % target: str(tries)})
    b = rig.board(disk)
    assert confirmed(b, 1, 120) == good
    starts = b.output.count("Lifeboat: starting " + target)
    assert starts == (1 if edition == "unhealthy" else tries), "%d starts of the defective system" % starts
    b.cut_power()
    if edition == "unhealthy":
        result = assert_given_up(rig, disk, target, edition, "confirm", "HEALTH_FAILED")
        assert "50-application" in result["object"]
    else:
        assert_given_up(rig, disk, target, edition, "trial", "TRIAL_FAILED")
    rig.assert_runs(disk, 1, good)


def test_package_whose_trial_failed_is_not_installed_again_by_itself(rig):
    """No endless loop while the stick stays in, whoever starts recovery meanwhile; a person may still choose it."""
    disk = rig.disk(recovery=True)
    good, target = slots_of(disk)
    b = rig.board(disk, usb=rig.stick({"update.boat": rig.parts.package("unhealthy")}), net=False)
    install(b)
    restart(b)
    assert confirmed(b, 1) == good
    b.send("\n")
    b.login()
    b.send("lifeboat request-recovery --reboot\n")
    in_recovery(b)
    asked(b)
    assert not b.expect(r"By itself in \d+ s: (.*)\.", 10).group(1).startswith("install")
    time.sleep(2)
    assert not since(b, "Writing slot"), "it would go round for ever"
    b.send("m")
    b.expect(words("What shall be done?"), 10)
    restart(b)
    assert confirmed(b, 1) == good
    b.cut_power()
    rig.assert_runs(disk, 1, good)
    assert_given_up(rig, disk, target, "unhealthy", "confirm", "HEALTH_FAILED")


@pytest.mark.timeout(300)
def test_both_slots_defective_lead_to_recovery_with_the_reason(rig):
    disk = rig.disk()
    good, target = slots_of(disk)
    rig.host("install", rig.parts.package("panics"), disk=disk, running=good)
    # The system that was good does not start any more either. One try each is left.
    write_env(disk, **{"BOOT_%s_LEFT" % slot: "1" for slot in "AB"})
    with open(rig.parts.image("no-init", "system"), "rb") as f:
        write_partition(disk, "system_" + good.lower(), f.read())
    b = rig.board(disk, net=False)
    in_recovery(b, 120)
    b.expect(words("What shall be done?"), 30)
    assert b.seen(r"Why +" + words("No slot may be started: each one is empty, or its tries are used up."))
    assert b.seen(r"Last trial"), "the failed trial is not on the screen"
    assert b.output.count("Lifeboat: starting " + target) == 1
    assert b.output.count("Lifeboat: starting " + good) == 1
    # The way out: a stick.
    b.plug_usb(rig.stick({"update.boat": rig.parts.small(4)}))
    install(b)
    restart(b)
    slot = confirmed(b, 4)
    b.cut_power()
    rig.assert_runs(disk, 4, slot)
    assert any(r["status"] == 40 and r["what"] == "trial" and r["slot"] == target
               for r in rig.status(disk)["results"])


def test_single_slot_that_fails_its_trial_leads_to_recovery(rig):
    disk = rig.disk("single", recovery=True)
    b = rig.board(disk, tree="single", usb=rig.stick({"update.boat": rig.parts.package("unhealthy")}), net=False)
    install(b)
    restart(b)
    assert started(b)[0].startswith("3")
    in_recovery(b)
    asked(b)
    assert b.seen(words("failed its health check")) or b.seen("Last trial")
    time.sleep(8)
    assert not since(b, "Writing slot"), "what failed is not installed again by itself"
    b.unplug_usb()
    b.plug_usb(rig.stick({"update.boat": rig.parts.small(4)}))
    install(b)
    restart(b)
    assert confirmed(b, 4) == "A"
    b.cut_power()
    status = rig.assert_runs(disk, 4, "A", "single")
    assert any(r["status"] == 40 for r in status["results"])
