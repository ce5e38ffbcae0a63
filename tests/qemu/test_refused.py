"""A package that is not to be trusted, or is not for this device, on the way that a user would bring it."""
import os
import re

import pytest

from rig import confirmed, read_partition, restart, run, words


def changed(source, target, offset):
    with open(source, "rb") as f:
        data = bytearray(f.read())
    data[offset] ^= 1
    with open(target, "wb") as f:
        f.write(data)
    return target


def refused(rig, kind):
    parts, target = rig.parts, rig.path("refused.boat")
    images = {"boot": parts.image(2, "boot"), "system": parts.image(2, "system")}
    if kind == "unsigned":
        return parts.pack(target, 2, key=None, **images)
    if kind == "key of a stranger":
        os.makedirs(rig.path("keys"))
        run(parts("lifeboat-pack"), "keygen", rig.path("keys/stranger"))
        return parts.pack(target, 2, key=rig.path("keys/stranger.key"), **images)
    if kind == "other product":
        return parts.pack(target, 2, products=["something-else"], **images)
    if kind == "changed manifest":
        return changed(parts.package(2), target, 64 + 200)
    if kind == "cut short":
        with open(parts.package(2), "rb") as f, open(target, "wb") as out:
            out.write(f.read()[:-1000])
        return target
    raise ValueError(kind)


@pytest.mark.parametrize("kind, detail, sentence", [
    ("unsigned", "UNSIGNED", "is not signed"),
    ("key of a stranger", "NO_KNOWN_KEY", "is signed with no key that this device trusts"),
    ("other product", "WRONG_PRODUCT", "is for another product"),
    ("changed manifest", "SIGNATURE_WRONG", "has a signature that does not hold"),
    ("cut short", "SIZE_MISMATCH", "has another size than its header says"),
], ids=["unsigned", "key of a stranger", "other product", "changed manifest", "cut short"])
def test_refused_from_a_stick(rig, kind, detail, sentence):
    disk = rig.disk(recovery=True)
    before = {part: read_partition(disk, part) for part in ("boot_a", "system_a", "boot_b", "system_b")}
    b = rig.board(disk, usb=rig.stick({"update.boat": refused(rig, kind)}), net=False)
    b.expect(r"^Result +verify_failed\s+\(20\),\s+code\s+\d+\s+" + detail, 30)
    b.expect(words(sentence), 5)
    b.expect(words("What to do"), 5)
    b.expect(words("Nothing on the device was changed."), 5)
    b.expect(words("What shall be done?"), 5)
    restart(b)
    slot = confirmed(b, 1)
    b.cut_power()
    status = rig.assert_runs(disk, 1, slot)
    result = status["results"][0]
    assert (result["status"], result["detail_name"], result["what"]) == (20, detail, "install"), result
    assert result["origin"].endswith("update.boat")
    assert {part: read_partition(disk, part) for part in before} == before, "a slot was written to"


def test_damaged_in_the_middle_is_noticed_before_the_only_slot_is_given_up(rig):
    disk = rig.disk("single", recovery=True)
    package = rig.parts.package(2)
    bad = changed(package, rig.path("bad.boat"), os.path.getsize(package) // 2)
    b = rig.board(disk, tree="single", usb=rig.stick({"update.boat": bad}), net=False)
    b.expect(r"Install this version\?", 30)
    b.send("i")
    b.expect(r"^Result +verify_failed\s+\(20\),\s+code\s+\d+\s+CHUNK_STORED_HASH", 60)
    b.expect(words("Nothing on the device was changed."), 5)
    b.expect(words("What shall be done?"), 5)
    restart(b)
    assert confirmed(b, 1) == "A"
    b.cut_power()
    rig.assert_runs(disk, 1, "A", "single")


def test_damaged_in_the_middle_leaves_the_good_slot_alone(rig):
    """With two slots it is found out on the way; the good slot stays, the other is not started."""
    disk = rig.disk(kind="both", recovery=True)
    package = rig.parts.small(4)
    bad = changed(package, rig.path("bad.boat"), os.path.getsize(package) - 300000)
    b = rig.board(disk, usb=rig.stick({"update.boat": bad}), net=False)
    b.expect(r"Install this version\?", 30)
    b.send("i")
    b.expect(r"^Result +verify_failed\s+\(20\),\s+code\s+\d+\s+CHUNK_STORED_HASH", 60)
    b.expect(words("is not complete and is not started."), 5)
    b.expect(words("What shall be done?"), 5)
    restart(b)
    slot = confirmed(b, 2)
    b.cut_power()
    status = rig.assert_runs(disk, 2, slot, pending=None)
    other = next(s for s in status["slots"] if s["name"] != slot)
    assert not other["in_order"] and other["tries_left"] == 0 and not other["good"]


def test_older_than_installed_asks_and_nobody_agrees(rig):
    disk = rig.disk(kind="both", recovery=True)
    b = rig.board(disk, usb=rig.stick({"update.boat": rig.parts.package(1)}), net=False)
    b.expect(words("Go back to an OLDER release?"), 30)
    assert re.search(words("It is OLDER than the installed release 2."), b.output)
    b.send("n")
    b.expect(words("What shall be done?"), 20)
    restart(b)
    slot = confirmed(b, 2)
    b.cut_power()
    rig.assert_runs(disk, 2, slot)
    assert rig.holds(disk, "AB".replace(slot, ""), 1)
