"""A person, or an application, gives the running system up while it is on trial."""
import pytest

import shim
from shim import Machine, RESTARTED
from world import ENV_OFFSETS, ENV_SIZE, compose


@pytest.fixture
def trial(world):
    """Release 7 runs in slot B and has not confirmed itself; A has the confirmed release 5."""
    world.install(compose(), expect=0)
    world.setenv(BOOT_B_LEFT="2")
    return world


def test_gives_up_the_trial(trial):
    before = trial.snapshot()
    done = trial.verb("reject", "camera-is-dark", running="B", expect=0)
    assert "release 7 (7.0) in slot B, reason camera-is-dark: was given up by hand." in done.flat
    assert "Slot A version 5.0 (release 5), confirmed, starts next" in done.flat
    assert trial.choice == "A" and trial.env["BOOT_B_LEFT"] == "0" and trial.env["BOOT_B_GOOD"] == "0"
    assert "B" not in trial.env["BOOT_ORDER"] and trial.env["BOOT_A_LEFT"] == "3"
    newest = trial.results[0]
    assert (newest["what"], newest["status"], newest["detail_name"], newest["release"]) == ("confirm", 40, "REJECTED", 7)
    assert "4007 REJECTED" in trial.verb("log", expect=0).out
    # No byte of a system was touched, and the next start has nothing more to tell.
    assert all(trial.snapshot()[name] == data for name, data in before.items() if not name.startswith("environment"))
    count = len(trial.results)
    trial.verb("confirm", trial.health, running="A", expect=0)
    assert len(trial.results) == count and trial.choice == "A" and trial.status()["pending"] is None
    # A person may install it again; nothing else does (core/install.h, install_has_failed).
    trial.install(compose(), expect=0)
    assert trial.choice == "B"


def test_restarts_when_it_is_asked_to(trial):
    assert Machine(trial, "B").run("reject", "--reboot").status == RESTARTED
    assert trial.choice == "A"


def test_alone_it_goes_to_recovery(single):
    single.install(compose(), running=None, expect=0)
    single.verb("reject", running="A", expect=0)
    assert single.choice == "recovery"


def test_confirmed_system_stays(world):
    before = world.disk.read_bytes()
    done = world.verb("reject", "because", expect=3)
    assert done.says("NOT_ON_TRIAL") and "release 5 (5.0) in slot A" in done.flat
    assert world.disk.read_bytes() == before


@pytest.mark.parametrize("words, running, status", [(["two words"], "B", 2), (["Loud"], "B", 2), (["x" * 32], "B", 2),
                                                    ([], None, 2), (["--yes"], "B", 2)])
def test_usage(trial, words, running, status):
    trial.verb("reject", *words, running=running, expect=status)
    assert trial.choice == "B"


def test_not_in_recovery(trial):
    assert Machine(trial, "recovery").run("reject", expect=40).says("SLOT_NOT_RUNNING")
    assert trial.choice == "B"


def test_what_cannot_be_stored_is_told(trial):
    fault = ("write", "disk.img", ENV_OFFSETS[0], ENV_OFFSETS[1] + ENV_SIZE - 1, 5)
    done = trial.verb("reject", running="B", expect=30, env=shim.environment([fault]))
    assert done.says("FLAGS_NOT_STORED") and trial.choice == "B"


def test_damaged_flags_are_told(trial):
    for off in ENV_OFFSETS:
        trial.poke(off, bytes(16))
    assert trial.verb("reject", running="B", expect=30).says("FLAGS_DAMAGED")
