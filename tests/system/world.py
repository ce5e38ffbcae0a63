"""A device to be mistreated: a disk image with its board tree, and packages made by hand.

The program under test is the native build of the one that ships. What a device must look like afterwards is read here
without its help: partitions straight from the image, boot flags by Debian's fw_printenv, the boot loader's choice by a
model of the boot script. Packages are composed after FORMAT.md by code of its own, and signed by openssl.
"""

import collections
import ctypes
import functools
import hashlib
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import zlib

import packing
from packing import FILL, RAW, ZSTD, Key, Package, Tree, u64

ROOT = packing.ROOT
LIFEBOAT = pathlib.Path(os.environ.get("LIFEBOAT", ROOT / "build/host/lifeboat"))
PRODUCT = "lifeboat,test"
KIB, MIB = 1 << 10, 1 << 20
CHUNK = 4096

ENV_OFFSETS = (0x8000, 0xC000)
ENV_SIZE = 0x4000
FIRST_PARTITION = 128 * KIB

# Numbers never change their meaning, so they stand here by hand.
DETAILS = {
    "OK": 0, "USAGE": 201, "NOT_PERMITTED": 301, "OLDER_NEEDS_CONSENT": 302, "SINGLE_SLOT_RUNNING": 303,
    "NOT_CONFIRMED_YET": 305, "BUSY": 306, "NOT_RECOVERY": 307,
    "WIPE_NEEDS_CONSENT": 308, "NOT_ON_TRIAL": 309,
    "SOURCE_NOT_FOUND": 1001, "SOURCE_READ": 1002, "SOURCE_GONE": 1003, "NO_PACKAGE": 1004, "MOUNT_FAILED": 1005,
    "URL_INVALID": 1006, "NETWORK_DOWN": 1007, "NAME_UNKNOWN": 1008, "CONNECT_FAILED": 1009, "CONNECTION_LOST": 1010,
    "HTTP_STATUS": 1011, "HTTP_MALFORMED": 1012, "HTTP_REDIRECTS": 1013, "HTTP_LENGTH": 1014, "HTTP_NO_RANGE": 1015,
    "HTTP_CHANGED": 1016, "HTTP_REDIRECT_SCHEME": 1017,
    "TOO_SHORT": 2001, "NOT_A_PACKAGE": 2002, "FORMAT_VERSION": 2003, "HEADER_FLAGS": 2004, "MANIFEST_LENGTH": 2005,
    "SIGNATURE_BLOCK": 2006, "SIZE_MISMATCH": 2007, "UNSIGNED": 2008, "NO_KNOWN_KEY": 2009, "SIGNATURE_WRONG": 2010,
    "SIGNATURE_ALGORITHM": 2011, "MANIFEST_MALFORMED": 2012, "MANIFEST_MISSING": 2013, "MANIFEST_UNKNOWN": 2014,
    "MANIFEST_VALUE": 2015, "THRESHOLD": 2016, "ROLE_UNKNOWN": 2017, "ENCRYPTED": 2018, "SEGMENT_LAYOUT": 2019,
    "INDEX_HASH": 2020, "INDEX_MALFORMED": 2021, "CHUNK_KIND": 2022, "CHUNK_LENGTH": 2023, "CHUNK_STORED_HASH": 2024,
    "CHUNK_DECOMPRESS": 2025, "CHUNK_PLAIN_HASH": 2026, "IMAGE_HASH": 2027, "ENDED_EARLY": 2028, "WRONG_PRODUCT": 2029,
    "BELOW_FLOOR": 2030, "NEEDS_NEWER_INSTALLED": 2031, "KEY_EPOCH": 2032, "IMAGE_ROLE_UNKNOWN": 2033,
    "IMAGE_ROLE_MISSING": 2034, "NO_TRUST_STORE": 2035, "PACKAGE_SWAPPED": 2036,
    "BOARD_MISSING": 3001, "BOARD_INVALID": 3002, "DISK_NOT_FOUND": 3003, "DISK_AMBIGUOUS": 3004, "GPT_INVALID": 3005,
    "PARTITION_MISSING": 3006, "PARTITION_TWICE": 3007, "PARTITION_BUSY": 3008, "PARTITION_CHANGED": 3009,
    "DEVICE_OPEN": 3010, "DEVICE_READ": 3011, "DEVICE_WRITE": 3012, "DEVICE_FLUSH": 3013, "IMAGE_TOO_LARGE": 3014,
    "EXTENT_OVERLAP": 3015, "SLOT_UNKNOWN": 3017, "READ_BACK": 3018, "FLAGS_DAMAGED": 3019, "FLAGS_FULL": 3021,
    "FLAGS_NOT_STORED": 3022, "STATE_TOO_SMALL": 3023, "CHUNK_CHANGED": 3024, "NOT_ENOUGH_SPACE": 3025,
    "INTERRUPTED": 3026, "NO_MEDIUM": 3027, "NO_SYSTEM": 3028, "SLOT_KEPT": 3029, "STATE_LOST": 3030,
    "NOTHING_TO_WIPE": 3031, "WIPE_GIVEN_UP": 3032, "RESTARTS": 3033,
    "HEALTH_FAILED": 4001, "HEALTH_TIMEOUT": 4002, "TRIAL_FAILED": 4003, "HEALTH_UNUSABLE": 4004,
    "SLOT_NOT_RUNNING": 4005, "FELL_BACK": 4006, "REJECTED": 4007, "SLOT_NOT_BOOTABLE": 4008,
    "FLAGS_WENT_BACK": 4009,
}
NOTHING_CHANGED = "Nothing on the device was changed."


# A code as core/detail.h has it.
Detail = collections.namedtuple("Detail", "number sentence advice")


@functools.cache
def details():
    """Name to Detail, from the table that the program is made of."""
    table = (ROOT / "recovery/core/detail.h").read_text().replace("\\\n", " ")
    string = r'\s*((?:"(?:[^"\\]|\\.)*"\s*)+)'
    found = re.findall(rf"X\((\w+),\s*(\d+),{string},{string}\)", table)
    assert len(found) == len(re.findall(r"\bX\(\w+,\s*\d", table)) > 90

    def text(literals):
        return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literals))
    return {name: Detail(int(number), text(sentence), text(advice)) for name, number, sentence, advice in found}


# --- keys -------------------------------------------------------------------------------------------------------------

class CachedKey(Key):
    """Key asks openssl for its id each time; thousands of packages need it once."""

    @functools.cached_property
    def id(self):
        return Key.id.fget(self)


def development_key():
    return CachedKey(os.environ.get("LIFEBOAT_KEY", ROOT / "keys/development"))


def stranger_key(folder):
    """A key that no device trusts, made by openssl."""
    path = pathlib.Path(folder) / "stranger.key"
    if not path.exists():
        subprocess.run(["openssl", "genpkey", "-quiet", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-out", path], check=True)
        subprocess.run(["openssl", "pkey", "-in", path, "-pubout", "-out", path.with_suffix(".pub")], check=True)
    return CachedKey(path)


# --- packages, composed after FORMAT.md -------------------------------------------------------------------------------

_zstd = ctypes.CDLL("libzstd.so.1")
_zstd.ZSTD_compress.restype = ctypes.c_size_t
_zstd.ZSTD_compressBound.restype = ctypes.c_size_t


def sha256(data):
    return hashlib.sha256(data).digest()


def zstd(data, level=3):
    room = ctypes.create_string_buffer(_zstd.ZSTD_compressBound(ctypes.c_size_t(len(data))))
    size = _zstd.ZSTD_compress(room, ctypes.c_size_t(len(room)), data, ctypes.c_size_t(len(data)), level)
    return room.raw[:size]


class Entry:
    """One chunk as an index page names it. Tests set a member wrong; what is not set follows from the others."""

    def __init__(self, plain):
        self.plain = plain
        if plain.count(plain[:1]) == len(plain):
            self.kind, self.stored = FILL, plain[:1]
        else:
            packed = zstd(plain)
            self.kind, self.stored = (ZSTD, packed) if len(packed) < len(plain) else (RAW, plain)
        self.flags = 0
        self.length = self.stored_hash = self.plain_hash = None

    def bytes(self):
        def default(value, otherwise):
            return otherwise if value is None else value
        return struct.pack(">IIQ32s32s", self.kind, self.flags, default(self.length, len(self.stored)),
                           default(self.stored_hash, sha256(self.stored)), default(self.plain_hash, sha256(self.plain)))


def system(size, seed=0):
    """An image in which every kind of chunk occurs: noise, text, zeros."""
    noise = packing.noise(CHUNK, seed)
    text = (b"release %d, the quick brown fox\n" % seed * 200)[:CHUNK]
    pattern = [noise, text, bytes(CHUNK), packing.noise(CHUNK, seed + 1000)]
    return b"".join(pattern[i % 4] for i in range(size // CHUNK + 1))[:size]


def images_of(seed, boot=9000, size=10 * CHUNK + 100):
    return [("boot", packing.noise(boot, seed + 500)), ("system", system(size, seed))]


def compose(images=None, release=7, key=None, product=(PRODUCT,), version=None, floor=0, minimum=0, epoch=0,
            chunk_size=CHUNK, on_entry=None, on_page=None, on_image=None, on_tree=None, on_header=None, more=()):
    """A package of [(role, bytes)]. The hooks spoil one thing each before hashes and signatures are made over it.

    on_entry(image, chunk, Entry), on_page(image, segment, bytearray), on_image(image, Tree), on_tree(Tree),
    on_header(bytearray). more: further keys.
    """
    if images is None:
        images = images_of(release)
    tree = Tree()
    tree.properties = {
        "compatible": b"lifeboat,package-1\0",
        "product": b"".join(p.encode() + b"\0" for p in product),
        "version": (version or f"{release}.0").encode() + b"\0",
        "release": u64(release), "rollback-floor": u64(floor), "minimum-release": u64(minimum), "key-epoch": u64(epoch),
        "signature-role": b"release\0", "signature-threshold": u64(1), "recipients": b"",
    }
    nodes = tree.children["images"] = Tree()
    payload = bytearray()
    for number, (role, data) in enumerate(images):
        node = nodes.children[f"image@{number}"] = Tree()
        chunks = [data[i:i + chunk_size] for i in range(0, len(data), chunk_size)]
        segments = b""
        for segment, first in enumerate(range(0, len(chunks), packing.SEGMENT_CHUNKS)):
            entries = []
            for i, plain in enumerate(chunks[first:first + packing.SEGMENT_CHUNKS]):
                entry = Entry(plain)
                if on_entry:
                    on_entry(number, first + i, entry)
                entries.append(entry)
            page = bytearray(struct.pack(">8sQQQ", packing.PAGE_MAGIC, number, first, len(entries)))
            for entry in entries:
                page += entry.bytes()
            if on_page:
                on_page(number, segment, page)
            stored = b"".join(entry.stored for entry in entries)
            segments += struct.pack(">QQQ32s", len(payload), len(page) + len(stored), len(page), sha256(page))
            payload += page + stored
        node.properties = {"role": role.encode() + b"\0", "size": u64(len(data)), "sha256": sha256(data),
                           "chunk-size": u64(chunk_size), "segments": segments}
        if on_image:
            on_image(number, node)
    if on_tree:
        on_tree(tree)
    package = Package(struct.pack(">8sI52x", packing.MAGIC, 1), tree.serialize(), [], payload)
    package.fix_header()
    if on_header:
        on_header(package.header)
    return package.sign(*([key or development_key()] if key is not False else []), *more)


def spoiled(package, image=1, chunk=0):
    """The package with one stored byte of a chunk flipped; it was noise, so no device has it yet."""
    data = bytearray(package.bytes())
    data[len(data) - len(package.payload) + package.images()[image].entries[chunk][2]] ^= 0x10
    return bytes(data)


# --- boards -----------------------------------------------------------------------------------------------------------

def board_source(slots="AB", product=PRODUCT, tries=3, offsets=ENV_OFFSETS, size=ENV_SIZE, timeout=1, extra="",
                 labels="{role}_{slot}"):
    nodes = "".join("%s { %s };" % (s, "".join('%s = "%s";' % (r, labels.format(role=r, slot=s.lower()))
                                              for r in ("boot", "system"))) for s in slots)
    return f"""/dts-v1/;
/ {{ lifeboat {{
	compatible = "lifeboat,board-1";
	product = "{product}";
	state-partition = "state";
	recovery-partition = "recovery";
	tries = /bits/ 64 <{tries}>;
	wipe = "data";
	sources = "stick", "network";
	policy = "ask";
	countdown = /bits/ 64 <5>;
	health-checks = "/nonexistent/health.d";
	health-timeout = /bits/ 64 <{timeout}>;
	{extra}
	slots {{ {nodes} }};
	flag-store {{
		compatible = "u-boot,environment";
		offset = /bits/ 64 <{' '.join(map(hex, offsets))}>;
		size = /bits/ 64 <{size:#x}>;
	}};
}}; }};
"""


def compile_board(path, source):
    subprocess.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", path, "-"], input=source, text=True, check=True)
    return path


def layout(slots="AB", boot=64 * KIB, system=128 * KIB, state=3 * MIB):
    sizes = [(f"{role}_{s.lower()}", size) for s in slots for role, size in (("boot", boot), ("system", system))]
    sizes += [("recovery", 32 * KIB), ("state", state), ("data", 32 * KIB)]
    table, at = {}, FIRST_PARTITION
    for label, size in sizes:
        table[label] = (at, size)
        at += size
    return table


def partition(disk, table):
    """table: label to (offset, size). Overlaps are sfdisk's to refuse."""
    end = max(off + size for off, size in table.values())
    with open(disk, "wb") as f:
        f.truncate(max(end, FIRST_PARTITION) + 64 * KIB)
    lines = ["label: gpt", "unit: sectors", "first-lba: 34", "label-id: 6C696665-626F-4174-8000-000000000001"]
    for i, (label, (off, size)) in enumerate(table.items()):
        lines.append(f"start={off // 512}, size={size // 512}, name={label}, "
                     f"uuid=6C696665-626F-4174-9000-{i:012X}, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4")
    subprocess.run(["/sbin/sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", disk], text=True, check=True,
                   input="\n".join(lines) + "\n")


def environment_copy(variables, serial, size=ENV_SIZE):
    data = b"".join(f"{k}={v}".encode("latin-1") + b"\0" for k, v in variables.items()) + b"\0"
    data = data.ljust(size - 5, b"\0")
    return struct.pack("<IB", zlib.crc32(data), serial) + data


def boot_choice(env):
    """What the boot script would start: a slot's name or 'recovery'."""
    if env.get("BOOT_RECOVERY") == "1":
        return "recovery"
    order = env.get("BOOT_ORDER", "")
    for slot in order.split() if order in ("A", "B", "A B", "B A") else ():  # the script knows these, to the letter
        left = env.get(f"BOOT_{slot}_LEFT", "")
        if left in tuple("123456789"):
            return slot
    return "recovery"


# --- the device -------------------------------------------------------------------------------------------------------

class Done:
    def __init__(self, process, words):
        self.status, self.out, self.err = process.returncode, process.stdout, process.stderr
        self.words = words
        self.text = self.out + self.err
        self.flat = " ".join(self.text.split())  # screens wrap lines

    def __repr__(self):
        return f"{self.words}: status {self.status}\n{self.text}"

    def says(self, detail):
        """The code and its name, as support asks for them on the telephone."""
        return f"code {DETAILS[detail]} {detail}" in self.flat

    @property
    def written(self):
        """('0 bytes', '40 KiB'): written and unchanged, as the last line of progress says."""
        return re.search(r"done in .*?: (.*?) written, (.*?) unchanged", self.flat).groups()


class World:
    def __init__(self, folder, table, board):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.table = table
        self.disk = self.folder / "disk.img"
        self.board = compile_board(self.folder / "board.dtb", board)
        self.health = self.folder / "health.d"
        self.health.mkdir(exist_ok=True)
        self._write_config()

    @classmethod
    def blank(cls, folder, slots="AB", table=None, board=None, environment=True, **sizes):
        """A partitioned disk with recovery, junk where nobody should write, an empty environment."""
        new = cls(folder, table or layout(slots, **sizes), board or board_source(slots))
        partition(new.disk, new.table)
        for label in ("recovery", "data"):
            if label in new.table:
                new.put(label, packing.noise(new.table[label][1], label))
        if environment:
            variables = {"BOOT_ORDER": "", "BOOT_RECOVERY": "0", "stranger": "keeps this"}
            for s in slots:
                variables |= {f"BOOT_{s}_LEFT": "0", f"BOOT_{s}_GOOD": "0"}
            for serial, off in enumerate(ENV_OFFSETS):
                new.poke(off, environment_copy(variables, serial))
        return new

    @classmethod
    def running(cls, folder, slots="AB", release=5, **more):
        """A device whose slot A runs and has confirmed a release."""
        new = cls.blank(folder, slots, **more)
        new.keep(compose(release=release), "factory")
        new.install("factory", "--slot", "A", running=None, expect=0)
        assert new.choice == "A", new.env
        new.verb("confirm", new.health, running="A", expect=0)
        return new

    def copy(self, folder):
        """The same device once more."""
        new = object.__new__(World)
        new.folder, new.table = pathlib.Path(folder), self.table
        new.folder.mkdir(parents=True, exist_ok=True)
        new.disk, new.board = new.folder / "disk.img", new.folder / "board.dtb"
        subprocess.run(["cp", "--sparse=always", self.disk, new.disk], check=True)
        shutil.copy(self.board, new.board)
        new.health = new.folder / "health.d"
        new.health.mkdir(exist_ok=True)
        new._write_config()
        return new

    def _write_config(self):
        self.config = self.folder / "fw_env.config"
        self.config.write_text("".join(f"{self.disk} {off:#x} {ENV_SIZE:#x}\n" for off in ENV_OFFSETS))

    # bytes of the image
    def peek(self, off, size):
        with open(self.disk, "rb") as f:
            f.seek(off)
            return f.read(size)

    def poke(self, off, data):
        with open(self.disk, "r+b") as f:
            f.seek(off)
            f.write(data)

    def get(self, label, size=None):
        off, whole = self.table[label]
        return self.peek(off, whole if size is None else size)

    def put(self, label, data, at=0):
        off, size = self.table[label]
        assert at + len(data) <= size
        self.poke(off + at, data)

    def put_record(self, at, data):
        """A device record with other bytes from there on (FORMAT.md 2, 2.1), newer than all that are there."""
        blocks = [bytearray(self.get("state", 4 * 4096)[i * 4096:][:4096]) for i in range(4)]
        block = max((b for b in blocks if b[:4] == b"LBR1"), key=lambda b: struct.unpack_from(">Q", b, 8)[0])
        serial, length = struct.unpack_from(">QI", block, 8)
        block[64 + at:64 + at + len(data)] = data
        struct.pack_into(">Q", block, 8, serial + 1)
        block[32:64] = hashlib.sha256(block[:32] + block[64:64 + length]).digest()
        self.put("state", block, serial % 4 * 4096)

    def holds(self, slot, images):
        return all(self.get(f"{role}_{slot.lower()}", len(data)) == data for role, data in images)

    def snapshot(self):
        """Every byte of the disk by what it belongs to, but for the state partition."""
        places = sorted([(off, size, label) for label, (off, size) in self.table.items()] +
                        [(off, ENV_SIZE, f"environment {i}") for i, off in enumerate(ENV_OFFSETS)])
        found, end = {}, 0
        with open(self.disk, "rb", buffering=0) as f:
            def piece(off, size):
                f.seek(off)
                return f.read(size)
            for off, size, name in places:
                if end < off:
                    found[f"gap before {name}"] = piece(end, off - end)
                if name != "state":
                    found[name] = piece(off, size)
                end = max(end, off + size)
            found["end of the disk"] = piece(end, -1)
        return found

    # the environment, by Debian's tool
    @property
    def env(self):
        done = subprocess.run(["fw_printenv", "-c", self.config], capture_output=True, timeout=20)
        assert done.returncode == 0, f"fw_printenv finds no sound environment: {done.stdout} {done.stderr}"
        return dict(line.split("=", 1) for line in done.stdout.decode("latin-1").split("\n") if "=" in line)

    def setenv(self, **values):
        text = "".join(f"{k}={v}\n" for k, v in values.items())
        subprocess.run(["fw_setenv", "-c", self.config, "-s", "-"], input=text.encode(), check=True, timeout=20,
                       capture_output=True)

    @property
    def choice(self):
        return boot_choice(self.env)

    # packages
    def keep(self, package, name="update"):
        path = self.folder / f"{name}.boat"
        path.write_bytes(package if isinstance(package, (bytes, bytearray)) else package.bytes())
        return path

    def find(self, package):
        if isinstance(package, str):
            if "://" in package:
                return package
            return self.folder / f"{package}.boat"
        if isinstance(package, pathlib.Path):
            return package
        return self.keep(package)

    # the program
    def command(self, verb, *words, running="A", program=LIFEBOAT):
        return [str(program), verb, "--disk", str(self.disk), "--board", str(self.board),
                *(["--running", running] if running else []), *map(str, words)]

    def verb(self, verb, *words, running="A", expect=None, program=LIFEBOAT, **options):
        line = self.command(verb, *words, running=running, program=program)
        if "user" in options:  # somebody else may not be let into the folder of the checkout
            line[0] = str(shutil.copy(LIFEBOAT, self.folder / "lifeboat"))
        options = {"timeout": 60, "stdin": subprocess.DEVNULL} | options
        done = Done(subprocess.run(line, capture_output=True, encoding="utf-8", errors="replace",
                                   start_new_session=True, **options), [verb, *words])
        assert done.status >= 0, f"a signal ended it: {done}"
        assert expect is None or done.status == expect, done
        return done

    def install(self, package, *words, running="A", expect=None, **options):
        return self.verb("install", *words, self.find(package), running=running, expect=expect, **options)

    def status(self, running="A"):
        return json.loads(self.verb("status", "--json", running=running, expect=0).out)

    def slot(self, name, running="A"):
        return next(s for s in self.status(running)["slots"] if s["name"] == name)

    @property
    def results(self):
        return self.status()["results"]

    # what tests conclude
    def check_running(self, before, slot="A"):
        """The running system is untouched, the environment sound, and the next start finds a complete system."""
        after = self.snapshot()
        for name, value in before.items():
            if not name.startswith("environment") and not any(name.endswith(f"_{s.lower()}") for s in "AB"
                                                               if s != slot):
                assert after[name] == value, f"{name} was changed"
        env = self.env
        assert env["stranger"] == "keeps this"
        assert boot_choice(env) == slot, env

    def refused(self, package, detail, *words, running="A", started=False, named=None, verb="install", what="install",
                **options):
        """A refusal with the exact detail on the screen and in the stored result, and nothing else changed.

        started: it may be noticed after the target was marked; the running system is untouched all the same.
        named: a text that the sentence holds.
        """
        before, choice = self.snapshot(), self.choice
        done = self.verb(verb, *words, *([self.find(package)] if package is not None else []), running=running,
                         **options)
        number = DETAILS[detail]
        assert done.status == number // 100, done
        assert done.says(detail), done
        newest = self.results[0]
        assert (newest["what"], newest["status"], newest["detail"], newest["detail_name"]) == \
            (what, number // 100, number, detail), done
        assert newest["object"] and newest["sentence"] and newest["advice"], newest
        assert " ".join(f"{newest['object']}: {newest['sentence']}".split()) in done.flat, done
        if named:
            assert named in newest["object"] + newest["sentence"], newest
        if started:
            self.check_running(before, choice)
            other = "B" if choice == "A" else "A"
            assert self.env[f"BOOT_{other}_LEFT"] == "0" and self.env[f"BOOT_{other}_GOOD"] == "0"
        else:
            after = self.snapshot()
            changed = [name for name in before if before[name] != after[name]]
            assert not changed, f"{changed} changed\n{done}"
            assert self.choice == choice
            assert NOTHING_CHANGED in done.flat, done
        return done
