"""User data is erased: asked for in the running system, and from recovery's menu with a power cut in the middle."""
import re

from rig import (MIB, confirmed, in_recovery, partitions, read_partition, run, since, started, words,
                 write_partition)

SECRET = b"the photo that nobody else shall see "


def prompt(b):
    b.send("\n")
    b.login()


def with_little_data(rig, **more):
    """A disk whose data partition has 24 MiB, and is empty: all of it is read and written several times."""
    disk = rig.disk(**more)
    number = list(partitions(disk)).index("data") + 1
    run("/sbin/sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", "-N", number, disk, input=", 24M\n")
    write_partition(disk, "data", bytes(24 * MIB))
    return disk


def data_of(disk):
    return read_partition(disk, "data")


def test_asked_for_in_the_running_system(rig):
    disk = with_little_data(rig)
    b = rig.board(disk, net=False)
    slot = confirmed(b, 1)
    prompt(b)
    b.run("/etc/init.d/data new")
    b.run("for i in 1 2 3 4 5 6 7 8; do echo '%s' $i; done >/data/photo; sync" % SECRET.decode())
    # Data stays while it is not asked to go.
    b.send("reboot\n")
    b.expect(r"User data: on /data\.", 40)
    assert confirmed(b, 1) == slot
    prompt(b)
    assert "nobody else" in b.run("cat /data/photo")
    assert SECRET in data_of(disk)
    code, text = b.run("lifeboat wipe", check=False)
    assert code == 3 and "data (" in text
    b.send("lifeboat wipe --yes --reboot\n")
    in_recovery(b)
    b.expect(words("User data is to be erased."), 10)
    b.expect(words("User data is erased."), 60)
    b.expect(words("Start the installed system?"), 10)
    assert started(b) == ("1", slot)
    b.expect(r"User data: empty\.", 10)
    assert confirmed(b, 1) == slot
    prompt(b)
    assert "photo" not in b.run("ls /data")
    b.run("/etc/init.d/data new; echo new >/data/note; sync")
    b.cut_power()
    assert SECRET not in data_of(disk)
    status = rig.assert_runs(disk, 1, slot)
    assert status["wipe"] is None and status["results"][0]["what"] == "wipe" and status["results"][0]["status"] == 0
    b.power_on()
    confirmed(b, 1)
    prompt(b)
    assert b.run("cat /data/note").strip() == "new"


def test_chosen_in_the_menu_and_cut_in_the_middle(rig):
    disk = with_little_data(rig, recovery=True)
    size = len(data_of(disk))
    write_partition(disk, "data", (SECRET * (size // len(SECRET) + 1))[:size])
    b = rig.board(disk, net=False)
    in_recovery(b)
    b.expect(words("What shall be done?"), 30)
    b.send("e")
    b.expect(words("Erase ALL user data, for good?"), 10)
    assert b.expect(r"By itself in \d+ s: (.*)\.", 5).group(1) == "no"
    b.send("n")
    b.expect(words("What shall be done?"), 10)
    b.send("e")
    b.expect(words("Erase ALL user data, for good?"), 10)
    b.send("d")
    b.expect(words("Do not switch off."), 10)
    b.expect(r"(\d\d) %  erasing data", 60)
    b.cut_power()
    half = data_of(disk)
    assert SECRET in half and bytes(MIB) in half, "the power should fail in the middle"
    assert rig.status(disk)["wipe"] == "begun"
    b.power_on()
    in_recovery(b)
    b.expect(words("Erasing user data was interrupted: recovery goes on with it before anything else."), 10)
    b.expect(r"%s overwritten, %s held zeros already" % (r"[\d.]+ MiB", r"[\d.]+ MiB"), 60)
    assert data_of(disk) == bytes(size)
    assert since(b, "What shall be done") is None
    slot = confirmed(b, 1)
    assert re.search(r"User data: empty\.", b.output)
    b.cut_power()
    rig.assert_runs(disk, 1, slot)
