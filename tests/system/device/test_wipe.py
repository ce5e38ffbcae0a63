"""Erasing user data: on a disk image, asked for in a running system, done by recovery, and chosen in its menu."""
import shutil
import struct

import pytest

import world as worlds
from shim import Machine, POWERED_OFF, RESTARTED
from world import KIB, MIB, compose, layout

ERASED = "User data is erased."
REMAINS = "User data may still be on this device."
ASK = "Erase ALL user data, for good?"


def is_erased(world):
    return world.get("data") == bytes(world.table["data"][1])


def others(world):
    """Everything but user data, the state and the boot flags."""
    return {name: value for name, value in world.snapshot().items()
            if name != "data" and not name.startswith("environment")}


def wiped(world):
    """The newest result of a wipe."""
    return next(r for r in world.results if r["what"] == "wipe")


def set_record(world, step, starts):
    """What the device record says of a wipe (FORMAT.md 2.1), as another start left it."""
    world.put_record(40, struct.pack(">II", step, starts))


def begun(world, starts=1):
    """A wipe was interrupted by a power cut, in recovery."""
    world.setenv(BOOT_RECOVERY="1", BOOT_RECOVERY_REASON="wipe")
    set_record(world, 2, starts)
    assert world.status()["wipe"] == "begun"


def start(world, running="A", **more):
    """The same device, started once more."""
    shutil.rmtree(world.folder / "machine", ignore_errors=True)
    return Machine(world, running, **more)


# --- on a disk image --------------------------------------------------------------------------------------------------

def test_erases_at_once_what_does_not_run(world):
    before = others(world)
    assert not is_erased(world)
    done = world.verb("wipe", "--yes", running=None, expect=0)
    assert is_erased(world) and others(world) == before and ERASED in done.flat
    assert "Lifeboat wipe" in done.out and "32 KiB overwritten" in done.flat
    assert "install" not in done.flat and "slot" not in done.flat.split("Do not switch off")[1]
    assert world.choice == "A" and world.env["BOOT_RECOVERY"] == "0"
    assert (wiped(world)["status"], wiped(world)["slot"], world.status()["wipe"]) == (0, None, None)
    log = world.verb("log", expect=0).out
    assert "wipe: reading back" in log and "wipe: ok (0)" in log
    again = world.verb("wipe", "--yes", running=None, expect=0)
    assert "0 bytes overwritten, 32 KiB held zeros already" in again.flat


def test_nothing_without_consent(world):
    before = world.disk.read_bytes()
    for running in (None, "A"):
        done = world.verb("wipe", running=running, expect=3)
        assert done.says("WIPE_NEEDS_CONSENT") and "data (32 KiB)" in done.flat and "--yes" in done.flat
        for words in (["yes"], ["--yes", "--cancel"], ["--cancel", "--reboot"], ["--yes", "data"]):
            world.verb("wipe", *words, running=running, expect=2)
    assert world.disk.read_bytes() == before


@pytest.mark.parametrize("what, old, new, detail", [
    ("none", 'wipe = "data";', "", "NOTHING_TO_WIPE"),
    ("missing", 'wipe = "data";', 'wipe = "data", "nosuch";', "PARTITION_MISSING"),
    ("a slot's", 'wipe = "data";', 'wipe = "data", "system_b";', "BOARD_INVALID"),
    ("twice", 'wipe = "data";', 'wipe = "data", "data";', "BOARD_INVALID"),
    ("state", 'wipe = "data";', 'wipe = "state";', "BOARD_INVALID"),
])
def test_boards_that_name_what_cannot_be(world, what, old, new, detail):
    source = worlds.board_source()
    assert old in source
    worlds.compile_board(world.board, source.replace(old, new))
    before = world.snapshot()
    for running in (None, "A"):
        done = world.verb("wipe", "--yes", running=running, expect=30)
        assert done.says(detail), done
        assert running or detail == "BOARD_INVALID" or REMAINS in done.flat
    assert world.snapshot() == before
    # Updates do not depend on it, where the tree is sound.
    if detail != "BOARD_INVALID":
        world.install(compose(), expect=0)


# --- asked for in the running system ----------------------------------------------------------------------------------

def test_asked_for_and_done_by_recovery(world):
    before, data = others(world), world.get("data")
    done = start(world).run("wipe", "--yes", expect=0)
    assert "at the next start" in done.flat
    assert world.get("data") == data and world.choice == "recovery" and world.env["BOOT_RECOVERY_REASON"] == "wipe"
    assert world.status()["wipe"] == "asked" and world.status()["recovery_reason"] == "wipe"
    assert "recovery does that before anything else" in " ".join(world.verb("status").out.split())
    done = start(world, "recovery").run("recover")
    assert done.status == RESTARTED and is_erased(world) and others(world) == before, done
    assert "Why User data is to be erased. Do not switch off." in done.flat and ERASED in done.flat
    assert done.flat.index(ERASED) < done.flat.index("Start the installed system?")
    assert world.choice == "A" and world.status()["wipe"] is None and wiped(world)["status"] == 0
    assert "install" not in done.flat.split("Do not switch off")[1].replace("Start the installed system?", "").replace(
        "restart into the installed system", ""), done


def test_restarts_when_it_is_asked_to(world):
    assert start(world).run("wipe", "--yes", "--reboot").status == RESTARTED
    assert world.status()["wipe"] == "asked"


def test_taken_back(world):
    data = world.get("data")
    world.verb("wipe", "--yes", expect=0)
    done = world.verb("wipe", "--cancel", expect=0)
    assert "Nothing is erased" in done.flat
    assert world.choice == "A" and world.status()["wipe"] is None
    world.verb("wipe", "--cancel", expect=0)
    start(world, "recovery").recover(expect=POWERED_OFF)
    assert world.get("data") == data


def test_not_for_everybody(world):
    done = start(world, uid=65534).run("wipe", "--yes", expect=3)
    assert done.says("NOT_PERMITTED") and world.status()["wipe"] is None


def test_a_system_that_does_not_say_its_slot_is_not_recovery(world):
    """Its data may be mounted."""
    data = world.get("data")
    done = start(world, None).run("wipe", "--yes", expect=40)
    assert done.says("SLOT_NOT_RUNNING") and world.get("data") == data and world.choice == "A"


def test_request_that_somebody_else_took_back_never_returns(world):
    data = world.get("data")
    world.verb("wipe", "--yes", expect=0)
    world.setenv(BOOT_RECOVERY="0")
    world.verb("confirm", world.health, expect=0)
    world.verb("request-recovery", "service", expect=0)
    start(world, "recovery").recover(expect=POWERED_OFF)
    assert world.get("data") == data and world.status()["wipe"] is None


def test_the_word_is_reserved(world):
    done = world.verb("request-recovery", "wipe", expect=2)
    assert "lifeboat wipe" in done.flat and world.choice == "A"


def test_install_before_the_restart(world):
    """Both happen, and the new system starts on trial without the old one's data."""
    world.verb("wipe", "--yes", expect=0)
    world.install(compose(release=7), expect=0)
    assert world.choice == "recovery"
    assert start(world, "recovery").run("recover").status == RESTARTED
    assert is_erased(world) and world.choice == "B" and world.env["BOOT_B_LEFT"] == "3"


def test_interrupted_install_stays_pending(world):
    machine = start(world)
    fault = ("write", f"/dev/{machine.partition('system_b')}", 0, MIB, 5)
    machine.run("install", world.keep(compose(release=7)), faults=[fault], expect=30)
    pending = world.status()["pending"]
    assert pending["release"] == 7
    world.verb("wipe", "--yes", running=None, expect=0)
    assert is_erased(world) and world.status()["pending"] == pending


# --- recovery, after an interruption and with media that fail ---------------------------------------------------------

def test_goes_on_after_an_interruption_even_without_a_system(blank):
    blank.verb("wipe", "--yes", running=None, expect=0)
    blank.put("data", b"something")
    begun(blank, 3)
    done = start(blank, "recovery").recover(expect=POWERED_OFF)
    assert is_erased(blank) and blank.status()["wipe"] is None
    assert "Erasing user data was interrupted: recovery goes on with it" in done.flat
    assert done.flat.index(ERASED) < done.flat.index("What shall be done?")


def test_recovery_ends_where_a_wipe_has_ended(world):
    """The power failed between the end of a wipe and the restart."""
    world.verb("wipe", "--yes", expect=0)
    assert start(world, "recovery").run("recover").status == RESTARTED
    world.setenv(BOOT_RECOVERY="1", BOOT_RECOVERY_REASON="wipe")
    world.put("data", b"new")
    done = start(world, "recovery").run("recover")
    assert done.status == RESTARTED and "Start the installed system?" in done.flat and world.choice == "A"
    assert world.get("data", 3) == b"new"


@pytest.mark.parametrize("fault, detail", [(("write", 5), "DEVICE_WRITE"), (("flush", 5), "DEVICE_FLUSH"),
                                           (("write", "lost"), "READ_BACK")])
def test_medium_that_fails(world, fault, detail):
    """Told, kept, over; and the menu is there."""
    world.verb("wipe", "--yes", expect=0)
    recovery = start(world, "recovery")
    end = f"/dev/{recovery.partition('data')}"
    operation, outcome = fault
    size = world.table["data"][1]
    done = recovery.recover(faults=[(operation, end, 0, size, outcome)])
    assert done.status == POWERED_OFF and done.says(detail), done
    assert REMAINS in done.flat and done.flat.index(REMAINS) < done.flat.index("What shall be done?")
    assert wiped(world)["detail_name"] == detail and wiped(world)["object"] == "data"
    assert world.status()["wipe"] is None
    # Who comes later sees it too; nothing is tried again by itself, and the way back is open.
    later = start(world, "recovery").recover("r")
    assert later.status == RESTARTED and detail in later.flat and REMAINS in later.flat
    assert world.choice == "A"


def test_given_up_after_ten_starts(world):
    begun(world, 10)
    data = world.get("data")
    done = start(world, "recovery").recover()
    assert done.status == POWERED_OFF and done.says("WIPE_GIVEN_UP") and REMAINS in done.flat
    assert world.get("data") == data and world.status()["wipe"] is None
    assert wiped(world)["detail_name"] == "WIPE_GIVEN_UP"


# --- chosen in the menu -----------------------------------------------------------------------------------------------

def test_chosen_in_the_menu(world):
    before = others(world)
    done = start(world, "recovery").recover("ed")
    assert done.status == POWERED_OFF and is_erased(world) and others(world) == before, done
    assert ASK in done.flat and "Overwritten with zeros, and read back: data (32 KiB)." in done.flat
    assert wiped(world)["status"] == 0
    # Nothing restarts by itself when somebody is there.
    assert "Start the installed system?" not in done.flat


@pytest.mark.parametrize("keys", ["en", "e1", "eeen", "ey\rin", "e\x1b[A6n", "yd"], ids=repr)
def test_keys_that_do_not_erase(world, keys):
    data = world.get("data")
    done = start(world, "recovery").recover(keys)
    assert done.status == POWERED_OFF and world.get("data") == data and world.status()["wipe"] is None
    assert (ASK in done.flat) == ("e" in keys)


def test_nobody_answers_the_question(world):
    data = world.get("data")
    done = start(world, "recovery").run("recover", keys="e", speed=60)
    assert done.status == RESTARTED and world.get("data") == data, done  # no, and then the menu's own end
    assert "> no (nobody chose)" in done.flat


def test_not_offered_where_nothing_may_be_erased(world):
    worlds.compile_board(world.board, worlds.board_source().replace('wipe = "data";', ""))
    data = world.get("data")
    done = start(world, "recovery").recover("ed")
    assert "erase user data" not in done.flat and world.get("data") == data


def test_a_larger_one(memory):
    """Chunks and flushes: 20 MiB and a bit, of which a part is empty."""
    table = layout()
    off = table["data"][0]
    table["data"] = (off, 20 * MIB + 4 * KIB)
    world = worlds.World.blank(memory / "world", table=table)
    world.put("data", bytes(8 * MIB), 6 * MIB)
    done = world.verb("wipe", "--yes", running=None, expect=0)
    assert is_erased(world) and "12.0 MiB overwritten, 8 MiB held zeros already" in done.flat, done
