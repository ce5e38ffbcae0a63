"""Recovery installs from every kind of medium, without a person but for a key that shortens the countdown."""
import hashlib
import os
import shutil

import pytest

from rig import MIB, asked, confirmed, in_recovery, install, installed, restart, words
from web import Server

OTHER_FILES = {
    "._update.boat": b"\0\5\26\7" + bytes(4092),        # what a Mac leaves beside each file
    "._lifeboat.boat": b"LBOAT\r\n\x1a" + bytes(100),
    "readme.txt": b"not a package\n",
    "photos/holiday.jpg": bytes(range(256)) * 100,
    "empty.boat": b"",
}


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).digest()


def ends_well(rig, b, disk, release=2, press=True):
    """Restart into what was installed; it confirms itself and is what the package held. Returns lifeboat's status."""
    if press:
        restart(b)
    slot = confirmed(b, release)
    b.cut_power()
    status = rig.assert_runs(disk, release, slot)
    assert rig.holds(disk, "AB".replace(slot, ""), 1), "the slot that was not the target has changed"
    assert [(r["what"], r["status"]) for r in status["results"][:2]] == [("confirm", 0), ("install", 0)]
    return status


@pytest.mark.parametrize("fs", ["vfat", "exfat", "ext4"])
def test_stick_with_filesystem(rig, fs):
    release, package = (2, rig.parts.package(2)) if fs == "vfat" else (9, rig.parts.medium())
    stick = rig.stick(dict(OTHER_FILES, **{"update.boat": package}), fs=fs)
    before = digest(stick)
    disk = rig.disk(recovery=True)
    b = rig.board(disk, usb=stick)
    install(b)
    status = ends_well(rig, b, disk, release)
    assert status["results"][1]["origin"].endswith("update.boat")
    assert digest(stick) == before, "the stick was written to"


@pytest.mark.parametrize("fs", ["vfat", "exfat", "ext4"])
def test_stick_without_partition_table(rig, fs):
    stick = rig.stick({"update.boat": rig.parts.small(4)}, fs=fs, partition_table=False)
    disk = rig.disk(recovery=True)
    b = rig.board(disk, usb=stick)
    install(b)
    ends_well(rig, b, disk, 4)


def test_stick_with_gpt_and_package_in_folder(rig):
    stick = rig.stick({"LIFEBOAT/Some Name.BOAT": rig.parts.small(4), "readme.txt": b"hello\n"},
                      partition_table="gpt")
    disk = rig.disk(recovery=True)
    b = rig.board(disk, usb=stick)
    install(b)
    status = ends_well(rig, b, disk, 4)
    assert status["results"][1]["origin"].endswith("Some Name.BOAT")


def test_of_several_packages_the_highest_release_wins(rig):
    stick = rig.stick({"a.boat": rig.parts.small(4), "lifeboat/b.boat": rig.parts.small(5),
                       "c.boat": rig.parts.package(2), "deep/in/folders.boat": rig.parts.small(7),
                       "._hidden.boat": rig.parts.small(6)})
    disk = rig.disk(recovery=True)
    b = rig.board(disk, usb=stick)
    asked(b)
    assert b.seen(words("Other packages that were found and are not used: 2"))
    b.send("i")
    installed(b)
    ends_well(rig, b, disk, 5)


def test_package_without_filesystem_on_the_stick(rig):
    stick = shutil.copy(rig.parts.small(4), rig.new("stick.img"))
    size = os.path.getsize(stick)
    os.truncate(stick, 64 * MIB)        # what follows the package is what the stick held before
    with open(stick, "r+b") as f:
        f.seek(size)
        f.write(b"\xff" * MIB)
    disk = rig.disk(recovery=True)
    b = rig.board(disk, usb=stick)
    install(b)
    ends_well(rig, b, disk, 4)


def test_stick_plugged_late_and_nobody_presses_a_key(rig):
    disk = rig.disk(recovery=True)
    b = rig.board(disk, net=False)
    in_recovery(b)
    b.expect(words("Waiting for a package"), 30)
    b.plug_usb(rig.stick({"update.boat": rig.parts.small(4)}))
    asked(b)
    b.expect(r"> install now \(nobody chose\)", 20)
    installed(b)
    b.expect(r"> restart into the installed system \(nobody chose\)", 20)
    ends_well(rig, b, disk, 4, press=False)


def test_a_stick_without_a_package_says_so_and_the_next_one_is_used(rig):
    disk = rig.disk(recovery=True)
    b = rig.board(disk, usb=rig.stick({"readme.txt": b"hello\n"}), net=False)
    b.expect(words("holds no package for this device"), 30)
    b.unplug_usb()
    b.plug_usb(rig.stick({"update.boat": rig.parts.small(4)}))
    install(b)
    ends_well(rig, b, disk, 4)


@pytest.mark.parametrize("late", [False, True], ids=["from the start", "late"])
def test_card_in_the_second_slot(rig, late):
    card = rig.stick({"update.boat": rig.parts.small(4)}, size=64 * MIB)
    disk = rig.disk(recovery=True)
    b = rig.board(disk, sd=None if late else card, net=False)
    if late:
        in_recovery(b)
        b.expect(words("Waiting for a package"), 30)
        b.plug_sd(card)
    install(b)
    ends_well(rig, b, disk, 4)


def test_http(rig):
    with Server(rig.parts.package(2)) as server:
        disk = rig.disk(recovery=True)
        b = rig.board(disk, tree=rig.tree_for(server.port))
        install(b)
        status = ends_well(rig, b, disk)
        assert status["results"][1]["origin"] == server.url()
        size = os.path.getsize(rig.parts.package(2))
        assert server.given <= size * 1.1, "%d bytes came for a package of %d" % (server.given, size)


def test_blank_device_is_filled(rig):
    disk = rig.disk(kind="blank")
    b = rig.board(disk, usb=rig.stick({"update.boat": rig.parts.small(4)}))
    install(b)
    restart(b)
    slot = confirmed(b, 4)
    b.cut_power()
    rig.assert_runs(disk, 4, slot)
