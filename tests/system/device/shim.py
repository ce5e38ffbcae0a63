"""A made-up machine around the native program (shim.c): running systems, recovery, sticks, and media that fail.

`environment` is for a program that is given its disk by --disk. A Machine has a /sys, a /dev and a kernel command line
of its own, so that the program finds its disk, its board tree and its sticks as it does on a device, and recovery runs.
"""
import atexit
import contextlib
import functools
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading
import time

import world as worlds
from world import MIB

SPEED = 20  # what waits for ten seconds is done in half a one
RESTARTED, POWERED_OFF = 70, 71  # exit status where the machine would do so

NTFS = bytes(3) + b"NTFS    " + bytes(499) + b"\x55\xaa"
# A boot sector of FAT16: sectors of 512 bytes, clusters of 4, one reserved sector, two tables.
VFAT = (b"\xeb\x3c\x90mkfs.fat" + bytes.fromhex("0002 04 0100 02 0002 0050 f8 1400") + bytes(488))[:510] + b"\x55\xaa"


@functools.cache
def library():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="lifeboat-shim-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", folder / "shim.so",
                    pathlib.Path(__file__).with_name("shim.c"), "-ldl"], check=True)
    return str(folder / "shim.so")


def read_until(process, words):
    """What it says until then."""
    said = ""
    while words not in said:
        byte = process.stdout.read(1)
        assert byte, f"it ended, and never said {words!r}: {said}"
        said += byte
    return said


def environment(faults=(), speed=1, uid=None, root=None, online=False):
    """faults: (operation, end of a path, first byte, last byte, errno or "lost" or "end"). online: a network is up."""
    variables = os.environ | {"LD_PRELOAD": library(), "SHIM_SPEED": str(speed),
                              "SHIM_FAULT": "\n".join(" ".join(map(str, fault)) for fault in faults)}
    if uid is not None:
        variables["SHIM_UID"] = str(uid)
    if root is not None:
        variables["SHIM_ROOT"] = str(root)
    if online:
        variables["SHIM_ONLINE"] = "1"
    return variables


started = []  # by Machine.start


def end_what_was_started():
    for process in started:
        process.kill()
        process.wait()
    started.clear()


class Machine:
    """running: the slot that the boot script started, "recovery", or None: the boot script said nothing."""

    def __init__(self, world, running="A", uid=0, disk=True):
        self.world, self.root, self.uid = world, world.folder / "machine", uid
        self.nodes, self.sticks = [], 0
        words = {"recovery": "lifeboat.mode=recovery", None: "quiet"}.get(running, f"lifeboat.slot={running}")
        self.put("proc/cmdline", f"console=ttyAMA0 {words}\n")
        self.put("proc/self/mountinfo", "")
        for folder in ("dev", "run", "etc/lifeboat", "media", "sys/block", "sys/class/net", "sys/dev/block"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        self.put("sys/firmware/fdt", world.board.read_bytes())
        if disk:
            self.disk("vda")

    def put(self, path, content):
        path = self.root / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def node(self, name, file, off, size, number, busy=False):
        self.nodes.append([name, file, off, size, 254, number, int(busy)])

    def _block(self, name, where, size, number):
        folder = f"sys/devices/{where}/block/{name}"
        self.put(f"{folder}/size", f"{size // 512}\n")
        self.put(f"{folder}/dev", f"254:{number}\n")
        (self.root / "sys/block" / name).symlink_to(f"../devices/{where}/block/{name}")
        (self.root / "sys/dev/block" / f"254:{number}").symlink_to(f"../../devices/{where}/block/{name}")
        return folder

    def disk(self, name, where="platform/4010000000.mmc", moved=(), busy=()):
        """The world's disk, as the kernel shows it. moved and busy: labels of partitions with which that is so."""
        first = len(self.nodes)
        size = self.world.disk.stat().st_size
        folder = self._block(name, where, size, first)
        self.node(name, self.world.disk, 0, size, first)
        for i, (label, (off, size)) in enumerate(self.world.table.items(), 1):
            self.put(f"{folder}/{name}{i}/partition", f"{i}\n")
            self.put(f"{folder}/{name}{i}/start", f"{off // 512 + 8 * (label in moved)}\n")
            self.put(f"{folder}/{name}{i}/size", f"{size // 512}\n")
            self.node(f"{name}{i}", self.world.disk, off, size, first + i, label in busy)

    def partition(self, label, disk="vda"):
        """The node of a partition."""
        return f"{disk}{list(self.world.table).index(label) + 1}"

    def stick(self, content=VFAT, files=None, name="sda"):
        """content: its first bytes; files: what is found when it is mounted."""
        number, image = 200 + self.sticks, self.root / f"{name}.img"
        self.sticks += 1
        image.write_bytes(content)
        size = max(len(content), MIB)
        os.truncate(image, size)
        self._block(name, "pci0000:00/usb1/1-1/host0", size, number)
        self.node(name, image, 0, size, number)
        if files is not None:
            folder = self.root / "media" / name
            folder.mkdir()
            for file, data in files.items():
                (folder / file).write_bytes(data)
        return f"/dev/{name}"

    def pull_out(self, name):
        """The kernel has forgotten it; the program still has it open."""
        (self.root / "sys/block" / name).unlink()
        for link in (self.root / "sys/dev/block").iterdir():
            if os.path.basename(os.readlink(link)) == name:
                link.unlink()

    def _write_nodes(self):
        self.put("nodes", "".join(" ".join(map(str, node)) + "\n" for node in self.nodes))

    def run(self, verb, *words, keys="", faults=(), speed=SPEED, stays=False, expect=None, **options):
        """keys: what somebody types. stays: the kernel refuses to restart. The program looks for disk and board tree
        itself."""
        self._write_nodes()
        line = [str(worlds.LIFEBOAT), verb, *map(str, words)]
        variables = environment(faults, speed, self.uid, self.root) | ({"SHIM_STAYS": "1"} if stays else {})
        process = subprocess.run(line, input=keys, capture_output=True, encoding="utf-8", errors="replace", timeout=60,
                                 env=variables, start_new_session=True, **options)
        done = worlds.Done(process, [verb, *words])
        assert done.status >= 0, f"a signal ended it: {done}"
        assert expect is None or done.status == expect, done
        return done

    def start(self, verb, *words, faults=(), speed=SPEED, online=False):
        """The program, with pipes: for whoever does something meanwhile."""
        self._write_nodes()
        started.append(subprocess.Popen([str(worlds.LIFEBOAT), verb, *map(str, words)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
                                        errors="replace", start_new_session=True,
                                        env=environment(faults, speed, self.uid, self.root, online)))
        return started[-1]

    def recover(self, keys="", **more):
        """Recovery, until somebody switches it off."""
        return self.run("recover", keys=keys + "p", **more)

    def announce(self):
        """The kernel says that a block device has changed."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            with contextlib.suppress(OSError):  # nobody listens yet, or any more
                s.sendto(b"change@/devices/x\0SUBSYSTEM=block\0", str(self.root / "uevents"))

    def left_alone(self, seconds, speed=1000, faults=(), announced=(), online=False):
        """Recovery with nobody at the console, for so many seconds of ours: its text, and its status where it ended by
        itself. announced: when, in seconds of its own, a block device has changed."""
        self._write_nodes()
        process = subprocess.Popen([str(worlds.LIFEBOAT), "recover"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, encoding="utf-8", start_new_session=True,
                                   env=environment(faults, speed, self.uid, self.root, online))
        begin = time.monotonic()

        def kernel():
            for at in announced:
                time.sleep(max(0, begin + at / speed - time.monotonic()))
                if process.poll() is not None:
                    break
                self.announce()
        thread = threading.Thread(target=kernel)
        thread.start()
        try:
            return process.communicate(timeout=seconds)[0], process.returncode
        except subprocess.TimeoutExpired:
            process.terminate()
            return process.communicate(timeout=10)[0], None
        finally:
            thread.join()
