"""The boot flags in U-Boot's environment, with Debian's libubootenv at the other end.

Two copies with a serial byte each: what is stored must survive damage to one of them, and what cannot be read must not
be overwritten by a guess.
"""

import re
import struct
import subprocess
import zlib

import pytest

import packing
import world as worlds
from world import ENV_OFFSETS, ENV_SIZE, compose, environment_copy, images_of

GOOD = {"BOOT_ORDER": "A", "BOOT_A_LEFT": "3", "BOOT_A_GOOD": "1", "BOOT_B_LEFT": "0", "BOOT_B_GOOD": "0",
        "BOOT_RECOVERY": "0", "stranger": "keeps this"}


def serials(world):
    return [world.peek(off + 4, 1)[0] for off in ENV_OFFSETS]


def valid(world):
    found = []
    for off in ENV_OFFSETS:
        data = world.peek(off, ENV_SIZE)
        found.append(struct.unpack_from("<I", data)[0] == zlib.crc32(data[5:]))
    return found


def copies(world, first, second, serial=(1, 2)):
    for off, variables, number in zip(ENV_OFFSETS, (first, second), serial):
        world.poke(off, environment_copy(variables, number))


DAMAGE = {
    "checksum": (0, b"\xde\xad\xbe\xef"), "first byte": (5, b"\xff"), "last byte": (ENV_SIZE - 1, b"\x01"),
    "zeros": (0, bytes(ENV_SIZE)), "erased": (0, b"\xff" * ENV_SIZE), "torn": (8192, b"\x5a" * 8192),
    "noise": (0, packing.noise(ENV_SIZE, 3)),
}


# --- both tools see the same ------------------------------------------------------------------------------------------

def test_lifeboat_reads_what_fw_setenv_stored(world):
    world.setenv(BOOT_ORDER="B A", BOOT_B_LEFT="2", BOOT_B_GOOD="1", BOOT_RECOVERY="1",
                 BOOT_RECOVERY_REASON="no-tries-left")
    status = world.status()
    b = world.slot("B")
    assert (b["tries_left"], b["good"], b["in_order"]) == (2, True, True)
    assert status["recovery_requested"] and status["recovery_reason"] == "no-tries-left"
    world.setenv(BOOT_RECOVERY="0")
    assert world.slot("B")["next"] and not world.status()["recovery_requested"]


def test_fw_setenv_writes_on_after_lifeboat(world):
    """The tools take turns; neither loses what the other one stored."""
    for i in range(6):
        world.verb("request-recovery", f"turn-{i}", expect=0)
        world.setenv(**{f"mine{i}": str(i), "BOOT_RECOVERY": "0"})
        assert world.choice == "A"
    env = world.env
    assert all(env[f"mine{i}"] == str(i) for i in range(6)) and env["BOOT_RECOVERY_REASON"] == "turn-5"


def test_unrelated_variables_survive(world):
    strange = {"bootcmd": "run a; run b && setenv x=y", "serial#": "0815", "eq": "a=b=c==", "umlaut": "ä€",
               "long": "x" * 4000, "BOOT_ORDER_OLD": "C", "BOOT_A_LEFT2": "7", "BOOT_": "x", "XBOOT_ORDER": "B",
               "boot_order": "lower", "spaces": "  two  spaces  "}
    variables = {**GOOD, **{k: v for k, v in strange.items()}}
    raw = {k: v.encode().decode("latin-1") for k, v in variables.items()}
    copies(world, raw, raw)
    world.install(compose(), expect=0)
    world.verb("confirm", world.health, running="B", expect=0)
    world.verb("request-recovery", "test", running="B", expect=0)
    env = world.env
    for name, value in strange.items():
        assert env[name] == value.encode().decode("latin-1"), name
    assert env["BOOT_ORDER"] == "B A" and env["BOOT_RECOVERY"] == "1"
    assert all(valid(world))


def test_order_of_variables_does_not_matter(world):
    copies(world, dict(reversed(GOOD.items())), dict(reversed(GOOD.items())))
    assert world.slot("A")["next"]
    world.install(compose(), expect=0)
    assert world.choice == "B"


# --- damage -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("kind", sorted(DAMAGE))
def test_one_damaged_copy(world, kind, which):
    """Either copy, each kind of damage: status, install, confirmation work, and both copies are sound in the end."""
    copies(world, GOOD, GOOD)
    at, data = DAMAGE[kind]
    world.poke(ENV_OFFSETS[which] + at, data)
    assert valid(world)[which] is False
    assert world.status()["boot_flags_sound"] and world.slot("A")["next"]
    world.install(compose(), expect=0)
    assert world.choice == "B" and world.env["stranger"] == "keeps this"
    world.verb("confirm", world.health, running="B", expect=0)
    world.verb("request-recovery", running="B", expect=0)
    assert world.choice == "recovery"
    world.setenv(BOOT_RECOVERY="0")
    assert world.choice == "B"


@pytest.mark.parametrize("which", [0, 1])
def test_the_sound_copy_is_not_the_first_to_be_overwritten(world, which):
    """A store begins with the copy that is lost anyway: else a power cut could take the last sound one."""
    copies(world, GOOD, GOOD)
    world.poke(ENV_OFFSETS[which], bytes(ENV_SIZE))
    sound = world.peek(ENV_OFFSETS[1 - which], ENV_SIZE)
    world.verb("request-recovery", expect=0)
    assert valid(world)[which]
    assert world.peek(ENV_OFFSETS[1 - which], ENV_SIZE) == sound


def break_both(world):
    for off in ENV_OFFSETS:
        world.poke(off + 100, b"\xff\xff")


@pytest.mark.parametrize("verb", ["install", "confirm", "request-recovery"])
def test_both_damaged_in_the_running_system(world, verb):
    """Never a store over what could not be read (swupdate 5)."""
    break_both(world)
    before = world.snapshot()
    words = {"install": [world.keep(compose())], "confirm": ["--no-reboot", world.health], "request-recovery": []}[verb]
    done = world.verb(verb, *words)
    assert done.status == 30 and done.says("FLAGS_DAMAGED"), done
    assert world.snapshot() == before, done


def test_status_with_both_damaged(world):
    break_both(world)
    status = world.status()
    assert status["boot_flags_sound"] is False
    assert not any(s.get("next") for s in status["slots"])
    assert "damaged" in world.verb("status", expect=0).flat


def test_both_damaged_in_recovery(world):
    """Recovery writes the flags anew, and even now the system that has proved itself is not the target."""
    break_both(world)
    world.install(compose(), running=None, expect=0)
    assert world.holds("B", images_of(7)) and world.holds("A", images_of(5)), "the proved system was overwritten"
    env = world.env
    assert worlds.boot_choice(env) == "B" and env["BOOT_B_GOOD"] == "0"


def test_both_damaged_in_recovery_and_a_bad_package(world):
    """Nothing is bootable by guess because an install was tried."""
    break_both(world)
    before = world.snapshot()
    done = world.install(compose(key=False), running=None)
    assert done.status == 20 and world.snapshot() == before
    done = world.install(worlds.spoiled(compose()), running=None)
    assert done.status == 20
    assert not any(valid(world)) or world.choice == "recovery", done
    assert world.holds("A", images_of(5))


def test_both_damaged_on_a_single_slot(single):
    break_both(single)
    single.install(compose(), running=None, expect=0)
    assert single.choice == "A" and single.holds("A", images_of(7))


def test_blank_medium(memory):
    """No environment was ever there: what the factory has."""
    new = worlds.World.blank(memory / "world", environment=False)
    new.install(compose(), "--slot", "A", running=None, expect=0)
    assert new.choice == "A" and new.holds("A", images_of(7))


# --- serials ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("first,second,newer", [
    (0, 1, 1), (1, 0, 0), (254, 255, 1), (255, 254, 0), (255, 0, 1), (0, 255, 0), (5, 5, 0), (0, 0, 0), (255, 255, 0),
    (1, 255, 1), (255, 1, 0), (0, 128, 1), (128, 0, 0), (127, 128, 1)])
def test_which_copy_counts(world, first, second, newer):
    """As U-Boot decides it; a tool that decides otherwise changes what the boot loader does not look at."""
    sets = [GOOD | {"BOOT_RECOVERY_REASON": "first"}, GOOD | {"BOOT_RECOVERY_REASON": "second"}]
    copies(world, *sets, serial=(first, second))
    assert world.status()["recovery_reason"] == ("first", "second")[newer]
    assert world.env["BOOT_RECOVERY_REASON"] == ("first", "second")[newer], "fw_printenv decides otherwise"
    kept = world.peek(ENV_OFFSETS[newer], ENV_SIZE)
    world.verb("request-recovery", "stored", expect=0)
    assert world.peek(ENV_OFFSETS[newer], ENV_SIZE) == kept, "the older copy is the one to overwrite"
    numbers = serials(world)
    assert numbers[1 - newer] == ((first, second)[newer] + 1) % 256
    assert world.env["BOOT_RECOVERY_REASON"] == "stored", "fw_printenv and U-Boot take the old one"


def test_300_stores_in_a_row(world):
    """Over the wrap. After each store the newest copy is the one that U-Boot's rule finds."""
    for i in range(300):
        world.verb("request-recovery", f"store-{i}", expect=0)
        a, b = serials(world)
        newest = 1 if (a, b) == (255, 0) else 0 if (a, b) == (0, 255) else int(b > a)
        assert f"BOOT_RECOVERY_REASON=store-{i}\0".encode() in world.peek(ENV_OFFSETS[newest], ENV_SIZE), (i, a, b)
        assert all(valid(world))
    assert world.env["BOOT_RECOVERY_REASON"] == "store-299"


def test_a_store_that_changes_nothing_wears_nothing_out(world):
    world.verb("confirm", world.health, running="A", expect=0)
    before = world.snapshot()
    world.verb("confirm", world.health, running="A", expect=0)
    assert world.snapshot() == before


# --- contents that nobody meant ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("name,value", [
    ("BOOT_A_LEFT", v) for v in ("", "-1", "x", "0x3", "3x", " 3", "10", "99999999999999999999", "3.0", "\xff")] + [
    ("BOOT_ORDER", v) for v in ("C", "a", "A A", "AB", "B  A", " A", "A ", "A,B", "A B C", "x" * 3000, "\xff", "B A A")] + [
    ("BOOT_A_GOOD", v) for v in ("", "2", "yes", "-1", "01")] + [
    ("BOOT_RECOVERY", v) for v in ("", "2", "yes", "-1")] + [
    ("BOOT_RECOVERY_REASON", v) for v in ("\x1b[2J", "x" * 3000, "\"quoted\"", "\\u0000", "\xc3\xa4")])
def test_garbage_values(world, name, value):
    """No crash, no broken JSON, and never a slot called the next one that the boot script would not start."""
    variables = GOOD | {name: value}
    copies(world, variables, variables)
    status = world.status()
    following = [s["name"] for s in status["slots"] if s["next"]]
    expected = worlds.boot_choice(variables)
    if following:
        assert following == [expected], (name, value)
    shown = world.verb("status", expect=0).out
    assert "\x1b" not in shown
    done = world.install(compose(), running="A", timeout=30)
    assert world.holds("A", images_of(5)), "the running system"
    if done.status == 0:
        assert world.choice == "B" and world.holds("B", images_of(7))
    assert world.env["stranger"] == "keeps this"


@pytest.mark.parametrize("name", ["BOOT_ORDER", "BOOT_A_LEFT", "BOOT_A_GOOD", "BOOT_B_LEFT", "BOOT_B_GOOD",
                                  "BOOT_RECOVERY"])
def test_missing_variable(world, name):
    variables = {k: v for k, v in GOOD.items() if k != name}
    copies(world, variables, variables)
    following = [s["name"] for s in world.status()["slots"] if s["next"]]
    assert following == ([] if name in ("BOOT_ORDER", "BOOT_A_LEFT") else ["A"])
    world.install(compose(), running="A", expect=0)
    assert world.choice == "B" and world.holds("A", images_of(5))


@pytest.mark.parametrize("data", [
    b"", b"x" * (ENV_SIZE - 5), b"=\0=x\0\0", b"BOOT_ORDER\0BOOT_A_LEFT\0\0", b"BOOT_ORDER=A", b"a=b\0BOOT_ORDER=A\0",
    b"BOOT_ORDER=A\0BOOT_ORDER=B\0BOOT_A_LEFT=3\0BOOT_B_LEFT=3\0\0", b"\xff" * (ENV_SIZE - 5)])
def test_malformed_but_with_a_sound_checksum(world, data):
    data = data.ljust(ENV_SIZE - 5, b"\0")
    for i, off in enumerate(ENV_OFFSETS):
        world.poke(off, struct.pack("<IB", zlib.crc32(data), i) + data)
    world.verb("status", expect=0)
    world.status()
    done = world.install(compose(), running="A", timeout=30)
    assert done.status in (0, 30), done
    assert world.holds("A", images_of(5))


@pytest.mark.parametrize("free", [0, 1, 2, 3, 8, 20, 40, 60, 100, 120, 160, 200])
def test_environment_that_is_nearly_full(world, free):
    """Either there is room for the flip, and for U-Boot to store a try, or it is said before the first write."""
    used = sum(len(k) + len(v) + 2 for k, v in GOOD.items())
    room = ENV_SIZE - 5 - 1 - used
    variables = GOOD | {"ballast": "x" * (room - len("ballast") - 2 - free)}
    copies(world, variables, variables)
    assert world.env["ballast"]
    before = world.snapshot()
    done = world.install(compose())
    env = world.env
    assert env["ballast"] == variables["ballast"]
    if done.status == 0:
        assert worlds.boot_choice(env) == "B"
        assert free >= 120
    else:
        assert done.status == 30 and done.says("FLAGS_FULL"), done
        assert world.snapshot() == before and worlds.boot_choice(env) == "A", done
        assert free < 200


# --- failing medium ---------------------------------------------------------------------------------------------------

def test_environment_beyond_the_end_of_the_disk(memory):
    new = worlds.World.blank(memory / "world", board=worlds.board_source(offsets=(0x8000, 1 << 40)))
    before = new.disk.read_bytes()
    done = new.install(compose(), running=None)
    assert done.status == 30 and new.disk.read_bytes() == before, done


def test_damaged_primary_partition_table(world):
    """Its backup is used and that is said; what the man page says mends it."""
    before = world.peek(0, 1024)
    assert world.status()["partition_table_damaged"] is False
    world.poke(512, bytes(512))
    assert world.status()["partition_table_damaged"] is True
    assert "The primary partition table is damaged; its backup is used." in world.verb("status", expect=0).flat
    world.install(compose(release=7), expect=0)
    assert world.choice == "B"
    page = (worlds.ROOT / "recovery/lifeboat.8").read_text()
    line = page[page.index("sfdisk -d"):].partition(".TP")[0].replace("\n", " ")
    line = re.sub(r"\\f[BIRP]", "", line.rstrip(" .")).replace(", then", " &&").replace("DISK", str(world.disk))
    subprocess.run(line, shell=True, check=True, cwd=world.folder, stdout=subprocess.DEVNULL)
    assert world.status()["partition_table_damaged"] is False
    assert world.peek(0, 1024) == before
