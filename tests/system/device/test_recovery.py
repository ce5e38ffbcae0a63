"""Recovery in a made-up machine: what it is asked, what fails or comes and goes meanwhile, and nobody at the console.

The machine is Machine (shim.py); its clock runs faster than ours.
"""
import itertools
import shutil
import struct
import time

import pytest

import shim
import world as worlds
from shim import Machine
from test_adversity import only_target, sentence
from test_http_install import Server, head, wanted, whole
from world import compose, images_of


UPDATE = {"update.boat": compose().bytes()}
GO_AHEAD = worlds.board_source().replace('policy = "ask"', 'policy = "go-ahead"')


def recovered(world, keys="", **more):
    machine = Machine(world, "recovery")
    stick = {name: more.pop(name) for name in ("content", "files") if name in more}
    if stick:
        machine.stick(**stick)
    done = machine.recover(keys, **more)
    assert done.status == shim.POWERED_OFF, done
    return done


def test_best_of_many_on_a_stick(world):
    """For another product, cut short, older, and the one that fits."""
    files = {"a.boat": compose(product=["acme,other"]).bytes(), "b.boat": compose(release=9).bytes()[:-7],
             "c.boat": compose(release=6).bytes(), "d.boat": compose(release=8).bytes(), "e.boat": b"", "f.boat": b"x"}
    done = recovered(world, "i", files=files)
    assert "d.boat on USB stick sda" in done.flat and world.holds("B", images_of(8)), done


def two_on_a_stick(memory, newer):
    """Nothing to start, and nobody there: release 8, and release 7."""
    blank = worlds.World.blank(memory / "world", slots="A", board=one_slot())
    machine = Machine(blank, "recovery")
    machine.stick(files={"new.boat": newer, "old.boat": compose().bytes()})
    return blank, machine


def one_slot():
    return worlds.board_source("A").replace('policy = "ask"', 'policy = "go-ahead"')


def test_newest_that_failed_its_trial_hides_no_other(memory):
    blank, machine = two_on_a_stick(memory, compose(release=8).bytes())
    text, status = machine.left_alone(10)
    assert status == shim.RESTARTED and blank.holds("A", images_of(8)), text
    blank.setenv(BOOT_A_LEFT="0")
    text, status = machine.left_alone(10)
    assert status == shim.RESTARTED and blank.holds("A", images_of(7)), text
    assert "TRIAL_FAILED" in text and "old.boat" in text


def test_newest_that_is_damaged_hides_no_other(memory):
    blank, machine = two_on_a_stick(memory, worlds.spoiled(compose(release=8)))
    text, status = machine.left_alone(15)
    assert status == shim.RESTARTED and blank.holds("A", images_of(7)), text
    assert text.count("new.boat") > 1 and "CHUNK" in text, text


def test_somebody_sees_all_that_are_on_a_stick_in_turn(world):
    """What was said no to is not offered first when somebody asks again; then they come round."""
    done = recovered(world, "msmsmsi", files={"new.boat": compose(release=8).bytes(), "old.boat": compose().bytes()})
    shown = [word for word in done.flat.split() if word.endswith(".boat")]
    assert shown == ["new.boat", "old.boat", "new.boat", "old.boat"], done
    assert world.holds("B", images_of(7)), done


@pytest.mark.parametrize("key,choice", [("y", "B"), ("n", "A")])
def test_older_release_when_somebody_says_yes(world, key, choice):
    done = recovered(world, key, files={"old.boat": compose(release=4).bytes()})
    assert "old.boat" in done.flat and world.choice == choice, done
    assert world.holds("A", images_of(5)) and world.holds("B", images_of(4)) == (choice == "B"), done


def test_older_release_while_nobody_is_there(memory):
    """Also on a board that goes ahead by itself."""
    world = worlds.World.running(memory / "world", board=GO_AHEAD)
    world.setenv(BOOT_RECOVERY="1", BOOT_RECOVERY_REASON="request")
    machine = Machine(world, "recovery")
    machine.stick(files={"old.boat": compose(release=4).bytes()})
    text, status = machine.left_alone(20)
    assert status == shim.RESTARTED and "old.boat" in text and "Marking" not in text and world.choice == "A", text


def test_file_names_that_would_draw_on_the_screen(world):
    done = recovered(world, "i", files={"\x1b[2J\r\x07new.boat": compose().bytes()})
    assert "\x1b" not in done.text and "\x07" not in done.text and world.holds("B", images_of(7)), done


@pytest.mark.parametrize("first,expected", [(0, "SOURCE_READ"), (20000, "SOURCE_READ")])
def test_stick_that_fails(world, first, expected):
    """People know the stick, not where it is mounted."""
    before = world.snapshot()
    done = recovered(world, files=UPDATE, faults=[("read", "update.boat", first, 1 << 30, 5)])
    assert sentence(done) == expected and "USB stick sda (1 MiB)/update.boat" in done.flat, done
    assert "/run/lifeboat" not in done.text and world.snapshot() == before
    assert world.results[0]["origin"].startswith("USB stick sda"), world.results[0]


def test_file_that_goes_away_while_it_is_asked_about(world):
    before = world.snapshot()
    machine = Machine(world, "recovery")
    machine.stick(files=UPDATE)
    process = machine.start("recover", speed=100)
    shim.read_until(process, "install now")
    (machine.root / "media/sda/update.boat").unlink()
    process.stdin.write("i")
    process.stdin.flush()
    text = shim.read_until(process, "What shall be done?")
    process.stdin.write("p")
    process.stdin.flush()
    process.communicate(timeout=20)
    assert "update.boat" in text and "code 1" in text, text
    assert world.results[0]["status_name"] == "download_failed" and world.snapshot() == before, text


def test_stick_that_cannot_be_read_at_all(world):
    done = recovered(world, files={}, faults=[("read", "/dev/sda", 0, 1 << 30, 5)])
    assert sentence(done) == "SOURCE_READ" and "USB stick sda (1 MiB)" in done.flat, done


@pytest.mark.parametrize("label", ["boot_b", "system_b", "state"])
@pytest.mark.parametrize("operation", ["write", "flush", "read"])
def test_storage_that_fails_under_recovery(world, label, operation):
    """Whatever fails, there is a sentence and a menu, and the running system is not touched."""
    before, partition = world.snapshot(), Machine(world).partition(label)
    shutil.rmtree(world.folder / "machine")
    done = recovered(world, "i", files=UPDATE, faults=[(operation, partition, 0, 1 << 30, 5)])
    assert sentence(done) in ("DEVICE_WRITE", "DEVICE_FLUSH", "DEVICE_READ"), done
    assert "What shall be done?" in done.flat, done
    only_target(world, before)


def test_flags_that_cannot_be_read_under_recovery(world):
    """They are not stored over: the copy that cannot be read may be the newer one."""
    before = world.snapshot()
    done = recovered(world, "i", files=UPDATE,
                     faults=[("read", "vda", worlds.ENV_OFFSETS[0], worlds.ENV_OFFSETS[1] + worlds.ENV_SIZE, 5)])
    assert sentence(done) == "DEVICE_READ" and world.snapshot() == before, done


def test_noise_on_the_console(world):
    before = world.snapshot()
    done = recovered(world, "\x00\x1b[A\x1bOP\r\n\t@~" * 200)
    assert world.snapshot() == before and done.flat.count("What shall be done?") < 20, done


def test_nobody_at_the_console(world):
    """The end of the input is no answer: the time decides. A system that never confirms itself is started three times;
    then somebody has to come."""
    for _ in range(3):
        world.setenv(BOOT_A_LEFT="0")
        shutil.rmtree(world.folder / "machine", ignore_errors=True)
        text, status = Machine(world, "recovery").left_alone(20)
        assert status == shim.RESTARTED and "restart into the installed system (nobody chose)" in text, text
        assert world.choice == "A"
    world.setenv(BOOT_A_LEFT="0")
    shutil.rmtree(world.folder / "machine")
    text, status = Machine(world, "recovery").left_alone(1.5)  # half an hour
    assert status is None and text.count("What shall be done?") == 1 and "By itself" not in text, text
    assert world.choice == "recovery"


@pytest.mark.parametrize("fault", [None, ("write", "system_a"), ("write", "state"), ("flush", "boot_a"),
                                   ("read", "boot_a")])
def test_nothing_is_worn_out_without_a_person(memory, fault):
    """A device that can start nothing goes ahead by itself; what fails, it tries a few times and not for ever."""
    blank = worlds.World.blank(memory / "world", board=GO_AHEAD)
    machine = Machine(blank, "recovery")
    data = compose().bytes() if fault else worlds.spoiled(compose())
    machine.stick(files={"update.boat": data})
    faults = [(fault[0], machine.partition(fault[1]), 0, 1 << 30, 5)] if fault else []
    text, status = machine.left_alone(3, faults=faults)
    assert status is None and 1 <= text.count("Marking slot A") <= 3, text
    assert "What shall be done?" in text.rpartition("What to do")[2] and blank.choice == "recovery", text


RESTARTS = "code 3033 RESTARTS"


def with_nothing_to_start(memory):
    """A blank device that goes ahead, in recovery, with a stick."""
    blank = worlds.World.blank(memory / "world", board=GO_AHEAD)
    machine = Machine(blank, "recovery")
    machine.stick(files={"update.boat": compose().bytes()})
    return blank, machine


def fell(machine, times):
    """Starts of recovery that ended in the middle of something, as when the kernel panics or the supply gives in."""
    for n in range(times):
        if n % 2:  # the kernel, or only the program
            shutil.rmtree(machine.root / "run")
            (machine.root / "run").mkdir()
        process = machine.start("recover", speed=1)
        for line in process.stdout:
            assert "RESTARTS" not in line
            if "By itself" in line:
                break
        process.kill()
        process.communicate()


def test_what_restarts_recovery_is_left_alone_for_a_while(memory):
    """A device that can start nothing. Nobody comes; after a while it is tried once more, and works."""
    blank, machine = with_nothing_to_start(memory)
    fell(machine, 10)
    text, status = machine.left_alone(0.2)  # three minutes
    assert status is None and RESTARTS in text and "What shall be done?" in text, text
    assert "Nothing is done by itself for five minutes" in text and "Nothing on the device" not in text
    assert "Marking" not in text and "By itself" not in text and blank.choice == "recovery", text
    text, status = machine.left_alone(20)
    stood, _, then = text.partition("What shall be done?")
    assert RESTARTS in stood and "Marking" not in stood and "By itself" in then, text
    assert status == shim.RESTARTED and blank.holds("A", images_of(7)), text


def test_what_restarts_recovery_each_time_is_tried_once_between_two_stands(memory):
    blank, machine = with_nothing_to_start(memory)
    fell(machine, 10)
    for _ in range(3):
        process = machine.start("recover", speed=1000)
        shim.read_until(process, RESTARTS)
        shim.read_until(process, "By itself")
        process.kill()
        process.communicate()


def stands(world, starts=10):
    """Recovery was asked for; then something restarted it so many times."""
    world.setenv(BOOT_RECOVERY="1", BOOT_RECOVERY_REASON="request")
    world.put_record(400, struct.pack(">QQ", starts, 0))
    machine = Machine(world, "recovery")
    machine.stick(files={"update.boat": compose().bytes()})
    return machine


@pytest.mark.parametrize("announced", [(), (1, 4, 8)])
def test_recovery_that_stands_goes_back_to_the_system(world, announced):
    """What may have restarted it is announced at each start: that does not count."""
    before = world.snapshot()
    text, status = stands(world).left_alone(20, speed=100, announced=announced)
    assert status == shim.RESTARTED and text.count(RESTARTS) == 1, text
    assert "update.boat" not in text and "(nobody chose)" in text, text
    world.setenv(BOOT_RECOVERY_REASON="")
    assert world.choice == "A" and only_target(world, before) is None
    assert world.results[0]["detail_name"] == "RESTARTS"


def test_stick_that_is_plugged_in_while_recovery_stands(world):
    """It counts, after a minute."""
    text, status = stands(world).left_alone(20, speed=100, announced=(25,))
    stood, _, then = text.partition("Found")
    assert "By itself in 250 s" in stood and "By itself in 220 s" not in stood and "update.boat" in then, text
    assert status == shim.RESTARTED and world.choice == "A", text


def test_stick_that_restarts_recovery_when_it_is_plugged_in_again(world):
    machine = stands(world)
    for _ in range(2):
        process = machine.start("recover", speed=100)
        shim.read_until(process, RESTARTS)
        time.sleep(0.8)
        machine.announce()
        shim.read_until(process, "update.boat")
        process.kill()
        process.communicate()


def test_menu_is_no_rest_when_something_follows(memory):
    """The tenth start: the install fails, and would be tried again after five minutes."""
    blank, machine = with_nothing_to_start(memory)
    fell(machine, 9)
    text, _ = machine.left_alone(0.2, faults=[("write", machine.partition("boot_a"), 0, 1 << 30, 5)])
    assert RESTARTS not in text and "DEVICE_WRITE" in text and "What shall be done?" in text, text
    text, _ = machine.left_alone(0.2)
    assert RESTARTS in text, text


def test_standing_that_ends_badly_too_goes_back_at_once(world):
    text, status = stands(world, 20).left_alone(5, speed=1)
    assert status == shim.RESTARTED and RESTARTS in text and world.choice == "A", text
    world.setenv(BOOT_RECOVERY="1", BOOT_RECOVERY_REASON="request")
    shutil.rmtree(world.folder / "machine")
    assert RESTARTS not in recovered(world).flat


def test_recovery_that_stands_does_what_somebody_chooses(world):
    done = stands(world).run("recover", keys="sir")
    assert done.status == shim.RESTARTED and "RESTARTS" in done.flat, done
    assert world.holds("B", images_of(7)) and world.choice == "B"
    shutil.rmtree(world.folder / "machine")
    assert "RESTARTS" not in recovered(world).flat


def test_starts_that_cannot_be_counted_are_too_many(memory):
    blank, machine = with_nothing_to_start(memory)
    text, status = machine.left_alone(0.2, faults=[("write", machine.partition("state"), 0, 1 << 30, 5)])
    assert status is None and "DEVICE_WRITE" in text and "By itself" not in text, text


# A reader whose contact is bad, and never still.
RATTLES = itertools.repeat(0)


def test_reader_that_rattles_keeps_nobody_in_recovery(world):
    world.setenv(BOOT_RECOVERY="1", BOOT_RECOVERY_REASON="request")
    machine = Machine(world, "recovery")
    machine.stick(files={"update.boat": compose().bytes()})
    text, status = machine.left_alone(15, announced=RATTLES)
    assert status == shim.RESTARTED and "(nobody chose)" in text and world.choice == "A", text[-3000:]


def test_reader_that_rattles_does_not_put_off_an_install(memory):
    blank, machine = with_nothing_to_start(memory)
    text, status = machine.left_alone(15, announced=RATTLES)
    assert status == shim.RESTARTED and blank.holds("A", images_of(7)), text[-3000:]


def test_server_that_fails_for_hours_is_asked_rarely_and_not_forgotten(memory):
    """A device that can start nothing needs no visit when its server comes back."""
    broken = True
    package = compose().bytes()

    def answer(connection, number, headers):
        if broken:
            connection.send(head(404, "Not Found", Content_Length=0))  # a look each
            return True
        return whole(package)(connection, number, headers)
    with Server(answer) as server:
        blank, machine = with_nothing_but(memory, server)
        text, status = machine.left_alone(7.2, online=True)  # two hours
        assert status is None and "code 1011 HTTP_STATUS" in text, text
        assert 22 <= len(server.requests) <= 40, len(server.requests)
        assert blank.results[0]["detail_name"] == "HTTP_STATUS" and server.url in blank.results[0]["origin"]
        broken = False
        text, status = machine.left_alone(15, online=True)
        assert status == shim.RESTARTED and blank.holds("A", images_of(7)), text


def with_nothing_but(memory, server):
    blank = worlds.World.blank(memory / "world", board=with_address(server))
    return blank, Machine(blank, "recovery")


def with_address(server):
    return GO_AHEAD.replace('sources =', f'network-url = "{server.url}"; sources =')


@pytest.mark.parametrize("source,release", [("stick", 7), ("network", 8)])
def test_only_the_sources_that_the_board_names(memory, source, release):
    with Server(whole(compose(release=8).bytes())) as server:
        board = with_address(server).replace('sources = "stick", "network"', f'sources = "{source}"')
        blank = worlds.World.blank(memory / "world", board=board)
        machine = Machine(blank, "recovery")
        machine.stick(files={"update.boat": compose().bytes()})
        text, status = machine.left_alone(20, online=True)
        assert status == shim.RESTARTED and blank.holds("A", images_of(release)), text
        assert bool(server.requests) == (source == "network") and ("update.boat on" in text) == (source == "stick")


def short(data, end):
    """A server that never comes past this byte."""
    def answer(connection, number, headers):
        first = (wanted(headers, len(data)) or (0,))[0]
        return whole(data, limit=lambda number: max(0, end - first))(connection, number, headers)
    return answer


def test_download_that_breaks_off_late_keeps_nobody_in_recovery(memory):
    """With a system there: hours of it end, and so does the stay."""
    package = compose().bytes()
    with Server(short(package, len(package) - 1000)) as server:
        world = worlds.World.running(memory / "world", board=with_address(server))
        before = world.snapshot()
        world.setenv(BOOT_RECOVERY="1", BOOT_RECOVERY_REASON="request")
        text, status = Machine(world, "recovery").left_alone(30, online=True)
        assert status == shim.RESTARTED and "(nobody chose)" in text and world.choice == "A", text[-3000:]
        assert "Marking slot B" in text, text
        only_target(world, before)


def test_server_that_goes_away_after_the_look(memory):
    """What was found there cannot be had any more: that is told, and kept."""
    package, looks = compose().bytes(), []

    def answer(connection, number, headers):
        looks.append(number)
        if len(looks) > 1:
            connection.send(head(404, "Not Found", Content_Length=0))
            return True
        return whole(package)(connection, number, headers)
    with Server(answer) as server:
        blank, machine = with_nothing_but(memory, server)
        process = machine.start("recover", speed=1000, online=True)
        text = shim.read_until(process, "By itself")
        text = shim.read_until(process, "What shall be done?")
        process.kill()
        process.communicate()
        assert "code 1011 HTTP_STATUS" in text and blank.results[0]["detail_name"] == "HTTP_STATUS", text


def test_two_packages_in_turn_wear_nothing_out(memory):
    """A stick and a server that hold different ones, and a medium that fails: three times each, and that is all."""
    with Server(whole(compose(release=8).bytes())) as server:
        blank, machine = with_nothing_but(memory, server)
        machine.stick(files={"update.boat": compose().bytes()})
        text, status = machine.left_alone(10.8, online=True,  # three hours
                                          faults=[("write", machine.partition("boot_a"), 0, 1 << 30, 5)])
        assert status is None and "version 7.0" in text and "version 8.0" in text, text
        assert 4 <= text.count("Marking slot A") <= 6, text


def test_reader_that_rattles_does_not_keep_the_server_away(memory):
    with Server(whole(compose().bytes())) as server:
        blank, machine = with_nothing_but(memory, server)
        text, status = machine.left_alone(20, speed=100, online=True, announced=RATTLES)
        assert status == shim.RESTARTED and blank.holds("A", images_of(7)), text[-3000:]


def test_somebody_looks_at_the_log_and_walks_away(world):
    world.setenv(BOOT_RECOVERY="1", BOOT_RECOVERY_REASON="request")
    process = Machine(world, "recovery").start("recover", speed=1000)
    process.stdin.write("l")
    process.stdin.flush()  # and the console stays
    text = shim.read_until(process, "recovery: started")
    assert process.wait(timeout=20) == shim.RESTARTED and world.choice == "A", text
    process.stdin.close()


def test_log_on_a_stick(world):
    done = recovered(world, "lcm", files={"old.txt": b""})
    copied, = (world.folder / "machine/media/sda").glob("lifeboat-log-*.txt")
    assert f"{copied.name} is on USB stick sda" in done.flat, done
    assert "Slot A" in copied.read_text() and "recovery: started" in copied.read_text()


@pytest.mark.parametrize("order", ["B", "", "A,B", "A B C", "A  B", "a"])
def test_good_slot_that_a_hand_left_out_of_the_order(world, order):
    """fw_setenv BOOT_ORDER: slot A is whole and good, and has its tries."""
    world.setenv(BOOT_ORDER=order, BOOT_RECOVERY="1")
    machine = Machine(world, "recovery")
    if order:
        assert machine.run("recover", keys="r").status == shim.RESTARTED and world.choice == "A"
    else:
        text, status = machine.left_alone(20)
        assert status == shim.RESTARTED and "NO_SYSTEM" not in text and world.choice == "A", text


def test_log_onto_nothing(world):
    assert sentence(recovered(world, "lcm")) == "NO_MEDIUM"


def test_what_follows_an_install_that_is_done(world):
    """The log, and back; the menu, and not the same offer again."""
    done = recovered(world, "ilmm", files=UPDATE)
    text = done.flat.partition("Marking slot B")[2]
    assert "] install: ok (0), release 7" in text and text.count("What shall be done?") == 1, done
    assert "Install this version?" not in text and world.choice == "B" and world.holds("B", images_of(7)), done


def test_restart_and_come_back(single):
    """What recovery wrote in one start, the next one finds: an install that was cut goes on by itself."""
    package = compose(images_of(7), release=7)
    machine = Machine(single, "recovery")
    machine.stick(files={"update.boat": package.bytes()})
    done = machine.recover("i", faults=[("write", machine.partition("system_a"), 8192, 1 << 30, 5)])
    assert sentence(done) == "DEVICE_WRITE" and single.choice == "recovery", done
    assert single.status(None)["pending"]["release"] == 7
    done = machine.run("recover", speed=100)
    assert done.status == shim.RESTARTED and "It goes on where it was interrupted." in done.flat, done
    assert single.choice == "A" and single.holds("A", images_of(7))


def test_interrupted_install_goes_on_where_a_system_is_there(world):
    """It was agreed to: nobody is asked again, though this board asks."""
    machine = Machine(world, "recovery")
    machine.stick(files=UPDATE)
    machine.recover("i", faults=[("write", machine.partition("system_b"), 8192, 1 << 30, 5)])
    assert world.choice == "A" and world.status(None)["pending"]["release"] == 7
    text, status = machine.left_alone(20, speed=100)
    assert status == shim.RESTARTED and "By itself in 3 s" in text, text
    assert world.choice == "B" and world.holds("B", images_of(7)), text
