"""What must not be installed is refused with its own code and a sentence, and changes nothing.

Every hostile manifest, index page and chunk here is signed with the device's key after it was spoiled: the check that
is meant fires, not the signature.
"""

import functools
import os
import socket
import struct
import subprocess

import pytest

import packing
import world as worlds
from packing import FILL, RAW, ZSTD, u64
from world import CHUNK, PRODUCT, compose, images_of, sha256


# --- signatures -------------------------------------------------------------------------------------------------------

def test_the_good_package_is_installed(world):
    """Without this, every refusal below could have another cause."""
    images = images_of(7)
    world.install(compose(images), expect=0)
    assert world.holds("B", images)
    assert world.choice == "B"


def test_signed_with_both_keys(world, stranger):
    world.install(compose(key=stranger, more=[worlds.development_key()]), expect=0)


def test_signature_of_another_package(world):
    package, other = compose(release=7), compose(release=8)
    package.signatures = other.signatures
    world.refused(package, "SIGNATURE_WRONG")


def test_foreign_signature_with_our_key_id(world, stranger):
    package = compose(key=stranger)
    (_, algorithm, signature), = package.signatures
    package.signatures = [(worlds.development_key().id, algorithm, signature)]
    world.refused(package, "SIGNATURE_WRONG")


def test_our_broken_signature_beside_a_foreign_one(world, stranger):
    package = compose(key=stranger, more=[worlds.development_key()])
    key_id, algorithm, signature = package.signatures[1]
    package.signatures[1] = key_id, algorithm, signature[:-1] + bytes([signature[-1] ^ 1])
    world.refused(package, "SIGNATURE_WRONG")


@pytest.mark.parametrize("algorithm", [0, 2, 0xffffffff])
def test_algorithm_unknown(world, algorithm):
    package = compose()
    (key_id, _, signature), = package.signatures
    package.signatures = [(key_id, algorithm, signature)]
    world.refused(package, "SIGNATURE_ALGORITHM")


def test_same_key_twice(world):
    package = compose()
    package.signatures *= 2
    world.refused(package, "SIGNATURE_BLOCK")


def test_seventeen_signatures(world):
    package = compose()
    package.signatures += [(sha256(bytes([i])), 1, b"x" * 70) for i in range(16)]
    world.refused(package, "SIGNATURE_BLOCK")


def test_sixteen_signatures_of_which_the_last_is_ours(world):
    package = compose()
    package.signatures = [(sha256(bytes([i])), 77, b"x" * 70) for i in range(15)] + package.signatures
    world.install(package, expect=0)


def degenerate(kind):
    """Signatures that bad verifiers take: empty integers, zero, the group's order."""
    order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551

    def integer(value):
        body = value.to_bytes(value.bit_length() // 8 + 1, "big")
        return b"\x02" + bytes([len(body)]) + body

    def sequence(*parts):
        body = b"".join(parts)
        return b"\x30" + bytes([len(body)]) + body
    return {
        "zeros": sequence(integer(0), integer(0)),
        "ones": sequence(integer(1), integer(1)),
        "order": sequence(integer(order), integer(order)),
        "order and one": sequence(integer(order), integer(1)),
        "empty integers": sequence(b"\x02\x00", b"\x02\x00"),
        "empty sequence": sequence(),
        "one zero byte": b"\x00",
        "long": sequence(integer(1), integer(1)) + bytes(1000),
    }[kind]


@pytest.mark.parametrize("kind", ["zeros", "ones", "order", "order and one", "empty integers", "empty sequence",
                                  "one zero byte", "long"])
def test_degenerate_signatures(world, kind):
    package = compose()
    (key_id, algorithm, _), = package.signatures
    package.signatures = [(key_id, algorithm, degenerate(kind))]
    world.refused(package, "SIGNATURE_WRONG")


def test_bytes_after_the_signature_itself(world):
    """DER is exact: what follows the sequence makes another signature of it."""
    package = compose()
    (key_id, algorithm, signature), = package.signatures
    package.signatures = [(key_id, algorithm, signature + b"\x00")]
    world.refused(package, "SIGNATURE_WRONG")


# --- flips and cuts ---------------------------------------------------------------------------------------------------

class Parts:
    """A package of one chunk of each kind, and where its parts lie."""

    def __init__(self):
        self.images = [("boot", packing.noise(60, 1)), ("system", b"quick" * 20 + bytes(CHUNK - 100) + b"\xff" * 300)]
        self.package = compose(self.images)
        self.data = self.package.bytes()
        self.manifest = 64
        self.block = self.manifest + len(self.package.manifest)
        self.payload = self.block + len(self.package.block)
        self.ranges = []  # (first, end, details that may be)
        entries = [e for image in self.package.images() for e in image.entries]
        assert [e[1] for e in entries] == [RAW, ZSTD, FILL]
        at = self.payload
        for _, _, place, length in entries:
            start = self.payload + place
            if at < start:
                self.ranges.append((at, start, {"INDEX_HASH"}))
            self.ranges.append((start, start + length, {"CHUNK_STORED_HASH"}))
            at = start + length
        assert at == len(self.data)
        signature = self.block + 16 + 48
        length = len(self.package.signatures[0][2])
        self.ranges += [
            (0, 8, {"NOT_A_PACKAGE"}), (8, 12, {"FORMAT_VERSION"}), (12, 16, {"HEADER_FLAGS"}),
            # A length that is wrong may be noticed by what it moves.
            (16, 24, {"MANIFEST_LENGTH", "SIZE_MISMATCH", "SIGNATURE_BLOCK", "SIGNATURE_WRONG", "TOO_SHORT"}),
            (24, 32, {"SIZE_MISMATCH", "SIGNATURE_WRONG"}), (32, 64, {"HEADER_FLAGS"}),
            (self.manifest, self.block, {"SIGNATURE_WRONG"}),
            (self.block, self.block + 8, {"SIGNATURE_BLOCK", "SIZE_MISMATCH", "TOO_SHORT"}),
            (self.block + 8, self.block + 16, {"SIGNATURE_BLOCK", "UNSIGNED"}),
            (self.block + 16, self.block + 48, {"NO_KNOWN_KEY"}),
            (self.block + 48, self.block + 52, {"SIGNATURE_ALGORITHM"}),
            (self.block + 52, self.block + 56, {"SIGNATURE_BLOCK"}),
            (self.block + 56, self.block + 64, {"SIGNATURE_BLOCK", "SIGNATURE_WRONG"}),
            (signature, signature + length, {"SIGNATURE_WRONG"}),
            (signature + length, self.payload, {"SIGNATURE_BLOCK"}),
        ]

    def allowed(self, at):
        return next(details for first, end, details in self.ranges if first <= at < end)

    @property
    def boundaries(self):
        return sorted({b for first, end, _ in self.ranges for b in (first, end)})


@pytest.fixture(scope="module")
def parts():
    return Parts()


def quick_refusal(world, data, details, snapshot, started):
    """As World.refused, without a second process: thousands of packages go through here."""
    path = world.keep(bytes(data), "spoiled")
    done = world.install(path)
    assert any(f"code {worlds.DETAILS[d]} {d}" in done.flat for d in details), (details, done)
    assert done.status in {worlds.DETAILS[d] // 100 for d in details}, done
    after = world.snapshot()
    if started:
        for name in after:
            if not name.startswith("environment") and not name.endswith("_b"):
                assert after[name] == snapshot[name], (name, done)
        assert world.choice == "A", done
    else:
        assert after == snapshot, done
        assert worlds.NOTHING_CHANGED in done.flat, done


@pytest.mark.parametrize("share", range(4))
def test_every_byte_of_a_package_counts(world, parts, share):
    """All of them, before the payload with nothing changed, in the payload with the running system untouched."""
    snapshot = world.snapshot()
    for at in range(share, len(parts.data), 4):
        data = bytearray(parts.data)
        data[at] ^= 1 << (at // 4 % 8)
        started = at >= parts.payload
        quick_refusal(world, data, parts.allowed(at), snapshot, started)
        if started:  # what the target holds already need not be read again
            world.put("boot_b", bytes(CHUNK))
            world.put("system_b", bytes(3 * CHUNK))
    assert world.env["BOOT_A_GOOD"] == "1"
    world.install(parts.data, expect=0)


def test_flips_in_a_package_of_many_chunks(world):
    images = [("boot", packing.noise(9000, 3)), ("system", worlds.system(30 * CHUNK, 3))]
    package = compose(images)
    entries = [(number, i, e) for number, image in enumerate(package.images()) for i, e in enumerate(image.entries)]
    start = len(package.bytes()) - len(package.payload)
    for number, i, (_, kind, place, length) in entries[::3]:
        for at in {place, place + length // 2, place + length - 1}:
            data = bytearray(package.bytes())
            data[start + at] ^= 0x80
            done = world.refused(bytes(data), "CHUNK_STORED_HASH", started=True)
            newest = world.results[0]
            assert newest["image"] == images[number][0], done
            assert newest["offset"] == i * CHUNK, newest
            for label in ("boot_b", "system_b"):
                world.put(label, b"\x5a" * world.table[label][1])


def test_truncated_at_every_boundary_and_between(world, parts):
    lengths = set()
    for b in parts.boundaries:
        lengths |= {b - 1, b, b + 1}
    lengths |= set(range(0, len(parts.data), 37))
    snapshot = world.snapshot()
    for length in sorted(n for n in lengths if 0 <= n < len(parts.data)):
        wanted = {"TOO_SHORT"} if length < 64 else {"SIZE_MISMATCH", "ENDED_EARLY", "TOO_SHORT"}
        quick_refusal(world, parts.data[:length], wanted, snapshot, started=False)


@pytest.mark.parametrize("more", [b"\0", b"x", b"\0" * 7, b"LBOAT\r\n\x1a", bytes(5000)])
def test_trailing_data(world, more):
    world.refused(compose().bytes() + more, "SIZE_MISMATCH")


def test_two_packages_one_after_the_other(world):
    world.refused(compose().bytes() + compose(release=8).bytes(), "SIZE_MISMATCH")


# --- things that are no package ---------------------------------------------------------------------------------------

def test_header_alone(world):
    done = world.verb("install", world.keep(compose().bytes()[:64]))
    assert done.status == 20 and ("SIZE_MISMATCH" in done.flat or "TOO_SHORT" in done.flat), done
    assert worlds.NOTHING_CHANGED in done.flat


@pytest.mark.parametrize("data", [b"PK\x03\x04" + bytes(500), b"\0" * 4096, b"<html><body>404</body></html>" * 20,
                                  b"LBOAT\n\x1a\0" + bytes(200), b"lboat\r\n\x1a" + bytes(200)])
def test_other_kinds_of_files(world, data):
    world.refused(data, "NOT_A_PACKAGE", named="update.boat")


def test_directory(world):
    path = world.folder / "folder.boat"
    path.mkdir()
    done = world.refused(path, "SOURCE_NOT_FOUND", named="folder.boat")
    assert "a folder, error 21" in done.flat, done


def test_character_device(world):
    done = world.verb("install", "/dev/zero", timeout=20)
    assert done.status in (10, 20) and "/dev/zero" in done.flat and "code" in done.flat, done
    assert worlds.NOTHING_CHANGED in done.flat


def test_null_device(world):
    done = world.verb("install", "/dev/null", timeout=20)
    assert done.status in (10, 20) and "/dev/null" in done.flat and "code" in done.flat, done


def test_fifo_does_not_hang(world):
    path = world.folder / "fifo.boat"
    os.mkfifo(path)
    done = world.verb("install", path, timeout=20)
    assert done.status in (10, 20) and "fifo.boat" in done.flat and "code" in done.flat, done


def test_socket(world):
    path = world.folder / "socket.boat"
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(path))
        done = world.verb("install", path, timeout=20)
    assert done.status == 10 and "socket.boat" in done.flat, done


def test_symbolic_link_to_a_package(world):
    """`update.boat -> update-7.boat` is how people name their newest release."""
    real = world.keep(compose(), "real")
    link = world.folder / "link.boat"
    link.symlink_to(real)
    world.install(link, expect=0)


def test_symbolic_link_to_nowhere(world):
    link = world.folder / "link.boat"
    link.symlink_to(world.folder / "gone")
    world.refused(link, "SOURCE_NOT_FOUND", named="link.boat")


def test_unreadable_file(world):
    path = world.keep(compose())
    path.chmod(0)
    if os.geteuid() == 0:  # root reads it all the same: be somebody else
        subprocess.run(["chmod", "-R", "a+rwX", world.folder], check=True)
        path.chmod(0)
        folder = world.folder
        while folder.stat().st_uid == os.geteuid() and str(folder).startswith(("/tmp/", "/dev/shm/")):
            folder.chmod(folder.stat().st_mode | 0o011)
            folder = folder.parent
        done = world.install(path, user=65534, group=65534)
    else:
        done = world.install(path)
    assert done.status == 10 and done.says("SOURCE_NOT_FOUND"), done
    assert "update.boat" in done.flat and "ermission" in done.flat, done


@pytest.mark.parametrize("name", ["with space.boat", "ümläut.boat", "x" * 200 + ".boat", "-dash.boat", "new\nline.boat"])
def test_odd_file_names(world, name):
    path = world.folder / name
    path.write_bytes(compose().bytes())
    world.install(path, expect=0)
    assert len(world.results[0]["origin"].encode()) <= 255


# --- what the package is for ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("product", [PRODUCT + "2", PRODUCT[:-1], PRODUCT.upper(), "lifeboat", PRODUCT + ",x"])
def test_similar_products(world, product):
    world.refused(compose(product=[product]), "WRONG_PRODUCT")


def test_one_of_sixteen_products(world):
    world.install(compose(product=[f"acme,{i}" for i in range(15)] + [PRODUCT]), expect=0)


def test_below_the_floor(world):
    """The floor of a package counts once it confirmed itself: from then on what is older is refused, consent or not."""
    world.install(compose(release=9, floor=9), expect=0)
    world.verb("confirm", world.health, running="B", expect=0)
    assert world.status()["rollback_floor"] == 9
    for words in ((), ("--allow-older",)):
        world.refused(compose(release=8), "BELOW_FLOOR", *words, running="B", named="8")
    world.install(compose(release=9), running="B", expect=0)


def test_the_floor_counts_in_recovery_and_for_both_slots(world):
    world.install(compose(release=9, floor=9), expect=0)
    world.verb("confirm", world.health, running="B", expect=0)
    world.refused(compose(release=8), "BELOW_FLOOR", "--allow-older", running=None)
    world.refused(compose(release=8), "BELOW_FLOOR", "--allow-older", "--slot", "A", running="B")


def test_key_epoch_left_behind(world):
    world.install(compose(release=9, epoch=3), expect=0)
    assert world.status()["key_epoch"] == 0
    world.verb("confirm", world.health, running="B", expect=0)
    assert world.status()["key_epoch"] == 3
    world.refused(compose(release=10, epoch=2), "KEY_EPOCH", running="B")
    world.install(compose(release=10, epoch=3), running="B", expect=0)


def test_minimum_release(world):
    world.refused(compose(release=9, minimum=6), "NEEDS_NEWER_INSTALLED", named="6")
    world.install(compose(release=9, minimum=5), expect=0)


@pytest.mark.parametrize("release", [5, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1])
def test_release_numbers_of_all_sizes_are_newer(world, release):
    world.install(compose(release=release), expect=0)
    world.verb("confirm", world.health, running="B", expect=0)
    assert world.slot("B")["release"] == release
    if release > 5:
        world.refused(compose(release=release - 1), "OLDER_NEEDS_CONSENT", running="B")


def test_floor_of_64_bits(world):
    top = 2**64 - 1
    world.install(compose(release=top, floor=top), expect=0)
    world.verb("confirm", world.health, running="B", expect=0)
    assert world.status()["rollback_floor"] == top
    world.refused(compose(release=top - 1), "BELOW_FLOOR", "--allow-older", running="B")
    world.refused(compose(release=2**63), "BELOW_FLOOR", "--allow-older", running="B")


@pytest.mark.parametrize("high,low", [(2**33 + 1, 2**32 + 7), (2**32, 2**31), (2**63, 2**62), (2**63 + 1, 7),
                                      (2**32 + 1, 2**32)])
def test_every_comparison_has_64_bits(world, high, low):
    """Cut to 32 bits, or taken as signed, the lower number is the higher one."""
    base = world.copy(world.folder / "base")
    base.refused(compose(release=2**64 - 1, minimum=high), "NEEDS_NEWER_INSTALLED")
    base.install(compose(release=high, floor=1, epoch=high), expect=0)
    base.verb("confirm", base.health, running="B", expect=0)
    base.refused(compose(release=high + 1, epoch=low), "KEY_EPOCH", running="B")
    base.refused(compose(release=low, epoch=high), "OLDER_NEEDS_CONSENT", running="B")
    world.install(compose(release=high, floor=high), expect=0)
    world.verb("confirm", world.health, running="B", expect=0)
    assert world.status()["rollback_floor"] == high
    world.refused(compose(release=low), "BELOW_FLOOR", "--allow-older", running="B")
    world.install(compose(release=high), running="B", expect=0)


# --- sizes and places -------------------------------------------------------------------------------------------------

def test_image_larger_than_its_partition_by_one_byte(world):
    size = world.table["system_b"][1]
    world.refused(compose(images_of(7, size=size + 1)), "IMAGE_TOO_LARGE", named="system")
    world.refused(compose(images_of(7, boot=world.table["boot_b"][1] + 1)), "IMAGE_TOO_LARGE", named="boot")


def test_image_that_fills_its_partition(world):
    images = images_of(7, boot=world.table["boot_b"][1], size=world.table["system_b"][1])
    world.install(compose(images), expect=0)
    assert world.holds("B", images)


def test_image_of_one_byte(world):
    images = [("boot", b"x"), ("system", b"y")]
    world.install(compose(images), expect=0)
    assert world.holds("B", images)


def test_what_lies_behind_an_image_in_its_partition_stays(world):
    """Only the sectors that the image needs are written, whatever the chunk size."""
    world.put("boot_b", b"\x5a" * world.table["boot_b"][1])
    images = images_of(7, boot=9001)
    world.install(compose(images), expect=0)
    assert world.holds("B", images)
    rest = world.get("boot_b")[9216:]
    assert rest == b"\x5a" * len(rest)


@pytest.mark.parametrize("role", ["recovery", "state", "data", "boot_a", "system_a"])
def test_partition_labels_are_not_roles(world, role):
    world.refused(compose(images_of(7) + [(role, b"x" * 100)]), "IMAGE_ROLE_UNKNOWN", named=role)


@pytest.mark.parametrize("off,size", [
    (0x8000, 0x4000), (0xC000, 0x4000), (0x7000, 0x1200), (0xBE00, 0x200), (0xFE00, 0x2000), (0x7000, 0xA000)])
def test_slot_over_the_environment(memory, off, size):
    """A partition that touches a copy of the environment by a sector is an error with both names in it."""
    new = worlds.World.blank(memory / "world", table=worlds.layout() | {"boot_b": (off, size)})
    before = new.snapshot()
    done = new.install(compose(images_of(7, boot=300)), "--slot", "B", running=None)
    assert done.status == 30 and done.says("EXTENT_OVERLAP"), done
    assert "boot_b and the boot flags" in done.flat, done
    assert new.snapshot() == before


def test_state_partition_over_the_environment(memory):
    table = worlds.layout()
    new = worlds.World.blank(memory / "world", table=table, board=worlds.board_source(
        offsets=(table["state"][0], 0xC000)))
    before = new.disk.read_bytes()
    done = new.install(compose(), running=None)
    assert done.status == 30 and done.says("EXTENT_OVERLAP"), done
    assert new.disk.read_bytes() == before


def test_environment_copies_that_overlap_each_other(memory):
    new = worlds.World.blank(memory / "world", board=worlds.board_source(offsets=(0x8000, 0xA000)))
    before = new.disk.read_bytes()
    done = new.install(compose(), running=None)
    assert done.status == 30 and done.says("BOARD_INVALID"), done
    assert new.disk.read_bytes() == before


def test_environment_over_the_partition_table(memory):
    new = worlds.World.blank(memory / "world", board=worlds.board_source(offsets=(0x200, 0xC000)))
    before = new.disk.read_bytes()
    done = new.install(compose(), running=None)
    assert done.status == 30 and done.says("EXTENT_OVERLAP"), done
    assert new.disk.read_bytes() == before


def test_two_roles_in_one_partition(memory):
    board = worlds.board_source().replace('system = "system_b"', 'system = "boot_b"')
    new = worlds.World.blank(memory / "world", board=board)
    before = new.disk.read_bytes()
    done = new.install(compose(), running=None)
    assert done.status == 30 and "boot_b" in done.flat, done
    assert new.disk.read_bytes() == before


@pytest.mark.parametrize("label", ["recovery", "state", "boot_a"])
def test_slot_that_names_a_partition_of_others(memory, label):
    board = worlds.board_source().replace('boot = "boot_b"', f'boot = "{label}"')
    new = worlds.World.blank(memory / "world", board=board)
    before = new.disk.read_bytes()
    done = new.install(compose(), running=None)
    assert done.status == 30 and label in done.flat, done
    assert new.disk.read_bytes() == before


def test_partition_that_is_not_there(memory):
    table = worlds.layout()
    del table["system_b"]
    new = worlds.World.blank(memory / "world", table=table)
    done = new.install(compose(), running=None)
    assert done.status == 30 and done.says("PARTITION_MISSING") and "system_b" in done.flat, done


def test_damaged_partition_table(world):
    """Both copies. A table whose checksum does not hold is no ground to write on."""
    size = world.disk.stat().st_size
    world.poke(512 + 16, b"\xff\xff")
    world.poke(size - 512 + 16, b"\xff\xff")
    before = world.disk.read_bytes()
    done = world.install(compose())
    assert done.status == 30 and done.says("GPT_INVALID"), done
    assert world.disk.read_bytes() == before


# --- header -----------------------------------------------------------------------------------------------------------

EDGES = [0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**32 + 64, 2**63 - 1, 2**63, 2**64 - 64, 2**64 - 1]


def poked(off, value):
    def edit(buffer):
        buffer[off:off + len(value)] = value
    return edit


@pytest.mark.parametrize("version", [0, 2, 0x01000000, 0xffffffff])
def test_format_version(world, version):
    world.refused(compose(on_header=poked(8, struct.pack(">I", version))), "FORMAT_VERSION")


@pytest.mark.parametrize("off", [12, 15, 32, 47, 63])
def test_header_flags_and_reserved_bytes(world, off):
    world.refused(compose(on_header=poked(off, b"\x01")), "HEADER_FLAGS")


@pytest.mark.parametrize("value", EDGES)
def test_manifest_length(world, value):
    done = world.install(compose(on_header=poked(16, u64(value))))
    assert done.status == 20, done
    if value < 48 or value > 1 << 20:
        assert done.says("MANIFEST_LENGTH"), done
    assert worlds.NOTHING_CHANGED in done.flat


@pytest.mark.parametrize("value", EDGES)
def test_payload_length(world, value):
    done = world.install(compose(on_header=poked(24, u64(value))))
    assert done.status == 20 and done.says("SIZE_MISMATCH"), done
    assert worlds.NOTHING_CHANGED in done.flat


@pytest.mark.parametrize("off,value", [(off, value) for off in (0, 8, 56)
                                       for value in EDGES + [7, 8, 17, 65544, 65536] if (off, value) != (8, 1)])
def test_lengths_in_the_signature_block(world, off, value):
    """Length of the block, number of entries, length of a signature. None of them is signed."""
    package = compose()
    data = bytearray(package.bytes())
    at = 64 + len(package.manifest) + off
    assert data[at:at + 8] != u64(value)
    data[at:at + 8] = u64(value)
    done = world.install(bytes(data))
    assert done.status == 20, done
    assert any(d in done.flat for d in ("SIGNATURE_BLOCK", "SIZE_MISMATCH", "UNSIGNED", "SIGNATURE_WRONG",
                                        "TOO_SHORT")), done
    assert worlds.NOTHING_CHANGED in done.flat


# --- manifest ---------------------------------------------------------------------------------------------------------

ROOT_PROPERTIES = ["compatible", "product", "version", "release", "rollback-floor", "minimum-release", "key-epoch",
                   "signature-role", "signature-threshold", "recipients"]
IMAGE_PROPERTIES = ["role", "size", "sha256", "chunk-size", "segments"]


def set_root(**values):
    def edit(tree):
        for name, value in values.items():
            tree.properties[name.replace("_", "-")] = value
    return edit


def set_image(number=1, **values):
    def edit(tree):
        for name, value in values.items():
            tree.children["images"].children[f"image@{number}"].properties[name.replace("_", "-")] = value
    return edit


@pytest.mark.parametrize("name", ROOT_PROPERTIES)
def test_required_property_missing(world, name):
    world.refused(compose(on_tree=lambda t: t.properties.pop(name)), "MANIFEST_MISSING", named=name)


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("name", IMAGE_PROPERTIES)
def test_required_property_of_an_image_missing(world, name, number):
    world.refused(compose(on_tree=lambda t: t.children["images"].children[f"image@{number}"].properties.pop(name)),
                  "MANIFEST_MISSING", named=name)


def test_no_images(world):
    world.refused(compose(on_tree=lambda t: t.children.pop("images")), "MANIFEST_MISSING", named="images")


def test_images_empty(world):
    done = world.install(compose([]))
    assert done.status == 20 and "code 201" in done.flat and worlds.NOTHING_CHANGED in done.flat, done


@pytest.mark.parametrize("name", ROOT_PROPERTIES)
@pytest.mark.parametrize("value", [b"", b"\0", bytes(7), bytes(9), b"no end", b"\xff" * 8])
def test_required_property_of_another_form(world, name, value):
    """No length or content of a property is taken for granted; empty recipients are the only ones that fit here."""
    package = compose(on_tree=set_root(**{name: value}))
    if (name, value) in (("recipients", b""), ("release", b"\xff" * 8), ("key-epoch", b"\xff" * 8)):
        return
    done = world.install(package)
    assert done.status == 20 and worlds.NOTHING_CHANGED in done.flat and name in done.flat, done
    assert any(d in done.flat for d in ("MANIFEST_VALUE", "THRESHOLD", "ROLE_UNKNOWN", "ENCRYPTED")), done


@pytest.mark.parametrize("name", IMAGE_PROPERTIES)
@pytest.mark.parametrize("value", [b"", b"\0", bytes(7), bytes(8), bytes(9), bytes(31), bytes(33), bytes(55), b"no end"])
def test_image_property_of_another_form(world, name, value):
    done = world.install(compose(on_tree=set_image(**{name: value})))
    assert done.status == 20 and worlds.NOTHING_CHANGED in done.flat, done
    assert any(d in done.flat for d in ("MANIFEST_VALUE", "SEGMENT_LAYOUT", "IMAGE_ROLE_UNKNOWN")), done


def add_node(path, name):
    def edit(tree):
        for part in path:
            tree = tree.children[part]
        tree.children[name] = packing.Tree()
    return edit


def test_unknown_property_of_an_image(world):
    world.refused(compose(on_tree=set_image(offset=u64(0))), "MANIFEST_UNKNOWN", named="offset")


def test_unknown_property_of_images(world):
    def edit(tree):
        tree.children["images"].properties["count"] = u64(2)
    world.refused(compose(on_tree=edit), "MANIFEST_UNKNOWN", named="count")


@pytest.mark.parametrize("path", [(), ("images",), ("images", "image@0")])
def test_unknown_node(world, path):
    world.refused(compose(on_tree=add_node(path, "scripts")), "MANIFEST_UNKNOWN", named="scripts")


def test_properties_for_people(world):
    world.install(compose(on_tree=lambda t: (set_root(x_ticket=b"4711\0")(t), set_image(x_source=b"\xff")(t))), expect=0)


def test_notes_and_created(world):
    world.install(compose(on_tree=set_root(notes="Line 1\nLine ä\0".encode(), created=u64(2**63))), expect=0)
    world.refused(compose(on_tree=set_root(notes=b"x" * 4096 + b"\0")), "MANIFEST_VALUE", named="notes", running="A")
    world.install(compose(on_tree=set_root(notes=b"x" * 4095 + b"\0")), expect=0)


@pytest.mark.parametrize("version", [b"\0", b"x" * 64 + b"\0", b"1\0" b"2\0", b"\x1b[2J\0", b"1\n2\0", b"\xff\xfe\0",
                                     b"\xc0\x80\0", b"\x7f\0"])
def test_version_that_must_not_reach_a_screen(world, version):
    world.refused(compose(on_tree=set_root(version=version)), "MANIFEST_VALUE", named="version")


def test_version_of_63_bytes(world):
    world.install(compose(version="v" * 63), expect=0)
    assert world.slot("B")["version"] == "v" * 63


@pytest.mark.parametrize("name,value,detail", [
    ("release", 0, "MANIFEST_VALUE"), ("rollback-floor", 8, "MANIFEST_VALUE"),
    ("rollback-floor", 2**64 - 1, "MANIFEST_VALUE"), ("minimum-release", 8, "MANIFEST_VALUE"),
    ("minimum-release", 2**63, "MANIFEST_VALUE"), ("signature-threshold", 0, "THRESHOLD"),
    ("signature-threshold", 2, "THRESHOLD"), ("signature-threshold", 2**32 + 1, "THRESHOLD"),
    ("signature-threshold", 2**64 - 1, "THRESHOLD")])
def test_numbers_of_the_manifest(world, name, value, detail):
    world.refused(compose(on_tree=set_root(**{name: u64(value)})), detail, named=name)


@pytest.mark.parametrize("role", [b"root\0", b"Release\0", b"releases\0"])
def test_signature_role_unknown(world, role):
    world.refused(compose(on_tree=set_root(signature_role=role)), "ROLE_UNKNOWN")


@pytest.mark.parametrize("count", [1, 2])
def test_encrypted(world, count):
    world.refused(compose(on_tree=set_root(recipients=bytes(32 * count))), "ENCRYPTED")


def test_other_compatible(world):
    world.refused(compose(on_tree=set_root(compatible=b"lifeboat,package-2\0")), "MANIFEST_VALUE", named="compatible")


def test_seventeen_products(world):
    world.refused(compose(product=[PRODUCT] + [f"acme,{i}" for i in range(16)]), "MANIFEST_VALUE", named="product")


def test_role_twice(world):
    done = world.install(compose([("boot", b"1" * 50), ("system", b"2" * 50), ("boot", b"3" * 50)]))
    assert done.status == 20 and "MANIFEST_VALUE" in done.flat and worlds.NOTHING_CHANGED in done.flat, done


@pytest.mark.parametrize("role", ["", "Boot", "bo/ot", "../boot", "b" * 32, "boot ", "böot"])
def test_role_that_is_none(world, role):
    world.refused(compose([(role, b"x" * 50), ("system", b"y" * 50)]), "MANIFEST_VALUE", named="role")


def test_images_out_of_order(world):
    def swap(tree):
        nodes = tree.children["images"].children
        tree.children["images"].children = {"image@1": nodes["image@1"], "image@0": nodes["image@0"]}
    done = world.install(compose(on_tree=swap))
    assert done.status == 20 and worlds.NOTHING_CHANGED in done.flat, done


@pytest.mark.parametrize("name", ["image@1", "image@01", "image", "image@2", "image@x"])
def test_image_node_of_another_name(world, name):
    def rename(tree):
        nodes = tree.children["images"].children
        tree.children["images"].children = {name: nodes["image@0"]}
    done = world.install(compose([("boot", b"x" * 50)], on_tree=rename))
    assert done.status == 20 and worlds.NOTHING_CHANGED in done.flat, done


def test_seventeen_images(world):
    done = world.install(compose([(f"r{i}", b"x") for i in range(17)]))
    assert done.status == 20 and "IMAGE_ROLE" not in done.flat and worlds.NOTHING_CHANGED in done.flat, done


@pytest.mark.parametrize("size", EDGES + [2**62, 2**62 + 1, CHUNK * 10 + 101, CHUNK * 11, CHUNK * 10, 1])
def test_size_of_an_image(world, size):
    """Any size but the one that the segments make up. 2^62 is allowed as such, but not with these segments."""
    done = world.install(compose(on_tree=set_image(size=u64(size))))
    assert done.status in (20, 30), done
    assert any(d in done.flat for d in ("MANIFEST_VALUE", "SEGMENT_LAYOUT", "IMAGE_TOO_LARGE", "INDEX_MALFORMED",
                                        "CHUNK_LENGTH", "CHUNK_PLAIN_HASH", "IMAGE_HASH")), done
    assert world.choice == "A"
    if size not in (CHUNK * 10 + 101, CHUNK * 11, CHUNK * 10, 1):
        assert worlds.NOTHING_CHANGED in done.flat, done


@pytest.mark.parametrize("size", EDGES + [2048, 4095, 4097, 8191, 12288, 1 << 21, 8192, 1 << 20])
def test_chunk_size(world, size):
    done = world.install(compose(on_tree=set_image(chunk_size=u64(size))))
    assert done.status == 20, done
    assert world.choice == "A"
    if size not in (8192, 1 << 20):
        assert done.says("MANIFEST_VALUE") and worlds.NOTHING_CHANGED in done.flat, done


@pytest.mark.parametrize("field", [0, 8, 16])
@pytest.mark.parametrize("value", EDGES)
def test_numbers_of_a_segment(world, field, value):
    """Offset, length, length of the index page."""
    def edit(tree):
        properties = tree.children["images"].children["image@1"].properties
        segments = bytearray(properties["segments"])
        segments[field:field + 8] = u64(value)
        properties["segments"] = bytes(segments)
    world.refused(compose(on_tree=edit), "SEGMENT_LAYOUT")


@pytest.mark.parametrize("field", [0, 8])
@pytest.mark.parametrize("change", [-1, 1])
def test_segments_with_a_gap_or_overlap(world, field, change):
    def edit(tree):
        properties = tree.children["images"].children["image@1"].properties
        segments = bytearray(properties["segments"])
        value, = struct.unpack_from(">Q", segments, field)
        segments[field:field + 8] = u64(value + change)
        properties["segments"] = bytes(segments)
    world.refused(compose(on_tree=edit), "SEGMENT_LAYOUT")


def test_a_segment_too_many(world):
    def edit(tree):
        properties = tree.children["images"].children["image@1"].properties
        properties["segments"] += properties["segments"]
    world.refused(compose(on_tree=edit), "MANIFEST_VALUE", named="segments")


def test_hash_of_an_image(world):
    world.refused(compose(on_tree=set_image(sha256=bytes(32))), "IMAGE_HASH", started=True)
    assert world.results[0]["image"] == "system"


def test_hash_of_an_image_on_a_single_slot(single):
    """Where the only system is at stake, this is found out before the first write; and `verify` finds it."""
    package = compose(on_tree=set_image(sha256=bytes(32)))
    single.refused(package, "IMAGE_HASH", running=None)
    assert single.verb("verify", single.keep(package), running=None, expect=20).says("IMAGE_HASH")


# --- the tree itself --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("off", range(0, 40, 4))
@pytest.mark.parametrize("value", [0, 1, 39, 41, 2**31, 2**32 - 1])
def test_header_of_the_tree(world, off, value):
    """A device tree that is signed and unsound: magic, sizes, offsets, versions. None may crash the reader."""
    package = compose()
    old, = struct.unpack_from(">I", package.manifest, off)
    struct.pack_into(">I", package.manifest, off, value)
    done = world.install(package.sign(worlds.development_key()))
    if off == 28 or old == value:  # boot_cpuid_phys means nothing here
        return
    # Nobody looks at the memory reservations, and any version up to 17 may be the last compatible one.
    if (off, value) in ((16, 41), (16, 39), (24, 0), (24, 1)) and done.status == 0:
        return
    assert done.status == 20 and done.says("MANIFEST_MALFORMED"), done
    assert worlds.NOTHING_CHANGED in done.flat


def harmless(clean, package):
    """The trees differ in a value that has no wrong ones: the hashes and lengths are the same."""
    old, new = clean.tree, packing.Tree.parse(bytes(package.manifest))
    differ = {k for k in old.properties | new.properties if old.properties.get(k) != new.properties.get(k)}
    return differ <= {"release", "key-epoch", "version"} and len(differ) == 1


def test_words_of_the_tree(world):
    """Each word of the structure block in turn becomes another token or a huge length."""
    clean = compose()
    start, = struct.unpack_from(">I", clean.manifest, 8)
    size, = struct.unpack_from(">I", clean.manifest, 36)
    snapshot = world.snapshot()
    for at in range(start, start + size, 12):
        package = compose()
        struct.pack_into(">I", package.manifest, at, (1, 2, 9, 0xffffffff, 0x7fffffff, 0x80000000)[at // 12 % 6])
        if package.manifest == clean.manifest:
            continue
        done = world.install(package.sign(worlds.development_key()))
        if done.status == 0:  # a number or text that may be so: then that is what it says everywhere
            assert harmless(clean, package), f"the word at {at} was changed and the package installed"
            world.setenv(BOOT_ORDER="A", BOOT_B_LEFT="0")
            continue
        assert done.status in (20, 30), done
        assert {k: v for k, v in world.snapshot().items() if k.endswith("_a")} == \
            {k: v for k, v in snapshot.items() if k.endswith("_a")}
        assert world.choice == "A"


def test_property_twice(world):
    package = compose()
    tree = package.tree
    tree.properties["release "] = u64(9)  # the writer keeps names apart; then they become one
    package.tree = tree
    package.manifest = bytearray(bytes(package.manifest).replace(b"release \0", b"release\0\0"))
    done = world.install(package.sign(worlds.development_key()))
    assert done.status == 20 and worlds.NOTHING_CHANGED in done.flat, done


def test_manifest_of_a_mebibyte(world):
    """The largest that format 1 allows, and one byte more than the signed data of small packages by far."""
    package = compose(on_tree=set_root(x_ballast=bytes((1 << 20) - 2000)))
    tree = package.tree
    room = (1 << 20) - len(package.manifest)
    tree.properties["x-ballast" + "t" * (room % 4)] = tree.properties.pop("x-ballast") + bytes(room // 4 * 4)
    package.tree = tree
    assert len(package.manifest) == 1 << 20
    world.install(package.sign(worlds.development_key()), expect=0)
    tree.properties["x-more"] = b""
    package.tree = tree
    world.refused(package.sign(worlds.development_key()), "MANIFEST_LENGTH")


# --- index pages and chunks -------------------------------------------------------------------------------------------

def test_index_page_of_another_package(world):
    package, other = compose(release=7), compose(release=8)
    page = package.images()[1].segments[0]
    package.payload[page[0]:page[0] + page[2]] = other.payload[page[0]:page[0] + page[2]]
    world.refused(package, "INDEX_HASH", started=True)


def test_index_page_of_the_other_image(world):
    """Both images have the same number of chunks, and the manifest vouches for the page. But it names its image."""
    images = [("boot", packing.noise(9000, 1)), ("system", packing.noise(9000, 2))]

    def claim_zero(number, segment, page):
        if number == 1:
            page[8:16] = u64(0)
    world.refused(compose(images, on_page=claim_zero), "INDEX_MALFORMED", started=True)

    package = compose(images)
    first, second = (i.segments[0] for i in package.images())
    assert first[2] == second[2]
    package.payload[second[0]:second[0] + second[2]] = package.payload[first[0]:first[0] + first[2]]
    world.refused(package, "INDEX_HASH", started=True)


@pytest.mark.parametrize("off,value", [(0, b"LBINDEX2"), (8, u64(5)), (8, u64(2**63)), (16, u64(1)), (16, u64(2**64 - 1)),
                                       (24, u64(0)), (24, u64(10)), (24, u64(12)), (24, u64(1025)), (24, u64(2**63)),
                                       (24, u64(2**64 - 1)), (24, u64(2**58))])
def test_head_of_an_index_page(world, off, value):
    def edit(number, segment, page):
        if number == 1:
            page[off:off + 8] = value
    world.refused(compose(on_page=edit), "INDEX_MALFORMED", started=True)


@pytest.mark.parametrize("more", [b"x", bytes(80), bytes(8)])
def test_index_page_that_is_too_long(world, more):
    def edit(number, segment, page):
        if number == 1:
            page += more
    world.refused(compose(on_page=edit), "SEGMENT_LAYOUT")


def entry_edit(which=1, **values):
    def edit(number, chunk, entry):
        if (number, chunk) == (1, which):
            for name, value in values.items():
                setattr(entry, name, value)
    return edit


@pytest.mark.parametrize("kind", [0, 4, 5, 6, 0x01000000, 2**31, 2**32 - 1])
def test_chunk_kind_unknown(world, kind):
    world.refused(compose(on_entry=entry_edit(kind=kind)), "CHUNK_KIND", started=True)


@pytest.mark.parametrize("flags", [1, 2**31, 2**32 - 1])
def test_chunk_flag_unknown(world, flags):
    world.refused(compose(on_entry=entry_edit(flags=flags)), "CHUNK_KIND", started=True)


@pytest.mark.parametrize("length", EDGES + [CHUNK + 1, CHUNK * 2])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_stored_length(world, length, which):
    """Of a raw, a zstd and a fill chunk."""
    if (which, length) == (2, 1):
        return
    done = world.install(compose(on_entry=entry_edit(which=which, length=length)))
    assert done.status == 20, done
    assert "CHUNK_LENGTH" in done.flat or "INDEX_MALFORMED" in done.flat or (which == 1 and length == 1), done
    assert world.choice == "A"


def test_raw_chunk_that_is_short(world):
    world.refused(compose(on_entry=lambda n, c, e: setattr(e, "stored", e.stored[:-1]) if (n, c) == (1, 0) else None),
                  "CHUNK_LENGTH", started=True)


def test_fill_chunk_of_two_bytes(world):
    world.refused(compose(on_entry=entry_edit(which=2, stored=b"\0\0")), "CHUNK_LENGTH", started=True)


def test_stored_hash(world):
    world.refused(compose(on_entry=entry_edit(stored_hash=bytes(32))), "CHUNK_STORED_HASH", started=True)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_plain_hash(world, which):
    world.refused(compose(on_entry=entry_edit(which=which, plain_hash=bytes(32))), "CHUNK_PLAIN_HASH", started=True)


def skippable(length):
    return struct.pack("<II", 0x184D2A50, length) + bytes(length)


@functools.cache
def bombs():
    plain = worlds.system(2 * CHUNK, 7)[CHUNK:]
    good = worlds.zstd(plain)
    other = worlds.zstd(b"another text, as long. " * 200)
    return {
        "garbage": b"\x28\xb5\x2f\xfd" + packing.noise(60, 9),
        "no frame": packing.noise(60, 9),
        "cut": good[:-1],
        "two frames": good + worlds.zstd(b""),
        "byte behind": good + b"\0",
        "skippable frame before": skippable(4) + good,
        "skippable frame after": good + skippable(4),
        "skippable frame alone": skippable(8),
        "longer plain": worlds.zstd(plain + b"x"),
        "shorter plain": worlds.zstd(plain[:-1]),
        "bomb": worlds.zstd(bytes(64 << 20)),
        "other": other,
        "empty frame": worlds.zstd(b""),
        "window of 2 GiB": b"\x28\xb5\x2f\xfd" + b"\x00" + b"\xa8" + good[6:],
        "no content size": b"\x28\xb5\x2f\xfd" + b"\x00" + b"\x10" + bytes([0x01 | (len(plain) << 3) & 0xff]) +
                           bytes(40),
        "dictionary": b"\x28\xb5\x2f\xfd" + b"\x61" + b"\x01" + struct.pack("<H", len(plain) - 256) + good[7:],
    }


@pytest.mark.parametrize("name", sorted(bombs()))
def test_zstd_frames(world, name):
    """Each is signed, and its stored hash is right: the decoder sees it."""
    stored = bombs()[name]
    done = world.refused(compose(on_entry=entry_edit(kind=ZSTD, stored=stored)),
                         "CHUNK_DECOMPRESS", started=True)
    assert world.results[0]["image"] == "system", done


def test_zstd_frame_with_a_checksum_byte_wrong(world):
    """A frame of the zstd program has a content checksum; a wrong one does not pass."""
    plain = worlds.system(2 * CHUNK, 7)[CHUNK:]
    frame = bytearray(subprocess.run(["zstd", "-c", "--stream-size", str(len(plain)), "--check"], input=plain,
                                     capture_output=True, check=True).stdout)
    frame[-1] ^= 1
    world.refused(compose(on_entry=entry_edit(kind=ZSTD, stored=bytes(frame))), "CHUNK_DECOMPRESS", started=True)


def test_images_of_many_segments(memory):
    """Two index pages to an image; a page that stands in for another one is refused."""
    size = (packing.SEGMENT_CHUNKS + 10) * CHUNK
    new = worlds.World.running(memory / "world", system=size)
    image = bytearray(size)
    image[5 * CHUNK:7 * CHUNK] = packing.noise(2 * CHUNK, 1)
    image[-2 * CHUNK:] = packing.noise(2 * CHUNK, 2)
    images = [("boot", packing.noise(5000, 4)), ("system", bytes(image))]

    def claim_first(number, segment, page):
        if (number, segment) == (1, 1):
            page[16:24] = u64(0)
    new.refused(compose(images, on_page=claim_first), "INDEX_MALFORMED", started=True)

    def swap(tree):
        properties = tree.children["images"].children["image@1"].properties
        s = properties["segments"]
        properties["segments"] = s[56:] + s[:56]
    new.refused(compose(images, on_tree=swap), "SEGMENT_LAYOUT")
    new.install(compose(images), expect=0)
    assert new.holds("B", images)


# --- the other verbs refuse the same ----------------------------------------------------------------------------------

@pytest.mark.parametrize("verb", ["verify", "plan", "inspect"])
def test_verbs_that_only_look(world, stranger, verb):
    before = world.disk.read_bytes()
    for package, detail in ((compose(key=False), "UNSIGNED"), (compose(key=stranger), "NO_KNOWN_KEY"),
                            (compose(on_tree=set_root(colour=b"red\0")), "MANIFEST_UNKNOWN")):
        done = world.verb(verb, world.keep(package))
        assert done.status == 20 and done.says(detail), done
    good = world.verb(verb, world.keep(compose()), expect=0)
    assert "7.0" in good.flat or verb == "verify", good
    assert world.disk.read_bytes() == before


def test_verify_reads_every_byte(world, parts):
    before = world.disk.read_bytes()
    for at in range(parts.payload, len(parts.data), 5):
        data = bytearray(parts.data)
        data[at] ^= 4
        done = world.verb("verify", world.keep(bytes(data)), expect=20)
        assert any(str(worlds.DETAILS[d]) in done.flat for d in parts.allowed(at)), done
    world.verb("verify", world.keep(parts.data), expect=0)
    assert world.disk.read_bytes() == before


def test_verify_first_notices_before_the_first_write(world):
    data = worlds.spoiled(compose())
    world.refused(data, "CHUNK_STORED_HASH", "--verify-first")


@pytest.mark.parametrize("verb", ["install", "plan", "verify", "inspect"])
def test_messages_name_the_file(world, verb):
    """Somebody tried three files one after the other and looks at what the third call said."""
    data = bytearray(compose().bytes())
    data[100] ^= 1
    for spoiled in (bytes(data), compose(key=False), compose(product=["acme,other"]) if verb in ("install", "plan")
                    else data[:-1]):
        done = world.verb(verb, world.keep(spoiled, "third"), expect=20)
        assert "third.boat" in done.flat, done
