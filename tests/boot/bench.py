"""What the boot matrix runs on: signed images, their broken forms, disks, and U-Boot as a program of this machine."""
import ctypes
import gzip
import importlib.machinery
import importlib.util
import mmap
import os
import re
import select
import shutil
import struct
import subprocess
import sys
import time
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(TOP, "build")
OUT = os.path.join(BUILD, "boot")
UBOOT = os.path.join(BUILD, "components", "u-boot-sandbox-native", "u-boot")
MKIMAGE = os.path.join(BUILD, "components", "u-boot-aarch64", "mkimage")
TIME_FACTOR = float(os.environ.get("BOARD_TIME_FACTOR", "1"))


def _make_disk():
    """qemu/make-disk as a module. The boards' layout, with 8 KiB for each MiB."""
    sys.dont_write_bytecode = True
    loader = importlib.machinery.SourceFileLoader("make_disk", os.path.join(TOP, "qemu", "make-disk"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("make_disk", loader))
    loader.exec_module(module)
    module.MIB = 8 << 10
    module.DISK_SIZE = 3 << 20
    return module


make_disk = _make_disk()
ENV_OFFSETS, ENV_SIZE = make_disk.ENVIRONMENT_OFFSETS, make_disk.ENVIRONMENT_SIZE
SECTOR = 512
PARTS = {"A": "boot_a", "B": "boot_b", "R": "recovery"}
ROOTS = {"A": "system_a", "B": "system_b"}
DISK_SIZE = make_disk.DISK_SIZE
IMAGE_ROOM = 8 * make_disk.MIB          # of a partition for a boot image
IMAGE_MAX = 8 << 10                     # what is more stays zero


def run(*command, **kwargs):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kwargs)
    if done.returncode:
        sys.exit("%s failed:\n%s" % (" ".join(command), done.stdout))


# --- Images: the boards' descriptions and key, with a kernel of a few bytes ------------------------------------------

def kernel(which):
    return b"the kernel of %s" % which.encode()


RAMDISK = b"recovery's user space"


def _sign(its, folder, out, key="keys", tree=None):
    run(MKIMAGE, "-D", "-q -I dts -O dtb -i %s" % folder, "-f", its, *(["-k", os.path.join(TOP, key)] if key else []),
        *(["-K", tree] if tree else []), *(["-r"] if key else []), out,
        env=dict(os.environ, SOURCE_DATE_EPOCH="0"))
    with open(out, "rb") as f:
        return f.read()


def _write(path, data):
    with open(path, "wb") as f:
        f.write(data)
    return path


def _flipped(data, offset, bit=1):
    return data[:offset] + bytes([data[offset] ^ bit]) + data[offset + 1:]


def _with_size(data, size):
    return data[:4] + size.to_bytes(4, "big") + data[8:]


# Forms of a boot image that must not be started, whatever the way in which they are broken.
BROKEN = ["kernel", "signature", "other-kind", "other-key", "unsigned", "load-address", "configuration", "empty",
          "erased", "huge", "beyond-partition", "short", "no-size", "magic", "noise", "torn"]


def make_images(folder):
    """{("A", "good"): bytes, ("A", "kernel"): ..., ...}; folder/with-key.dtb gets the public key."""
    with open(os.path.join(TOP, "qemu", "system.its")) as f:
        system_its = f.read().replace("@RELEASE@", "1")
    with open(os.path.join(TOP, "qemu", "recovery.its")) as f:
        recovery_its = f.read()
    tree = os.path.join(folder, "with-key.dtb")
    run("dtc", "-q", "-I", "dts", "-O", "dtb", "-o", tree, os.path.join(HERE, "sandbox.dts"))
    other = os.path.join(folder, "other-key")
    os.makedirs(other, exist_ok=True)
    run("openssl", "genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048",
        "-out", other + "/fit.key")
    run("openssl", "req", "-batch", "-new", "-x509", "-key", other + "/fit.key", "-subj", "/CN=somebody",
        "-out", other + "/fit.crt")
    images = {}
    for which in "ABR":
        its_text = recovery_its if which == "R" else system_its
        its = _write(os.path.join(folder, which + ".its"), its_text.encode())
        _write(os.path.join(folder, "Image.gz"), gzip.compress(kernel(which), mtime=0))
        _write(os.path.join(folder, "initramfs.cpio.gz"), RAMDISK)
        out = os.path.join(folder, which + ".itb")
        good = _sign(its, folder, out, tree=tree)
        images[which, "good"] = good
        # What stands behind an image in its partition does not count.
        images[which, "good-and-more"] = good + b"\xa5" * 3000
        images[which, "other-key"] = _sign(its, folder, out + ".other", key=other)
        unsigned = re.sub(r"signature-1 \{.*?\};", "", its_text, flags=re.S)
        images[which, "unsigned"] = _sign(_write(its + ".unsigned", unsigned.encode()), folder, out + ".unsigned",
                                          key=None)
        images[which, "kernel"] = _flipped(good, good.index(gzip.compress(kernel(which), mtime=0)) + 12)
        images[which, "signature"] = _flipped(good, _signature(good) + 100)
        images[which, "load-address"] = good.replace(b"\x40\x20\x00\x00", b"\x40\x21\x00\x00", 1)
        images[which, "configuration"] = good.replace(b"recovery\0" if which == "R" else b"system\0",
                                                      b"recoverx\0" if which == "R" else b"systex\0", 1)
        images[which, "empty"] = b""
        images[which, "erased"] = b"\xff" * len(good)
        images[which, "huge"] = _with_size(good, 0x1000001)
        images[which, "beyond-partition"] = _with_size(good, IMAGE_ROOM + 1)
        images[which, "short"] = _with_size(good, len(good) // 2)
        images[which, "no-size"] = _with_size(good, 0)
        images[which, "magic"] = _flipped(good, 3)
        images[which, "noise"] = bytes((i * i * 7919 >> 5) & 0xff for i in range(5000))
        images[which, "torn"] = good[:2 * SECTOR]
    for which in "ABR":
        images[which, "other-kind"] = images["A" if which == "R" else "R", "good"]
    for (which, form), data in images.items():
        assert form.startswith("good") or data != images[which, "good"], (which, form)
    return images


def _signature(image):
    """Where the value of the signature stands: 256 bytes behind a property header."""
    at = image.index((3).to_bytes(4, "big") + (256).to_bytes(4, "big"))
    return at + 12


# --- Disks -----------------------------------------------------------------------------------------------------------

def uuid_of(label):
    return str(make_disk.uuid.uuid5(make_disk.UUIDS, "ab" + label))


def _without(disk, labels, holes):
    """Take partitions out of the table; holes: the numbers of the others stay as they are."""
    script = subprocess.run(["/sbin/sfdisk", "--dump", disk], stdout=subprocess.PIPE, check=True, text=True).stdout
    lines = [l for l in script.splitlines() if not any('name="%s"' % label in l for label in labels)]
    script = "\n".join(l if holes else re.sub(r"^.* : start=", "start=", l) for l in lines)
    run("/sbin/sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", disk, input=script + "\n")


def _sums(data, header):
    """Make the checksums of a copy of the table right."""
    at = SECTOR * struct.unpack_from("<Q", data, header + 72)[0]
    entries, size = struct.unpack_from("<II", data, header + 80)
    struct.pack_into("<I", data, header + 88, zlib.crc32(data[at:at + entries * size]))
    struct.pack_into("<I", data, header + 16, 0)
    struct.pack_into("<I", data, header + 16, zlib.crc32(data[header:header + 92]))


def _claim(data, label, size):
    """Let a partition's entry, in both copies of the table, say that it is so large; the disk stays as it is."""
    for header in SECTOR, len(data) - SECTOR:
        at = SECTOR * struct.unpack_from("<Q", data, header + 72)[0]
        entries = data[at:at + 128 * 128]
        n = next(i for i in range(128) if entries[i * 128 + 56:i * 128 + 128].decode("utf-16-le").rstrip("\0") == label)
        first, = struct.unpack_from("<Q", entries, n * 128 + 32)
        struct.pack_into("<Q", data, at + n * 128 + 40, first + size // SECTOR - 1)
        _sums(data, header)


# Kinds of partition tables: what U-Boot does not find. It stops looking at an unused entry, so what stands behind a
# hole does not exist for it; Linux goes on. (Tables are written at the factory, and nothing here makes holes.)
LABELS = [label for label, _ in make_disk.LAYOUTS["ab"]]
TABLES = {"good": [], "first-damaged": [], "second-damaged": [], "both-damaged": LABELS,
          "no-root-a": ["system_a"], "no-root-b": ["system_b"], "no-roots": ["system_a", "system_b"],
          "no-boot-a": ["boot_a"], "no-slot-b": ["boot_b", "system_b"], "no-recovery": ["recovery"],
          "data-only": LABELS[:-1], "hole": LABELS[LABELS.index("boot_b"):],
          "large-claim": [], "header-size": [], "header-small": [], "entry-size": [], "entry-count": []}


def make_disks(folder):
    """({table: bytes of an empty disk}, {label: offset})"""
    disks = {}
    path = os.path.join(folder, "table.img")
    for table, hidden in TABLES.items():
        with open(path, "wb") as f:
            f.truncate(make_disk.DISK_SIZE)
        offsets = make_disk.partition(path, "ab")
        if table == "hole":
            _without(path, hidden[:1], True)
        elif hidden and table != "both-damaged":
            _without(path, hidden, False)
        with open(path, "rb") as f:
            data = bytearray(f.read())
        if table in ("first-damaged", "both-damaged"):
            data[SECTOR + 16] ^= 1                              # the header's checksum
        if table in ("second-damaged", "both-damaged"):
            data[len(data) - SECTOR + 16] ^= 1
        if table == "large-claim":
            _claim(data, "boot_a", 64 << 20)
        # Headers that lie about lengths, in the first copy only.
        lie = {"header-size": (12, 0xff00005c), "header-small": (12, 16), "entry-size": (84, 1),
               "entry-count": (80, 0x02000000)}.get(table)
        if lie:
            struct.pack_into("<I", data, SECTOR + lie[0], lie[1])
            if table.startswith("entry"):
                _sums(data, SECTOR)
        disks[table] = bytes(data)
    return disks, offsets


# --- The control tree ------------------------------------------------------------------------------------------------

tree = os.path.join(OUT, "tree.dtb")


def make_tree(folder, script=None):
    """The control tree of the machine, made as the boards' trees are made. script: another boot script (mutants)."""
    global tree
    qemu = os.path.join(TOP, "qemu")
    if script is not None:
        qemu = os.path.join(folder, "qemu")
        os.makedirs(qemu, exist_ok=True)
        shutil.copy(os.path.join(TOP, "qemu", "make-control-tree"), qemu)
        _write(os.path.join(qemu, "boot.cmd"), script.encode())
    tree = os.path.join(folder, "tree.dtb")
    run(os.path.join(qemu, "make-control-tree"), os.path.join(OUT, "with-key.dtb"),
        os.path.join(TOP, "qemu", "board-ab.dts"), tree)


# --- The model and core, in C (judge.c) ------------------------------------------------------------------------------

class JudgeCase(ctypes.Structure):
    _fields_ = [("bytes", ctypes.POINTER(ctypes.c_ubyte)), ("size", ctypes.c_uint64),
                ("env_off", ctypes.c_uint64 * 2), ("env_size", ctypes.c_uint64), ("fail_writes", ctypes.c_uint32),
                ("unreadable", ctypes.c_uint32 * 4), ("ok", ctypes.c_uint8 * 3), ("roots", ctypes.c_uint8 * 2),
                ("started", ctypes.c_char), ("reason", ctypes.c_char * 32), ("core", ctypes.c_char)]


class Memory:
    """A disk in memory, as the model sees it."""

    def __init__(self):
        self.judge = ctypes.CDLL(os.path.join(OUT, "judge.so")).judge
        self.bytes = (ctypes.c_ubyte * DISK_SIZE)()
        self.address = ctypes.addressof(self.bytes)

    def start(self, ok, roots, fail_writes, unreadable):
        """(what the model starts, the reason, what core says); the bytes are those afterwards."""
        case = JudgeCase(ctypes.cast(self.bytes, ctypes.POINTER(ctypes.c_ubyte)), DISK_SIZE, ENV_OFFSETS, ENV_SIZE,
                         fail_writes, tuple(unreadable) + (0,) * (4 - len(unreadable)), ok, roots)
        self.judge(ctypes.byref(case))
        return case.started.decode(), case.reason.decode(), case.core.decode()


# --- U-Boot ----------------------------------------------------------------------------------------------------------

class Machine:
    """One machine of this kind, in a folder of its own, with a disk that is a file and mapped."""

    def __init__(self, folder):
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        with open(os.path.join(folder, "disk.img"), "w+b") as f:
            f.truncate(DISK_SIZE)
            self.mapped = mmap.mmap(f.fileno(), DISK_SIZE)
        self.bytes = (ctypes.c_ubyte * DISK_SIZE).from_buffer(self.mapped)
        self.address = ctypes.addressof(self.bytes)
        self.trees = {}

    def tree(self, fail_writes, unreadable):
        """The control tree for a card that fails so."""
        key = (fail_writes, tuple(unreadable))
        if key == (0, ()):
            return tree
        if key not in self.trees:
            path = os.path.join(self.folder, "tree-%d.dtb" % len(self.trees))
            shutil.copy(tree, path)
            run("fdtput", "-t", "x", path, "/mmc0", "fail-writes", "%x" % fail_writes)
            run("fdtput", "-t", "x", path, "/mmc0", "unreadable",
                *["%x" % u for u in tuple(unreadable) + (0,) * (4 - len(unreadable))])
            self.trees[key] = path
        return self.trees[key]

    def power_on(self, fail_writes=0, unreadable=()):
        """What the console shows. Ends when a kernel would run, and when it would wait a minute."""
        process = subprocess.Popen([UBOOT, "-d", self.tree(fail_writes, unreadable)], cwd=self.folder,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        console = b""
        deadline = time.monotonic() + 30 * TIME_FACTOR
        try:
            while b"Trying again in one minute." not in console:
                if not select.select([process.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
                    console += b"\n(nothing more came)"
                    break
                piece = os.read(process.stdout.fileno(), 65536)
                if not piece:
                    break
                console += piece
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        return console.decode("latin-1").replace("\r\n", "\n")


def what_started(console):
    """('A', 'B', 'R', '-' or '?', kernel, ramdisk, bootargs)"""
    kernels = re.search(r"^kernel=(.*?)\n(?:ramdisk=(.*?)\n)?bootargs=(.*)\n", console, re.M | re.S)
    if kernels:
        named = re.findall(r"^Lifeboat: starting (\w+)$", console, re.M)
        started = {"A": "A", "B": "B", "recovery": "R"}.get(named[-1] if named else None, "?")
        return (started,) + kernels.groups()
    return ("-" if "Trying again in one minute." in console else "?", None, None, None)
