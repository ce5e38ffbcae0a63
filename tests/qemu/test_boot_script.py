"""The boot script's choice for many environments, honest, odd and hostile; and boot images that do not verify."""
import itertools

import pytest

from rig import confirmed, flip_byte, in_recovery, install, partitions, read_env, words, write_env


def choice(env):
    """What recovery/core/flags.h says that a boot loader starts."""
    if env.get("BOOT_RECOVERY") == "1":
        return "recovery"
    order = env.get("BOOT_ORDER") or ""
    if order in ("A", "B", "A B", "B A"):
        for slot in order.split():
            if (env.get("BOOT_%s_LEFT" % slot) or "") in "123456789" and env.get("BOOT_%s_LEFT" % slot):
                return slot
    return "recovery"


def environments():
    for order, recovery in itertools.product(["A B", "B A", "A", "B", ""], "01"):
        yield {"BOOT_ORDER": order, "BOOT_RECOVERY": recovery}
    for left_a, left_b in [("0", "3"), ("3", "0"), ("0", "0"), ("9", "1"), ("1", "9")]:
        yield {"BOOT_A_LEFT": left_a, "BOOT_B_LEFT": left_b}
    for odd in ("10", "-1", "0x3", "3 3", "a", None):
        yield {"BOOT_A_LEFT": odd}
    for odd in ("B  A", "C", "A B A", "a b", "R", None):
        yield {"BOOT_ORDER": odd}
    yield {"lb_slot": "B", "lb_part": "boot_b", "lb_order": "B", "lb_s": "B"}
    yield {"bootcmd": "echo hijacked; reset", "bootdelay": "10", "bootargs": "init=/bin/sh", "verify": "no"}
    yield {"BOOT_ORDER": "A B; echo hijacked"}
    yield {"BOOT_ORDER": "$(echo B)", "BOOT_A_LEFT": "3; echo hijacked"}
    yield {"BOOT_A_LEFT": '3" -o "1" = "1'}


@pytest.mark.timeout(300)
def test_choice_for_many_environments(rig):
    disk = rig.disk(kind="both")
    b = rig.board(disk, net=False, power_on=False)
    for change in environments():
        env = {"BOOT_ORDER": "A B", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "3", "BOOT_A_GOOD": "1", "BOOT_B_GOOD": "1",
               "BOOT_RECOVERY": "0"}
        env.update(change)
        write_env(disk, **env)
        b.power_on()
        started = b.expect(r"Lifeboat: starting (\w+)\r?\n", 20).group(1)
        if not set(change) <= {"BOOT_ORDER", "BOOT_RECOVERY", "BOOT_A_LEFT", "BOOT_B_LEFT"}:
            b.expect("Starting kernel", 20)
        text = b.output
        b.cut_power()
        hostile = '"' in (env["BOOT_A_LEFT"] or "")     # may choose among honest outcomes
        assert started == choice(env) or hostile and started in ("A", "B", "recovery"), change
        assert "\nhijacked" not in text and "not valid" not in text, change
        if started in "AB" and not hostile:
            assert read_env(disk)["BOOT_%s_LEFT" % started] == str(int(env["BOOT_%s_LEFT" % started]) - 1), change
        for name in change:
            write_env(disk, **{name: None})


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
