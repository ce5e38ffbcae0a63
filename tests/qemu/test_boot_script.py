"""The boot script on the board: that its environment is read, obeyed and stored there, and what hostile bytes do to it.

Every combination of values, and every way in which an image can be broken, is run in U-Boot's sandbox build
(tests/boot); here is what only the board can show.
"""
import struct
import zlib

from board import ENVIRONMENT_OFFSETS, ENVIRONMENT_SIZE
from rig import (confirmed, flip_byte, in_recovery, install, partitions, read_env, read_env_copies, words,
                 write_env)

GOOD = {"BOOT_ORDER": "A B", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "3", "BOOT_A_GOOD": "1", "BOOT_B_GOOD": "1",
        "BOOT_RECOVERY": "0"}
HOSTILE = {"lb_slot": "B", "lb_part": "boot_b", "lb_order": "B", "lb_s": "B", "lb_tree": "0", "fdtcontroladdr": "0",
           "bootcmd": "echo hijacked; reset", "bootdelay": "10", "bootargs": "init=/bin/sh", "verify": "no",
           "preboot": "echo hijacked", "site": "hall 3; echo hijacked", "loadaddr": "0", "stdin": "nowhere"}
ENVIRONMENTS = {
    "first": (GOOD, "A"),
    "second": (dict(GOOD, BOOT_ORDER="B A"), "B"),
    "request": (dict(GOOD, BOOT_RECOVERY="1"), "recovery"),
    "hostile": (dict(GOOD, **HOSTILE), "A"),
    # More than U-Boot's own defaults have room for; and values that grow when U-Boot stores them: they do not fit.
    "many": (dict(GOOD, **{"%x" % i: "1" for i in range(2000)}), "A"),
    "backslashes": (dict(GOOD, zz="y" * 13200, **{"%03d" % i: "\\" for i in range(480)}), "A"),
}


def set_environment(disk, variables):
    """Both copies, byte for byte: the tools would not store all of these."""
    data = b"".join(b"%s=%s\0" % (n.encode(), v.encode()) for n, v in variables.items()) + b"\0"
    assert len(data) <= ENVIRONMENT_SIZE - 5
    data = data.ljust(ENVIRONMENT_SIZE - 5, b"\0")
    with open(disk, "r+b") as f:
        for serial, offset in enumerate(ENVIRONMENT_OFFSETS):
            f.seek(offset)
            f.write(struct.pack("<IB", zlib.crc32(data), serial) + data)


def test_environments_on_the_card(rig):
    disk = rig.disk(kind="both")
    b = rig.board(disk, net=False, power_on=False)
    for name, (env, wanted) in ENVIRONMENTS.items():
        set_environment(disk, env)
        b.power_on()
        started = b.expect(r"Lifeboat: starting (\w+)\r?\n", 30).group(1)
        b.expect("Starting kernel", 30)
        text = b.output
        b.cut_power()
        assert started == wanted, name
        assert "\nhijacked" not in text and "not valid" not in text, name
        (valid, _, new), (_, _, old) = read_env_copies(disk)        # the second was the newer one
        if wanted == "recovery" or name == "backslashes":
            assert new == old, name
        else:
            harmless = ("site", "bootcmd", "bootdelay", "preboot", "loadaddr")
            kept = {n: v for n, v in env.items() if n not in HOSTILE or n in harmless}
            stored = {n: v for n, v in new.items() if n not in ("stdin", "stdout", "stderr")}
            assert valid and stored == dict(kept, **{"BOOT_%s_LEFT" % wanted: "2"}), name


def damage_boot_image(disk, part):
    """One bit in the kernel."""
    offset, _ = partitions(disk)[part]
    flip_byte(disk, offset + 1000000)


def test_damaged_boot_image_is_not_started_and_the_next_choice_is_taken(rig):
    disk = rig.disk(kind="both")
    first, second = read_env(disk)["BOOT_ORDER"].split()
    damage_boot_image(disk, "boot_" + first.lower())
    b = rig.board(disk, net=False)
    assert confirmed(b, 1) == second
    assert b.seen("Lifeboat: the boot image of %s is not valid" % first)
    b.cut_power()
    env = read_env(disk)
    assert env["BOOT_%s_LEFT" % first] == "0" and env["BOOT_%s_LEFT" % second] == "3"
    result = rig.status(disk)["results"][0]
    assert (result["status"], result["detail_name"], result["slot"]) == (40, "FELL_BACK", first), result


def test_no_boot_image_is_valid(rig):
    disk = rig.disk(kind="both")
    damage_boot_image(disk, "boot_a")
    damage_boot_image(disk, "boot_b")
    b = rig.board(disk, net=False)
    in_recovery(b)
    b.expect(words("What shall be done?"), 30)
    assert b.seen(r"Why +" + words("No boot image passed the check of its signature, so none was started."))


def test_boot_image_of_another_kind_is_not_started(rig):
    """A recovery image in a slot has a right signature, and is no system."""
    disk = rig.disk()
    slot = read_env(disk)["BOOT_ORDER"].split()[0]
    ps = partitions(disk)
    with open(disk, "r+b") as f:
        f.seek(ps["recovery"][0])
        data = f.read(ps["recovery"][1])
        f.seek(ps["boot_" + slot.lower()][0])
        f.write(data)
    b = rig.board(disk, net=False)
    b.expect("Lifeboat: the boot image of %s is not valid" % slot, 30)
    in_recovery(b)


def test_erased_state_is_noticed_and_does_not_stop_anything(rig):
    """What it knew is lost, the rollback floor too: that is said once."""
    disk = rig.disk(kind="both", recovery=True)
    start, size = partitions(disk)["state"]
    with open(disk, "r+b") as f:
        f.seek(start)
        f.write(bytes(size))
    b = rig.board(disk, usb=rig.stick({"update.boat": rig.parts.small(4)}), net=False)
    install(b)
    b.send("r")
    slot = confirmed(b, 4)
    b.cut_power()
    lost = [r for r in rig.assert_runs(disk, 4, slot)["results"] if r["detail_name"] == "STATE_LOST"]
    assert len(lost) == 1


def test_damaged_recovery_does_not_keep_a_good_system_from_starting(rig):
    disk = rig.disk(kind="both")
    damage_boot_image(disk, "recovery")
    b = rig.board(disk, net=False)
    slot = confirmed(b, 2)
    b.cut_power()
    rig.assert_runs(disk, 2, slot)
    # Not even when it was asked for: the last resort is a system that is known to be good.
    write_env(disk, BOOT_RECOVERY="1")
    b.power_on()
    b.expect("Lifeboat: the boot image of recovery is not valid", 30)
    assert confirmed(b, 2 if slot == "A" else 1)
