"""Every detail code, made by what makes it: a package, a board, a medium, a server, a person.

One table: a row for each code, and a check that no code of core/detail.h is without one. A row drives the real program
until it says exactly this code; then what it said is looked at as its reader would: is the object named, and the
sentence and the advice are there, and the same is stored where a result is. What no disk image can show is shown by a
Machine around the program (shim.py). Other tests look at the same codes from other sides; here each has its one plain
cause.
"""
import fcntl
import signal
import struct
import subprocess
import time

import pytest

import shim
import test_environment
import test_wipe
import world as worlds
from packing import ZSTD, u64
from shim import Machine
from test_http_install import Server, head, whole
from test_refusals import entry_edit, poked, set_image, set_root, skippable
from world import compose

DETAILS = worlds.details()
ROWS = {}


class Row:
    def __init__(self, make, names, stored, status):
        self.make, self.names, self.stored, self.status = make, names, stored, status


def code(name, names, stored="install", status=None):
    """A row. names: what the message must name; stored: what the stored result is of, or None; status: of the exit,
    where it is not the code's."""
    def keep(make):
        assert name not in ROWS
        ROWS[name] = Row(make, names, stored, status)
        return make
    return keep


def linked(folder, *flags, source, keys=True):
    """The program as it is built, with one more source, or with it in place of its keys."""
    build = worlds.ROOT / "build"
    (folder / "more.c").write_text(source)
    own = [build / "host/obj/recovery" / f"{path.stem}.o" for path in (worlds.ROOT / "recovery").glob("*.c")]
    own += [build / "host/obj/keys.o"] if keys else []
    own += [build / "host/libdevice.a", *(build / f"native/lib/lib{name}.a" for name in ("bearssl", "zstd", "fdt"))]
    subprocess.run(["cc", "-std=c11", "-I", worlds.ROOT / "recovery", "-I", worlds.ROOT / "recovery/core", "-isystem",
                    build / "native/include", *flags, "-o", folder / "linked", folder / "more.c", "-Wl,--start-group",
                    *own, "-Wl,--end-group"], check=True)
    return folder / "linked"


def arguments(make, request):
    return {name: request.getfixturevalue(name) for name in make.__code__.co_varnames[:make.__code__.co_argcount]}


@pytest.mark.parametrize("name", sorted(DETAILS, key=lambda name: DETAILS[name].number))
def test_detail(request, name):
    row, (number, sentence, advice) = ROWS[name], DETAILS[name]
    assert worlds.DETAILS[name] == number, "a number never changes its meaning"
    given = arguments(row.make, request)
    made = row.make(**given)
    world, done = made if isinstance(made, tuple) else (next(iter(given.values())), made)
    assert done.status == (number // 100 if row.status is None else row.status), done
    if number:
        assert f"code {number} {name}" in done.flat, done
        before, found, _ = done.flat.partition(f": {sentence}")
        assert found and row.names in before.rpartition("code ")[2] + before[-200:], done
        assert before[-1] not in " :" and advice and advice in done.flat, done
    if not row.stored:
        return
    newest = next(r for r in world.results if r["what"] == row.stored)
    assert (newest["status"], newest["detail"], newest["detail_name"]) == (number // 100, number, name), (newest, done)
    assert (newest["sentence"], newest["advice"]) == (sentence, advice)
    assert row.names in newest["object"] or not number, newest
    assert f"{newest['object']}: {sentence}" in done.flat or not number, (newest, done)


def test_every_code_has_its_row():
    """A code that nothing produces is no code: it goes, and its number stays unused."""
    assert sorted(ROWS) == sorted(DETAILS)
    assert worlds.DETAILS == {name: detail.number for name, detail in DETAILS.items()}


# --- 2, 3: the caller's -----------------------------------------------------------------------------------------------

@code("OK", "")
def good(world):
    return world.install(compose())


@code("USAGE", "at most 31 long", stored=None)
def reason_of_two_words(world):
    return world.verb("request-recovery", "two words")


@code("NOT_PERMITTED", "without being root", stored=None)
def somebody(world):
    return Machine(world, uid=65534).run("install", world.keep(compose()))


@code("OLDER_NEEDS_CONSENT", "release 4 (4.0)")
def older(world):
    return world.install(compose(release=4))


@code("SINGLE_SLOT_RUNNING", "package")
def only_slot(single):
    return single.refused(compose(), "SINGLE_SLOT_RUNNING", running="A")


@code("NOT_CONFIRMED_YET", "the running system")
def on_trial(world):
    world.install(compose(), expect=0)
    return world.install(compose(release=8), running="B")


@code("BUSY", "disk.img", stored=None)
def two_at_once(world):
    with open(world.disk, "rb") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        return world.install(compose())


@code("NOT_RECOVERY", "`lifeboat recover`", stored=None)
def recovery_from_a_system(world):
    return Machine(world).run("recover")


@code("WIPE_NEEDS_CONSENT", "data (32 KiB)", stored=None)
def nobody_said_yes(world):
    return world.verb("wipe")


@code("NOT_ON_TRIAL", "release 5 (5.0) in slot A", stored=None)
def confirmed_system(world):
    return world.verb("reject")


# --- 10: the package did not arrive -----------------------------------------------------------------------------------

@code("SOURCE_NOT_FOUND", "nowhere.boat")
def missing_file(world):
    return world.refused(world.folder / "nowhere.boat", "SOURCE_NOT_FOUND")


@code("SOURCE_READ", "update.boat")
def file_that_cannot_be_read(world):
    return world.install(compose(), env=shim.environment([("read", "update.boat", 0, 1 << 20, 5)]))


@code("SOURCE_GONE", "/dev/sda")
def stick_that_is_pulled_out(world):
    machine = Machine(world)
    stick = machine.stick(compose().bytes())
    machine.pull_out("sda")
    return machine.run("install", stick, faults=[("read", "/dev/sda", 0, 1 << 20, 5)])


@code("NO_PACKAGE", "USB stick sda (1 MiB)", status=shim.POWERED_OFF)
def stick_without_a_package(world):
    machine = Machine(world, "recovery")
    machine.stick(files={"holiday.jpg": b"\xff\xd8\xff"})
    return machine.recover()


@code("MOUNT_FAILED", "USB stick sda (1 MiB)", status=shim.POWERED_OFF)
def stick_with_another_file_system(world):
    machine = Machine(world, "recovery")
    machine.stick(shim.NTFS)
    return machine.recover()


@code("URL_INVALID", "http://host:0/update.boat")
def port_zero(world):
    return world.install("http://host:0/update.boat")


@code("NETWORK_DOWN", "this device (no network interface)", status=shim.POWERED_OFF)
def no_network(memory):
    extra = 'network-url = "http://192.0.2.7/update.boat";'
    world = worlds.World.blank(memory / "world", board=worlds.board_source(extra=extra))
    return world, Machine(world, "recovery").recover("w")


def impatient(world, url):
    return world.install(url, env=shim.environment(speed=shim.SPEED))


@code("NAME_UNKNOWN", "http://no-such-host.invalid/update.boat")
def unknown_host(world):
    return impatient(world, "http://no-such-host.invalid/update.boat")


@code("CONNECT_FAILED", "http://127.0.0.1:1/update.boat")
def nobody_listens(world):
    return impatient(world, "http://127.0.0.1:1/update.boat")


def served(world, answer):
    with Server(answer) as server:
        return impatient(world, server.url)


def answers(data):
    def answer(connection, number, headers):
        connection.send(data)
        return False
    return answer


@code("CONNECTION_LOST", "http://127.0.0.1")
def server_that_hangs_up(world):
    return served(world, lambda connection, number, headers: False)


@code("HTTP_STATUS", "404")
def not_there(world):
    return served(world, answers(head(404, "Not Found", Content_Length=0)))


@code("HTTP_MALFORMED", "this is not HTTP")
def mail_server(world):
    return served(world, answers(b"220 mail.example ESMTP ready\r\n"))


@code("HTTP_REDIRECTS", "http://127.0.0.1")
def round_and_round(world):
    return served(world, lambda c, number, headers: c.send(head(302, Location=f"/{number}", Content_Length=0)))


@code("HTTP_LENGTH", "another range than asked for")
def bytes_of_another_place(world):
    data = compose().bytes()

    def answer(connection, number, headers):
        if number == 1:  # broken off, so that the next request is one for the rest
            return whole(data, limit=lambda number: len(data) // 2)(connection, number, headers)
        connection.send(head(206, ETag='"one"', Content_Length=10, Content_Range=f"bytes 0-9/{len(data)}") + data[:10])
        return None
    return served(world, answer)


@code("HTTP_NO_RANGE", "http://127.0.0.1")
def server_without_ranges(world):
    data = compose().bytes()
    return served(world, answers(head(200, Content_Length=len(data)) + data[:len(data) // 2]))


@code("HTTP_CHANGED", "http://127.0.0.1")
def two_builds(world):
    data = compose().bytes()
    return served(world, lambda connection, number, headers: whole(
        data, limit=lambda number: len(data) // 2, etag=f'"{number}"')(connection, number, headers))


@code("HTTP_REDIRECT_SCHEME", "http://127.0.0.1")
def to_https(world):
    return served(world, answers(head(302, Location="https://example.com/update.boat", Content_Length=0)))


# --- 20: the package is not to be trusted, or is not for this device --------------------------------------------------

def package(name, names, make, started=False):
    """A row that is a package and nothing else. started: its payload is what is wrong."""
    @code(name, names)
    def refuse(world):
        return world.refused(make(), name, started=started)


def at(off, value):
    """Bytes of the whole package, after it was signed."""
    def edit():
        data = bytearray(compose().bytes())
        data[off:off + len(value)] = value
        return bytes(data)
    return edit


def signed_as(edit):
    def make():
        made = compose()
        made.signatures = [edit(*made.signatures[0])]
        return made
    return make


def without(name):
    return lambda tree: tree.properties.pop(name)


def segment_moved(tree):
    properties = tree.children["images"].children["image@1"].properties
    properties["segments"] = u64(1) + properties["segments"][8:]


def no_tree():
    made = compose()
    made.manifest[0] ^= 1
    return made.sign(worlds.development_key())


def page_flipped():
    made = compose()
    made.payload[made.images()[1].segments[0][0]] ^= 1
    return made


def page_that_counts_wrong(number, segment, page):
    page[24:32] = u64(1)


def stored(chunk, **values):
    return lambda: compose(on_entry=entry_edit(chunk, **values))


package("TOO_SHORT", "update.boat", lambda: b"")
package("NOT_A_PACKAGE", "update.boat", lambda: b"PK\x03\x04" + bytes(500))
package("FORMAT_VERSION", "update.boat", lambda: compose(on_header=poked(8, b"\0\0\0\2")))
package("HEADER_FLAGS", "update.boat", lambda: compose(on_header=poked(12, b"\0\0\0\1")))
package("MANIFEST_LENGTH", "update.boat", lambda: compose(on_header=poked(16, u64(47))))
package("SIGNATURE_BLOCK", "update.boat", lambda: compose(more=[worlds.development_key()]))
package("SIZE_MISMATCH", "update.boat", lambda: compose().bytes()[:-1])
package("UNSIGNED", "update.boat", lambda: compose(key=False))
package("SIGNATURE_WRONG", "update.boat", at(70, b"\xff"))
package("SIGNATURE_ALGORITHM", "update.boat", signed_as(lambda key, algorithm, signature: (key, 2, signature)))
package("MANIFEST_MALFORMED", "update.boat", no_tree)
package("MANIFEST_MISSING", "release", lambda: compose(on_tree=without("release")))
package("MANIFEST_UNKNOWN", "colour", lambda: compose(on_tree=set_root(colour=b"red\0")))
package("MANIFEST_VALUE", "release", lambda: compose(on_tree=set_root(release=u64(0))))
package("THRESHOLD", "signature-threshold", lambda: compose(on_tree=set_root(signature_threshold=u64(2))))
package("ROLE_UNKNOWN", "root", lambda: compose(on_tree=set_root(signature_role=b"root\0")))
package("ENCRYPTED", "update.boat", lambda: compose(on_tree=set_root(recipients=bytes(32))))
package("SEGMENT_LAYOUT", "update.boat", lambda: compose(on_tree=segment_moved))
package("INDEX_HASH", "update.boat", page_flipped, started=True)
package("INDEX_MALFORMED", "update.boat", lambda: compose(on_page=page_that_counts_wrong), started=True)
package("CHUNK_KIND", "update.boat", stored(0, kind=4), started=True)
package("CHUNK_LENGTH", "update.boat", stored(0, length=0), started=True)
package("CHUNK_STORED_HASH", "update.boat", lambda: worlds.spoiled(compose()), started=True)
package("CHUNK_DECOMPRESS", "update.boat", stored(1, kind=ZSTD, stored=skippable(8)), started=True)
package("CHUNK_PLAIN_HASH", "update.boat", stored(0, plain_hash=bytes(32)), started=True)
package("IMAGE_HASH", "update.boat, image system", lambda: compose(on_tree=set_image(sha256=bytes(32))), started=True)
package("WRONG_PRODUCT", "acme,other", lambda: compose(product=["acme,other"]))
package("NEEDS_NEWER_INSTALLED", "release 6", lambda: compose(release=9, minimum=6))
package("IMAGE_ROLE_UNKNOWN", "firmware", lambda: compose(worlds.images_of(7) + [("firmware", b"x" * 100)]))
package("IMAGE_ROLE_MISSING", "system", lambda: compose([("boot", b"x" * 9000)]))


@code("NO_KNOWN_KEY", "update.boat")
def key_of_a_stranger(world, stranger):
    return world.refused(compose(key=stranger), "NO_KNOWN_KEY")


@code("ENDED_EARLY", "update.boat")
def file_that_becomes_shorter(world):
    data = compose().bytes()
    return world.install(data, env=shim.environment([("read", "update.boat", 20000, len(data), "end")]))


@code("BELOW_FLOOR", "release 8 (floor 9)")
def below_the_floor(world):
    world.install(compose(release=9, floor=9), expect=0)
    world.verb("confirm", world.health, running="B", expect=0)
    return world.install(compose(release=8), running="B")


@code("KEY_EPOCH", "key epoch 2 (device: 3)")
def before_the_keys_changed(world):
    world.install(compose(release=9, epoch=3), expect=0)
    world.verb("confirm", world.health, running="B", expect=0)
    return world.install(compose(release=10, epoch=2), running="B")


@code("NO_TRUST_STORE", "update.boat")
def program_without_keys(world):
    """`make` refuses to build it. Who links it by hand gets a program that trusts nobody."""
    return world.install(compose(), program=linked(world.folder, keys=False, source="""
        #include "core/trust.h"
        const struct trust trust_embedded = {0};"""))


@code("PACKAGE_SWAPPED", "update.boat", status=shim.POWERED_OFF)
def another_file_after_the_question(world):
    """While recovery asks, another package comes under the same name."""
    machine = Machine(world, "recovery")
    machine.stick(files={"update.boat": compose().bytes()})
    process = machine.start("recover")
    text = shim.read_until(process, "Install")
    (machine.root / "media/sda/update.boat").write_bytes(compose(release=8).bytes())
    before = world.snapshot()
    rest, _ = process.communicate("ip", timeout=30)
    assert world.holds("A", worlds.images_of(5)) and before
    return world, worlds.Done(subprocess.CompletedProcess([], process.returncode, text + rest, ""), ["recover"])


# --- 30: the device could not be changed ------------------------------------------------------------------------------

def blank_with(folder, **more):
    return worlds.World.blank(folder / "world", **more)


@code("BOARD_MISSING", "this device", stored=None)
def no_board_tree(world):
    machine = Machine(world)
    (machine.root / "sys/firmware/fdt").unlink()
    return machine.run("status")


@code("BOARD_INVALID", "tries", stored=None)
def no_tries(memory):
    world = blank_with(memory, board=worlds.board_source(tries=0))
    return world, world.install(compose(), running=None)


@code("DISK_NOT_FOUND", "partition system_b (vda has 4 of the others)", stored=None)
def a_label_is_misspelt(world):
    machine = Machine(world)
    relabel(world, "system_b", "systemb")
    return machine.run("status")


@code("DISK_AMBIGUOUS", "vda and vdb", stored=None)
def two_disks(world):
    machine = Machine(world)
    machine.disk("vdb", "platform/4010000001.mmc")
    return machine.run("status")


@code("GPT_INVALID", "disk.img", stored=None)
def both_tables_damaged(world):
    for off in (512, world.disk.stat().st_size - 512):
        world.poke(off + 16, b"\xff\xff")
    return world.install(compose())


def relabel(world, old, new):
    number = str(list(world.table).index(old) + 1)
    subprocess.run(["/sbin/sfdisk", "--quiet", "--part-label", "--no-reread", "--no-tell-kernel", world.disk, number,
                    new], check=True)


@code("PARTITION_MISSING", "system_b", stored=None)
def no_such_partition(world):
    relabel(world, "system_b", "systemb")
    return world.install(compose())


@code("PARTITION_TWICE", "boot_b", stored=None)
def label_twice(world):
    relabel(world, "data", "boot_b")
    return world.install(compose())


def in_system(world, machine, **more):
    """Without --disk: the program finds its disk."""
    return machine.run("install", world.keep(compose()), **more)


@code("PARTITION_BUSY", "partition system_b (/dev/vda4, on /mnt/other)")
def mounted(world):
    machine = Machine(world, disk=False)
    machine.disk("vda", busy=["system_b"])
    number = next(node[5] for node in machine.nodes if node[0] == "vda4")
    machine.put("proc/self/mountinfo", f"29 1 254:{number} / /mnt/other rw,relatime shared:1 - ext4 /dev/vda4 rw\n")
    return in_system(world, machine)


@code("PARTITION_CHANGED", "partition system_b (vda4)")
def kernel_has_an_old_table(world):
    machine = Machine(world, disk=False)
    machine.disk("vda", moved=["system_b"])
    return in_system(world, machine)


@code("DEVICE_OPEN", "disk.img", stored=None)
def no_disk(world):
    package = world.keep(compose())
    world.disk.unlink()
    return world.install(package)


def failing(world, operation, what=5):
    """The partition of one image in the slot that is written."""
    machine = Machine(world)
    return in_system(world, machine, faults=[(operation, machine.partition("system_b"), 0, 1 << 30, what)])


@code("DEVICE_READ", "system_b")
def medium_that_cannot_be_read(world):
    return failing(world, "read")


@code("DEVICE_WRITE", "system_b")
def medium_that_cannot_be_written(world):
    return failing(world, "write")


@code("DEVICE_FLUSH", "system_b")
def medium_that_cannot_be_flushed(world):
    return failing(world, "flush")


@code("READ_BACK", "system_b")
def medium_that_forgets(world):
    return failing(world, "write", "lost")


@code("IMAGE_TOO_LARGE", "system of 131073 bytes (system_b has 131072)")
def one_byte_too_large(world):
    return world.install(compose(worlds.images_of(7, size=world.table["system_b"][1] + 1)))


@code("EXTENT_OVERLAP", "boot_b and the boot flags", stored=None)
def slot_over_the_environment(memory):
    world = blank_with(memory, table=worlds.layout() | {"boot_b": (0x7000, 0x1200)})
    return world, world.install(compose(), running=None)


@code("SLOT_UNKNOWN", "slot C")
def slot_of_no_board(world):
    return world.refused(compose(), "SLOT_UNKNOWN", "--slot", "C")


@code("FLAGS_DAMAGED", "U-Boot environment (boot flags)")
def both_copies_damaged(world):
    test_environment.break_both(world)
    return world.install(compose())


@code("FLAGS_FULL", "U-Boot environment (boot flags)")
def no_room_for_flags(world):
    used = sum(len(k) + len(v) + 2 for k, v in test_environment.GOOD.items())
    variables = test_environment.GOOD | {"ballast": "x" * (worlds.ENV_SIZE - 5 - 1 - used - len("ballast") - 2)}
    test_environment.copies(world, variables, variables)
    return world.install(compose())


@code("FLAGS_NOT_STORED", "U-Boot environment (boot flags)")
def flags_that_do_not_stay(world):
    end = worlds.ENV_OFFSETS[1] + worlds.ENV_SIZE
    return world.install(compose(), env=shim.environment([("write", "disk.img", worlds.ENV_OFFSETS[0], end, "lost")]))


@code("STATE_TOO_SMALL", "state partition of 2.9 MiB", stored=None)
def state_too_small(memory):
    world = blank_with(memory, state=3 * worlds.MIB - 4096)
    return world, world.install(compose(), running=None)


@code("CHUNK_CHANGED", "boot_b")
def memory_that_fails(world):
    """A bit turns over between the last check of a chunk and its way to the medium."""
    return world.install(compose(), program=linked(world.folder, "-Wl,--wrap=front_fetch", source="""
        #include "core/front.h"
        enum detail __real_front_fetch(struct front *, const uint8_t **, struct fault *);
        enum detail __wrap_front_fetch(struct front *front, const uint8_t **plain, struct fault *fault);
        enum detail __wrap_front_fetch(struct front *front, const uint8_t **plain, struct fault *fault)
        {
            enum detail detail = __real_front_fetch(front, plain, fault);
            if (!detail)
                ((uint8_t *)*plain)[7] ^= 0x10;
            return detail;
        }"""))


@code("NOT_ENOUGH_SPACE", "USB stick sda (1 MiB)", stored=None, status=shim.POWERED_OFF)
def stick_that_is_full(world):
    machine = Machine(world, "recovery")
    machine.stick(files={})
    return machine.recover("lc", faults=[("write", ".txt", 0, 1 << 20, 28)])  # the log, to be copied


@code("INTERRUPTED", "install")
def ctrl_c(world):
    """While the server lets it wait."""
    data = compose().bytes()
    process = []

    def answer(connection, number, headers):
        connection.send(head(200, Content_Length=len(data)) + data[:-5000])
        while not process:
            time.sleep(0.01)
        process[0].send_signal(signal.SIGINT)
        time.sleep(1)
        return False
    with Server(answer) as server:
        process.append(subprocess.Popen(world.command("install", server.url), stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, encoding="utf-8"))
        out, _ = process[0].communicate(timeout=20)
    return worlds.Done(subprocess.CompletedProcess([], process[0].returncode, out, ""), ["install"])


@code("NO_MEDIUM", "this device", stored=None, status=shim.POWERED_OFF)
def no_stick(world):
    return Machine(world, "recovery").recover("s")


@code("NO_SYSTEM", "this device", stored=None, status=shim.POWERED_OFF)
def nothing_to_start(blank):
    return Machine(blank, "recovery").recover("r")


@code("SLOT_KEPT", "slot A")
def running_slot(world):
    return world.refused(compose(), "SLOT_KEPT", "--slot", "A")


@code("STATE_LOST", "state partition", stored="trial", status=0)
def somebody_erased_the_state(world):
    world.put("state", bytes(world.table["state"][1]))
    return world.verb("confirm", world.health)


@code("NOTHING_TO_WIPE", "the board tree", stored="wipe")
def board_without_user_data(world):
    worlds.compile_board(world.board, worlds.board_source().replace('wipe = "data";', ""))
    return world.verb("wipe", "--yes", running=None)


@code("WIPE_GIVEN_UP", "erasing user data", stored="wipe", status=shim.POWERED_OFF)
def tenth_start_that_did_not_end(world):
    test_wipe.begun(world, 10)
    return Machine(world, "recovery").recover()


@code("RESTARTS", "recovery", stored="install", status=shim.POWERED_OFF)
def eleventh_start_that_came_to_no_rest(world):
    world.put_record(400, struct.pack(">QQ", 10, 0))
    return Machine(world, "recovery").recover()


# --- 40: the installed system did not prove itself --------------------------------------------------------------------

def confirmed(world, name, text, mode=0o755):
    world.install(compose(), expect=0)
    (world.health / name).write_text(f"#!/bin/sh\n{text}\n")
    (world.health / name).chmod(mode)
    return world.verb("confirm", world.health, running="B")


@code("HEALTH_FAILED", "50-network (exit status 1)", stored="confirm")
def check_that_fails(world):
    return confirmed(world, "50-network", "exit 1")


@code("HEALTH_TIMEOUT", "50-hangs (1 s)", stored="confirm")
def check_that_hangs(world):
    return confirmed(world, "50-hangs", "sleep 60")


@code("HEALTH_UNUSABLE", "50-mode", stored="confirm")
def check_that_is_no_program(world):
    return confirmed(world, "50-mode", "exit 0", 0o644)


@code("TRIAL_FAILED", "release 7 (7.0) in slot B", stored="trial", status=0)
def trial_without_a_confirmation(world):
    world.install(compose(), expect=0)
    world.setenv(BOOT_B_LEFT="0")
    return world.verb("confirm", world.health)


@code("SLOT_NOT_RUNNING", "the kernel command line")
def boot_script_that_says_nothing(world):
    return in_system(world, Machine(world, running=None))


@code("FELL_BACK", "release 7 (7.0) in slot B", stored="trial", status=0)
def proved_system_that_does_not_come_up(world):
    world.install(compose(), expect=0)
    world.verb("confirm", world.health, running="B", expect=0)
    world.setenv(BOOT_B_LEFT="0")
    return world.verb("confirm", world.health, running="A")


@code("SLOT_NOT_BOOTABLE", "slot B", stored=None)
def confirmed_after_it_was_given_up(world):
    world.install(compose(), expect=0)
    world.verb("reject", "too-slow", running="B", expect=0)
    done = world.verb("confirm", world.health, running="B")
    assert world.env["BOOT_B_GOOD"] == "0" and worlds.boot_choice(world.env) == "A"
    return done


@code("FLAGS_WENT_BACK", "release 7 (7.0) in slot B", stored="trial", status=0)
def flags_of_before_are_in_force(world):
    world.install(compose(), expect=0)
    world.setenv(BOOT_ORDER="A", BOOT_B_LEFT="0")
    return world.verb("confirm", world.health)


@code("REJECTED", "release 7 (7.0) in slot B, reason too-slow", stored="confirm", status=0)
def somebody_gives_it_up(world):
    world.install(compose(), expect=0)
    world.verb("reject", "too-slow", running="B", expect=0)
    return world.verb("status")
