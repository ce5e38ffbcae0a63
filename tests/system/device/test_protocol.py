"""The life of a device: updates in turn, trials that succeed and fail, repair, recovery requests, what is remembered."""

import fcntl
import os
import stat
import subprocess
import time

import pytest

import packing
import world as worlds
from world import CHUNK, compose, images_of


def check(folder, name, text, mode=0o755):
    path = folder / name
    path.write_text("#!/bin/sh\n" + text + "\n")
    path.chmod(mode)
    return path


def other(slot):
    return "B" if slot == "A" else "A"


# --- updates ----------------------------------------------------------------------------------------------------------

def test_five_updates_in_turn(world):
    running = "A"
    for release in range(6, 11):
        images, target = images_of(release), other(running)
        before = {k: v for k, v in world.snapshot().items() if k.endswith("_" + running.lower())}
        world.install(compose(images, release=release), running=running, expect=0)
        assert world.holds(target, images)
        env = world.env
        assert env["BOOT_ORDER"].split() == [target, running], "the proved slot is the second choice"
        assert (env[f"BOOT_{target}_GOOD"], env[f"BOOT_{target}_LEFT"]) == ("0", "3")
        assert (env[f"BOOT_{running}_GOOD"], env[f"BOOT_{running}_LEFT"]) == ("1", "3")
        after = world.snapshot()
        assert all(after[k] == v for k, v in before.items()), "the running slot was written to"
        world.setenv(**{f"BOOT_{target}_LEFT": "2"})  # as the boot script does before it starts the slot
        running = target
        world.verb("confirm", world.health, running=running, expect=0)
        env = world.env
        assert (env[f"BOOT_{running}_GOOD"], env[f"BOOT_{running}_LEFT"]) == ("1", "3")
        slot = world.slot(running, running)
        assert slot["confirmed"] and slot["release"] == release and slot["running"] and slot["next"]
    assert world.status(running)["confirmed_release"] == 10
    assert world.env["stranger"] == "keeps this"


def test_the_package_is_known_by_its_id(world):
    package = compose(version="7.0 (päckage)")
    world.install(package, expect=0)
    slot = world.slot("B")
    assert (slot["package"], slot["version"], slot["release"]) == (package.id, "7.0 (päckage)", 7)
    newest = world.results[0]
    assert (newest["package"], newest["release"], newest["slot"], newest["status"]) == (package.id, 7, "B", 0)
    assert newest["origin"].endswith("update.boat")


def test_refusal_of_a_verified_package_names_it_in_the_result(world):
    """A result has the package and its release (design, 8), so that the field can tell which file was wrong."""
    package = compose(release=9, minimum=6)
    world.install(package, expect=20)
    newest = world.results[0]
    assert (newest["package"], newest["release"], newest["version"]) == (package.id, 9, "9.0")


def test_installing_twice_before_the_reboot_takes_the_same_slot(world):
    world.install(compose(release=7), expect=0)
    world.install(compose(release=8), expect=0)
    assert world.holds("B", images_of(8)) and world.holds("A", images_of(5))
    assert world.choice == "B"


# --- what may be overwritten ------------------------------------------------------------------------------------------

def test_slot_that_does_not_exist(world):
    for name in ("C", "a", "", "AB", "0"):
        before = world.snapshot()
        done = world.install(compose(), "--slot", name)
        assert done.status in (2, 30), done
        assert world.snapshot() == before


def test_the_only_proved_slot_is_no_target_in_recovery(world):
    world.refused(compose(), "SLOT_KEPT", "--slot", "A", running=None, named="slot A")
    world.install(compose(), running=None, expect=0)
    assert world.holds("A", images_of(5)) and world.holds("B", images_of(7))


def test_the_only_proved_slot_is_no_target_from_its_rival(world):
    """B is on trial and installs: A is the way back."""
    world.install(compose(), expect=0)
    world.refused(compose(release=8), "NOT_CONFIRMED_YET", running="B")
    world.refused(compose(release=8), "NOT_CONFIRMED_YET", "--slot", "A", running="B")
    assert world.holds("A", images_of(5))
    world.verb("confirm", world.health, running="B", expect=0)
    world.install(compose(release=8), running="B", expect=0)
    assert world.holds("A", images_of(8))


def test_failed_installs_never_reach_for_the_proved_slot(world):
    """However often it fails and whoever asks, from the system and from recovery."""
    data = worlds.spoiled(compose())
    for running in ("A", None, "A", None):
        assert world.install(data, running=running).status == 20
        assert world.holds("A", images_of(5)) and world.choice == "A"
        assert world.env["BOOT_A_GOOD"] == "1"


def test_both_proved_in_recovery_overwrites_the_second_choice(world):
    world.install(compose(release=6), expect=0)
    world.verb("confirm", world.health, running="B", expect=0)
    world.install(compose(release=7), running=None, expect=0)
    assert world.holds("B", images_of(6)) and world.holds("A", images_of(7))
    assert world.env["BOOT_ORDER"].split() == ["A", "B"]


def test_single_slot_in_place_from_recovery(single):
    single.verb("request-recovery", expect=0)
    single.install(compose(), running=None, expect=0)
    assert single.holds("A", images_of(7))
    assert single.choice == "A", "the request is done with"
    single.verb("confirm", single.health, running="A", expect=0)
    assert single.env["BOOT_A_GOOD"] == "1" and single.slot("A")["confirmed"]


def test_single_slot_reads_a_package_to_its_end_before_the_first_write(single):
    """The last good system is at stake: what could have been known before costs it nothing."""
    single.refused(worlds.spoiled(compose()), "CHUNK_STORED_HASH", running=None)
    assert single.holds("A", images_of(5))


def test_single_slot_refusal_before_the_first_write_keeps_the_system(single):
    for package, detail in ((compose(key=False), "UNSIGNED"), (compose(product=["acme,x"]), "WRONG_PRODUCT"),
                            (compose(images_of(7, size=single.table["system_a"][1] + 1)), "IMAGE_TOO_LARGE")):
        single.refused(package, detail, running=None)


# --- releases ---------------------------------------------------------------------------------------------------------

def test_older_release_needs_consent(world):
    world.refused(compose(release=4), "OLDER_NEEDS_CONSENT", named="4")
    world.install(compose(release=4), "--allow-older", expect=0)
    assert world.holds("B", images_of(4))


def test_consent_does_not_move_the_floor(world):
    world.install(compose(release=9, floor=6), expect=0)
    world.verb("confirm", world.health, running="B", expect=0)
    world.install(compose(release=6, floor=2), "--allow-older", running="B", expect=0)
    world.verb("confirm", world.health, running="A", expect=0)
    assert world.status()["rollback_floor"] == 6, "the floor never goes down"
    world.refused(compose(release=5), "BELOW_FLOOR", "--allow-older", running="A")


def test_floor_and_epoch_rise_with_the_confirmation_only(world):
    world.install(compose(release=9, floor=9, epoch=2), expect=0)
    status = world.status()
    assert (status["rollback_floor"], status["key_epoch"]) == (0, 0), "raised at install"
    world.setenv(BOOT_B_LEFT="0")  # three starts failed; A runs again
    world.verb("confirm", world.health, running="A", expect=0)
    status = world.status()
    assert (status["rollback_floor"], status["key_epoch"]) == (0, 0), "raised though the trial failed"
    world.install(compose(release=6), expect=0)


def test_floor_of_a_system_that_failed_its_checks(world):
    world.install(compose(release=9, floor=9, epoch=2), expect=0)
    check(world.health, "01-no", "exit 1")
    world.verb("confirm", "--no-reboot", world.health, running="B", expect=40)
    status = world.status()
    assert (status["rollback_floor"], status["key_epoch"]) == (0, 0)


# --- repair -----------------------------------------------------------------------------------------------------------

def test_same_release_repairs_what_is_damaged(world):
    package = compose()
    total = sum(len(data) for _, data in images_of(7))
    assert world.install(package, expect=0).written[0] != "0 bytes"
    assert world.install(package, expect=0).written[0] == "0 bytes"
    world.put("system_b", b"\xaa", at=CHUNK + 77)
    world.put("boot_b", b"\xaa", at=8999)
    done = world.install(package, expect=0)
    # One whole chunk, and the last chunk of an image of 9000 bytes in sectors or bytes.
    assert done.written[0] in ("4.8 KiB", "5.0 KiB", "5 KiB", "4.7 KiB"), (done.written, total)
    assert world.holds("B", images_of(7))
    assert world.choice == "B"


def test_single_slot_is_repaired_in_place(single):
    single.put("system_a", b"\x5a" * CHUNK, at=3 * CHUNK)
    done = single.install(compose(release=5), running=None, expect=0)
    assert done.written[0] == "4.0 KiB" or done.written[0] == "4 KiB", done
    assert single.holds("A", images_of(5)) and single.choice == "A"


def test_what_was_skipped_was_read(world):
    """A slot that failed keeps no credit: the journal and old results never stand for bytes (RAUC 1554)."""
    package = compose()
    world.install(package, expect=0)
    for label in ("boot_b", "system_b"):
        world.put(label, packing.noise(world.table[label][1], 42))
    world.install(package, expect=0)
    assert world.holds("B", images_of(7))


def test_nothing_waits_for_a_package_that_is_wrong(world):
    """It was not interrupted: going on with it would end the same way."""
    done = world.install(worlds.spoiled(compose()), expect=20)
    assert "Unfinished" not in done.flat, done
    assert world.status()["pending"] is None
    assert world.env["BOOT_B_LEFT"] == "0", "what was begun is not started either"


# --- confirmation and trials ------------------------------------------------------------------------------------------

def test_checks_run_in_order_and_all_of_them(world):
    world.install(compose(), expect=0)
    for name in ("20-second", "10-first", "30-third"):
        check(world.health, name, f"echo {name} >>{world.folder}/ran")
    world.verb("confirm", world.health, running="B", expect=0)
    assert (world.folder / "ran").read_text().split() == ["10-first", "20-second", "30-third"]
    assert world.env["BOOT_B_GOOD"] == "1"


@pytest.mark.parametrize("name,text,mode,detail", [
    ("50-network", "echo no route to host; exit 1", 0o755, "HEALTH_FAILED"),
    ("50-killed", "kill -SEGV $$", 0o755, "HEALTH_FAILED"),
    ("50-hangs", "sleep 600", 0o755, "HEALTH_TIMEOUT"),
    ("50-stubborn", "trap '' TERM INT HUP; while :; do sleep 1; done", 0o755, "HEALTH_TIMEOUT"),
    ("50-child", "sleep 600 & sleep 600", 0o755, "HEALTH_TIMEOUT"),
    ("50-mode", "exit 0", 0o644, "HEALTH_UNUSABLE")])
def test_system_that_fails_its_check_is_given_up(world, name, text, mode, detail):
    world.install(compose(release=9, floor=9), expect=0)
    world.setenv(BOOT_B_LEFT="2")
    check(world.health, "10-good", "exit 0")
    check(world.health, name, text, mode)
    check(world.health, "90-good", "exit 0")
    before = world.snapshot()
    start = time.monotonic()
    done = world.verb("confirm", "--no-reboot", world.health, running="B", expect=40)
    assert time.monotonic() - start < 15
    assert done.says(detail) and name in done.flat, done
    newest = world.results[0]
    assert (newest["what"], newest["status"], newest["detail_name"]) == ("confirm", 40, detail)
    assert name in newest["object"] and newest["release"] == 9 and newest["slot"] == "B"
    env = world.env
    assert worlds.boot_choice(env) == "A" and env["BOOT_B_LEFT"] == "0" and env["BOOT_B_GOOD"] == "0"
    assert env["BOOT_A_GOOD"] == "1"
    after = world.snapshot()
    assert all(before[k] == after[k] for k in before if not k.startswith("environment"))
    # Back in A, all is as it was and the next update goes to B.
    world.install(compose(release=10), running="A", expect=0)
    assert world.choice == "B"


def test_unproved_check_output_reaches_the_log(world):
    """Somebody has to find out why: what the check said is in the stored log."""
    world.install(compose(), expect=0)
    check(world.health, "50-network", "echo no route to host; exit 1")
    world.verb("confirm", "--no-reboot", world.health, running="B", expect=40)
    log = world.verb("log", expect=0).out
    assert "50-network" in log, log


def test_a_proved_system_whose_check_fails_later_stays(world):
    """A second confirmation that fails must not leave the device without a system: A is the only one there is."""
    check(world.health, "50-no", "exit 1")
    world.verb("confirm", "--no-reboot", world.health, running="A", expect=40)
    assert world.choice == "A", world.env


def test_folder_of_checks_that_is_not_there(world):
    """Somebody mistyped the folder: a system must not count as proved because nothing was asked."""
    world.install(compose(), expect=0)
    done = world.verb("confirm", "--no-reboot", world.folder / "helth.d", running="B")
    assert done.status != 0 and "helth.d" in done.flat, done
    assert world.env["BOOT_B_GOOD"] == "0"


def test_empty_folder_of_checks(world):
    world.install(compose(), expect=0)
    world.verb("confirm", world.health, running="B", expect=0)
    assert world.env["BOOT_B_GOOD"] == "1"


def test_confirm_does_not_know_who_runs(world):
    before = world.snapshot()
    done = world.verb("confirm", world.health, running=None, expect=2)
    assert "--running" in done.flat, done
    assert world.snapshot() == before


def test_confirm_twice_is_the_same_as_once(world):
    world.install(compose(), expect=0)
    world.verb("confirm", world.health, running="B", expect=0)
    env = world.env
    world.verb("confirm", world.health, running="B", expect=0)
    assert world.env == env


@pytest.mark.parametrize("left", ["0", "", None])
def test_a_failed_trial_is_recorded_and_given_up(world, left):
    """The boot script counted down to nothing and started A: A finds out what happened."""
    package = compose(release=9, floor=9)
    world.install(package, expect=0)
    world.setenv(BOOT_B_LEFT="0" if left is None else left)
    world.verb("confirm", world.health, running="A", expect=0)
    trial = next(r for r in world.results if r["what"] == "trial")
    assert (trial["status"], trial["detail"], trial["detail_name"]) == (40, 4003, "TRIAL_FAILED")
    assert trial["slot"] == "B" and trial["release"] == 9 and trial["package"] == package.id, trial
    env = world.env
    assert worlds.boot_choice(env) == "A" and "B" not in env["BOOT_ORDER"].split(), env
    assert env["BOOT_B_LEFT"] == "0" and env["BOOT_B_GOOD"] == "0" and env["BOOT_A_GOOD"] == "1"
    assert world.status()["pending"] is None
    count = len(world.results)
    world.verb("confirm", world.health, running="A", expect=0)
    assert len([r for r in world.results if r["what"] == "trial"]) == 1, "it is recorded once"
    assert len(world.results) <= count + 1


def test_agent_that_is_quicker_than_confirm(world):
    """The trial that failed is told, although the next install comes before anything else is done."""
    for _ in range(3):
        world.install(compose(), running="A", expect=0)
        world.setenv(BOOT_B_LEFT="0")  # three starts that hang; then A
    world.install(compose(), running="A", expect=0)
    told = [r["detail_name"] for r in world.results if r["release"] == 7]
    assert told == ["OK", "TRIAL_FAILED"] * 3 + ["OK"], world.results


def test_an_update_after_a_failed_trial(world):
    world.install(compose(release=9), expect=0)
    world.setenv(BOOT_B_LEFT="0")
    world.verb("confirm", world.health, running="A", expect=0)
    world.install(compose(release=10), expect=0)
    assert world.choice == "B" and world.holds("B", images_of(10))
    world.verb("confirm", world.health, running="B", expect=0)
    assert world.status("B")["confirmed_release"] == 10


def test_a_trial_that_still_has_tries_is_left_alone(world):
    """A was started by hand, or a service called confirm before the reboot: the trial has not begun."""
    world.install(compose(release=9), expect=0)
    world.verb("confirm", world.health, running="A")
    assert world.choice == "B", world.env
    assert not any(r["what"] == "trial" for r in world.results)


# --- recovery requests ------------------------------------------------------------------------------------------------

def test_request_recovery(world):
    before = world.snapshot()
    world.verb("request-recovery", expect=0)
    env = world.env
    assert env["BOOT_RECOVERY"] == "1" and worlds.boot_choice(env) == "recovery"
    assert (env["BOOT_ORDER"], env["BOOT_A_LEFT"], env["BOOT_A_GOOD"]) == ("A", "3", "1"), "the slots stay as they were"
    status = world.status()
    assert status["recovery_requested"] is True
    after = world.snapshot()
    assert all(before[k] == after[k] for k in before if not k.startswith("environment"))


def test_request_recovery_with_a_reason(world):
    world.verb("request-recovery", "support-called", expect=0)
    assert world.env["BOOT_RECOVERY_REASON"] == "support-called"
    assert world.status()["recovery_reason"] == "support-called"


@pytest.mark.parametrize("reason", ["two words", "x;reset", "UPPER", "$(reboot)", "a\nb", "ä", "x" * 32, "-x", ""])
def test_reason_that_is_no_word(world, reason):
    """It lands in the boot script's hands."""
    before = world.snapshot()
    done = world.verb("request-recovery", reason)
    if done.status == 0:
        assert reason in ("", "-x"), done
        assert set(world.env.get("BOOT_RECOVERY_REASON", "")) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    else:
        assert done.status == 2 and world.snapshot() == before, done


def test_install_in_recovery_ends_the_request(world):
    world.verb("request-recovery", expect=0)
    world.install(compose(), running=None, expect=0)
    env = world.env
    assert env.get("BOOT_RECOVERY", "0") == "0" and worlds.boot_choice(env) == "B"


def test_failed_install_in_recovery_keeps_the_proved_system(world):
    world.verb("request-recovery", expect=0)
    data = worlds.spoiled(compose())
    world.install(data, running=None, expect=20)
    env = world.env
    assert env["BOOT_A_GOOD"] == "1" and env["BOOT_A_LEFT"] == "3" and "A" in env["BOOT_ORDER"].split()


# --- what is remembered -----------------------------------------------------------------------------------------------

def test_results_ring_keeps_the_last_32(world):
    for i in range(40):
        world.install(b"no package %d" % i + bytes(100), expect=20)
    results = world.results
    assert len(results) == 32
    assert all(r["detail_name"] == "NOT_A_PACKAGE" for r in results)
    world.install(compose(), expect=0)
    results = world.results
    assert len(results) == 32 and results[0]["status"] == 0 and results[1]["status"] == 20
    assert world.slot("A")["confirmed"], "the device record is another ring"


def test_log_survives_and_is_bounded(world):
    world.install(b"no package at all" + bytes(100), expect=20)
    first = world.verb("log", expect=0).out
    assert "2002" in first or "NOT_A_PACKAGE" in first or "not a" in first.lower(), first
    world.install(compose(), expect=0)
    second = world.verb("log", expect=0).out
    assert second.startswith(first.splitlines()[0]), "the oldest line first"
    assert len(second) > len(first)
    for _ in range(130):
        world.install(b"no package at all" + bytes(100))
    assert len(world.verb("log", expect=0).out.encode()) <= 256 * 4096


def test_status_for_people(world):
    world.install(compose(), expect=0)
    done = world.verb("status", expect=0)
    for word in ("Slot A", "5.0", "confirmed", "running", "Slot B", "7.0", "on trial", "tries left: 3"):
        assert word in done.flat, done


def test_looking_changes_nothing(world):
    before = world.disk.read_bytes()
    path = world.keep(compose())
    for verb, words in (("status", []), ("status", ["--json"]), ("log", []), ("plan", [path]), ("verify", [path]),
                        ("inspect", [path]), ("inspect", ["--json", path])):
        world.verb(verb, *words, expect=0)
        assert world.disk.read_bytes() == before, verb
    assert "boot_b" in world.verb("plan", path, expect=0).flat


def test_looking_needs_no_write_permission(world):
    world.disk.chmod(0o444)
    before = os.stat(world.disk)
    world.verb("status", expect=0)
    world.verb("log", expect=0)
    assert stat.S_IMODE(before.st_mode) == 0o444


@pytest.mark.parametrize("fill", ["zeros", "noise", "ones"])
def test_state_partition_that_was_lost(world, fill):
    """Somebody wiped it or it rotted: updates work on, and the boot flags still protect the running system."""
    size = world.table["state"][1]
    world.put("state", {"zeros": bytes(size), "noise": packing.noise(size, 1), "ones": b"\xff" * size}[fill])
    status = world.status()
    assert status["results"] == [] and status["pending"] is None
    world.verb("log", expect=0)
    world.refused(compose(key=False), "UNSIGNED")
    world.install(compose(), expect=0)
    assert world.holds("B", images_of(7)) and world.holds("A", images_of(5)) and world.choice == "B"
    world.verb("confirm", world.health, running="B", expect=0)
    assert world.slot("B", "B")["confirmed"]


def test_each_block_of_the_state_may_rot(world):
    """Whatever block of the rings is lost, no command fails for it, and the running system is safe."""
    world.install(compose(release=6, floor=6), expect=0)
    world.verb("confirm", world.health, running="B", expect=0)
    state = world.get("state")
    for block in list(range(0, 12)) + list(range(64, 76)) + [100, 101, 110, 356, 357]:
        world.put("state", state)
        world.put("state", packing.noise(4096, block), at=block * 4096)
        status = world.status("B")
        assert status["rollback_floor"] in (0, 6)
        done = world.install(compose(release=7), running="B", expect=0)
        assert world.holds("B", images_of(6)), done
        world.setenv(BOOT_ORDER="B", BOOT_A_LEFT="0", BOOT_A_GOOD="0")


def test_state_partition_too_small(memory):
    new = worlds.World.blank(memory / "world", state=3 * worlds.MIB - 4096)
    before = new.disk.read_bytes()
    done = new.install(compose(), running=None)
    assert done.status == 30 and done.says("STATE_TOO_SMALL") and "state" in done.flat, done
    assert new.disk.read_bytes() == before


# --- one at a time ----------------------------------------------------------------------------------------------------

def test_two_installs_at_once(world):
    """The second says so and touches nothing."""
    with open(world.disk, "rb") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        before = world.disk.read_bytes()
        done = world.install(compose(), timeout=20)
        assert done.status == 3 and done.says("BUSY"), done
        assert world.disk.read_bytes() == before
        assert world.verb("confirm", world.health).status == 3
        assert world.verb("request-recovery").status == 3
        world.verb("status", expect=0)
    world.install(compose(), expect=0)


def test_two_installs_started_together(world):
    """Exactly as if one had come after the other: each ends well or says that the other one is at work."""
    package = world.keep(compose())
    for _ in range(5):
        both = [subprocess.Popen(world.command("install", package), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 stdin=subprocess.DEVNULL, encoding="utf-8") for _ in range(4)]
        ends = [(p.communicate(timeout=30)[0], p.returncode) for p in both]
        assert all(code in (0, 3) for _, code in ends), ends
        assert any(code == 0 for _, code in ends)
        assert all("306 BUSY" in out for out, code in ends if code == 3), ends
        assert world.holds("B", images_of(7)) and world.choice == "B"


# --- usage ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("words", [[], ["a.boat", "b.boat"], ["--colour", "a.boat"], ["--slot"], ["--slot", "A"]])
def test_usage_of_install(world, words):
    before = world.disk.read_bytes()
    done = world.verb("install", *words, expect=2)
    assert done.err.startswith("lifeboat: ") and "--help" in done.err, done
    assert world.disk.read_bytes() == before


def test_disk_that_is_not_there(world):
    world.disk.unlink()
    done = world.install(compose())
    assert done.status == 30 and "disk.img" in done.flat, done


def test_board_that_is_none(world):
    world.board.write_bytes(b"no tree" * 20)
    before = world.disk.read_bytes()
    done = world.install(compose())
    assert done.status == 30 and done.says("BOARD_INVALID") and "board.dtb" in done.flat, done
    assert world.disk.read_bytes() == before
    world.board.unlink()
    done = world.install(compose())
    assert done.status == 30 and "board.dtb" in done.flat, done
