"""Media that go away, servers that misbehave, and storage that does not keep what was written to it."""
import os
import re
import time

import pytest

from rig import asked, confirmed, installed, partitions, flip_byte, read_env, restart, words
from web import Server


def slots_of(disk):
    good = read_env(disk)["BOOT_ORDER"].split()[0]
    return good, "AB".replace(good, "")


def bytes_read(b, stick):
    """Bytes that the board has read from a stick."""
    for device in b.qmp("query-blockstats"):
        if stick in device.get("qdev", ""):
            return device["stats"]["rd_bytes"]
    raise AssertionError("no stick %s" % stick)


def test_stick_is_pulled_out_half_way_and_plugged_again(rig):
    disk = rig.disk(recovery=True)
    package = rig.parts.medium()
    image = rig.stick({"update.boat": package})
    b = rig.board(disk, net=False)
    b.expect(words("Waiting for a package"), 30)
    stick = b.plug_usb(image)
    asked(b)
    b.send("i")
    b.throttle(write=2000000)
    b.expect(r"(2[5-9]|[345]\d) %  writing system", 60)
    first = bytes_read(b, stick)
    b.unplug_usb(stick)
    b.throttle()
    b.expect(words("was pulled out before the end"), 30)
    b.expect(words("plug it in again"), 30)
    stick = b.plug_usb(image)
    b.expect(words("It goes on where it was interrupted."), 30)
    b.expect(r"> install now \(nobody chose\)", 20)
    installed(b)
    second = bytes_read(b, stick)
    written = b.seen(r"done in .*: ([\d.]+) MiB written, ([\d.]+) MiB\s+unchanged")
    restart(b)
    slot = confirmed(b, 9)
    b.cut_power()
    rig.assert_runs(disk, 9, slot)
    assert first > 2 << 20, "the stick was pulled before the work began"
    assert second < os.path.getsize(package), "%d bytes were read again" % second
    assert float(written.group(2)) > 4


def test_server_stops_half_way_and_comes_back(rig):
    disk = rig.disk(recovery=True)
    package = rig.parts.package(2)
    size = os.path.getsize(package)
    with Server(package, speed=2 << 20) as server:
        b = rig.board(disk, tree=rig.tree_for(server.port))
        asked(b)
        b.send("i")
        server.wait_given(size * 0.4)
        server.stop()
        at_stop = server.given
        b.expect(words("The server does not answer; it is tried again, and the work goes on where it stopped."), 60)
        time.sleep(1)
        server.speed = 6 << 20
        server.start()
        b.expect(words("It is there: the work goes on."), 60)
        installed(b)
        assert server.given > at_stop
        assert server.given <= size * 1.1, "%d bytes for a package of %d" % (server.given, size)
        assert any(r and int(r[6:].split("-")[0]) > size * 0.2 for _, r in server.requests), server.requests
    restart(b)
    slot = confirmed(b, 2)
    b.cut_power()
    rig.assert_runs(disk, 2, slot)


def test_power_is_lost_during_a_download_and_it_goes_on(rig):
    """What has arrived is kept across the cut: about as much comes as the package is long."""
    disk = rig.disk(recovery=True)
    package = rig.parts.medium()
    size = os.path.getsize(package)
    with Server(package, speed=3 << 20) as server:
        b = rig.board(disk, tree=rig.tree_for(server.port))
        asked(b)
        b.send("i")
        b.expect(r"([3-6]\d) %  writing system", 60)
        b.cut_power()
        first = server.given
        b.power_on()
        b.expect(words("It goes on where it was interrupted."), 60)
        b.expect(r"> install now \(nobody chose\)", 30)
        installed(b)
        assert server.given - first < size * 0.9, "%d of %d bytes came again" % (server.given - first, size)
    restart(b)
    slot = confirmed(b, 9)
    b.cut_power()
    rig.assert_runs(disk, 9, slot)


def test_server_has_a_later_release_when_an_interrupted_download_goes_on(rig):
    """With one slot nothing is left to start, and nobody is there: what the server has now is as good."""
    disk = rig.disk("single", recovery=True)
    with Server(rig.parts.medium(), speed=3 << 20) as server:
        b = rig.board(disk, tree=rig.tree_for(server.port, "single"))
        asked(b)
        b.send("i")
        b.expect(r"([3-6]\d) %  writing system", 90)
        b.cut_power()
        server.path = rig.parts.small(12)
        b.power_on()
        b.expect(words("version 12"), 60)
        b.expect(r"> install now \(nobody chose\)", 60)
        installed(b)
        restart(b)
        assert confirmed(b, 12) == "A"
    b.cut_power()
    rig.assert_runs(disk, 12, "A", "single")


@pytest.mark.parametrize("behaviour, status, detail, sentence", [
    ("missing", 10, "HTTP_STATUS", "(status 404): was answered by the server with an error."),
    ("redirects", 10, "HTTP_REDIRECTS", "is redirected without end."),
    ("short", 20, "SIZE_MISMATCH", "has another size than its header says."),
], ids=["404", "redirects without end", "length that is not true"])
def test_bad_server_has_a_clear_end(rig, behaviour, status, detail, sentence):
    disk = rig.disk(recovery=True)
    result = r"^Result +\w+\s+\(%d\),\s+code\s+\d+\s+%s" % (status, detail)
    with Server(rig.parts.small(4), behaviour) as server:
        b = rig.board(disk, tree=rig.tree_for(server.port))
        # The menu is there at once, and the server is looked at beside it; then a person insists.
        b.expect(words("What shall be done?"), 30)
        b.expect(result, 30)
        b.expect(words(sentence), 5)
        b.expect("What to do", 5)
        b.send("w")
        b.expect(result, 30)
        b.expect(words("What shall be done?"), 10)
        assert len(server.requests) <= 20, "the server is asked without end"
        restart(b)
        slot = confirmed(b, 1)
    b.cut_power()
    stored = rig.assert_runs(disk, 1, slot)["results"][0]
    assert (stored["status"], stored["detail_name"], stored["origin"]) == (status, detail, server.url())


def test_server_that_ignores_range_is_good_enough(rig):
    disk = rig.disk(recovery=True)
    with Server(rig.parts.small(4), "no-range") as server:
        b = rig.board(disk, tree=rig.tree_for(server.port))
        asked(b)
        b.send("i")
        installed(b)
        restart(b)
        slot = confirmed(b, 4)
    b.cut_power()
    rig.assert_runs(disk, 4, slot)


def test_byte_that_changes_on_the_medium_is_noticed_and_repaired(rig):
    disk = rig.disk(recovery=True)
    good, target = slots_of(disk)
    b = rig.board(disk, usb=rig.stick({"update.boat": rig.parts.package(2)}), net=False)
    asked(b)
    b.send("i")
    b.expect(words("Writing slot %s." % target), 30)
    b.throttle(read=4000000)
    b.expect(words("Reading slot %s back" % target), 60)
    b.stop()
    offset, _ = partitions(disk)["system_" + target.lower()]
    size = os.path.getsize(rig.parts.image(2, "system"))
    flip_byte(disk, offset + size - 5000)
    b.cont()
    b.throttle()
    b.expect(r"^Result +install_failed\s+\(30\),\s+code\s+3018\s+READ_BACK", 60)
    b.expect(words("is not complete and is not started."), 5)
    b.expect(words("What shall be done?"), 5)
    env = read_env(disk)
    assert env["BOOT_%s_LEFT" % target] == "0" and target not in env["BOOT_ORDER"].split()
    # Once more: only what is wrong is written.
    b.send("s")
    asked(b)
    b.send("i")
    installed(b)
    assert re.search(r"done in .*: (\d+) KiB written", b.output), "more was written than what was wrong"
    restart(b)
    assert confirmed(b, 2) == target
    b.cut_power()
    status = rig.assert_runs(disk, 2, target)
    result = status["results"][2]
    assert (result["what"], result["status"], result["detail_name"]) == ("install", 30, "READ_BACK"), result
    assert result["slot"] == target and result["image"] == "system"
    assert rig.holds(disk, good, 1)
