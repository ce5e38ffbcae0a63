"""The disk that counts is the one that U-Boot reads, and one damaged copy of its table is survived."""
import subprocess

from board import BUILD, Board, make_stick, new_disk, read_partition

SECTOR = 512


def test_a_damaged_primary_table_is_survived_and_told(tmp_path):
    disk, stick = str(tmp_path / "disk.img"), str(tmp_path / "stick.img")
    new_disk(disk, "ab")
    with open(disk, "r+b") as f:
        f.seek(SECTOR)
        f.write(bytes(SECTOR))
    make_stick(stick, {"update.boat": BUILD + "/release-2.boat"})
    with Board(disk, "ab", log=str(tmp_path / "console.log")) as board:
        assert board.login(60) == "1"
        board.expect("is confirmed", 60)
        assert "primary partition table is damaged" in board.run("lifeboat status")
        board.run("lifeboat request-recovery")
        board.send("reboot\n")
        board.plug_usb(stick)
        board.expect("primary partition table is damaged", 60)
        board.expect("The new system starts on trial", 120)
        assert board.login(60) == "2"
        board.expect("is confirmed", 60)


def test_a_card_with_the_same_label_is_not_the_root(tmp_path):
    """Somebody's card has a partition system_a with a sound file system of its own."""
    disk, card = str(tmp_path / "disk.img"), str(tmp_path / "card.img")
    new_disk(disk, "ab")
    with open(card, "wb") as f:
        f.truncate(64 << 20)
    subprocess.run(["/sbin/sfdisk", "--quiet", card], input="label: gpt\nstart=4096, size=65536, name=system_a\n",
                   text=True, check=True)
    with open(BUILD + "/release-2.system.img", "rb") as system, open(card, "r+b") as f:
        f.seek(4096 * SECTOR)
        f.write(system.read())
    with Board(disk, "ab", sd=card, log=str(tmp_path / "console.log")) as board:
        assert board.login(60) == "1"
        board.expect("is confirmed", 60)


def test_a_clone_of_the_storage_is_not_written(tmp_path):
    """The same labels on a card in the second slot: lifeboat keeps to the storage that the board tree names."""
    disk, card = str(tmp_path / "disk.img"), str(tmp_path / "card.img")
    new_disk(disk, "ab")
    new_disk(card, "ab")
    with Board(disk, "ab", sd=card, log=str(tmp_path / "console.log")) as board:
        board.login(60)
        board.expect("is confirmed", 60)
        assert '"good":true' in board.run("lifeboat status --json").replace(" ", "")
    new_disk(disk + ".new", "ab")
    assert read_partition(card, "state") == read_partition(disk + ".new", "state")
