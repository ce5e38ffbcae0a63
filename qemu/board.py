"""The reference board in QEMU: power, console, sticks, cards and the disk's contents.

    from board import Board, new_disk
    with Board(new_disk("disk.img", "ab"), tree="ab") as board:
        board.expect("release 1 #", 60)
        print(board.run("lifeboat status"))
        board.plug_usb("stick.img")
        board.cut_power()
        board.power_on()

Nothing here needs root. A board that is left running dies with the program that started it.
"""
import codecs
import ctypes
import json
import os
import re
import shlex
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import zlib

from sticks import copy_image, make_stick, stick_from_folder  # noqa: F401 (for those who use the board)

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(os.path.dirname(HERE), "build", "board")
# Every wait is multiplied by this, for machines that are slow or busy.
TIME_FACTOR = float(os.environ.get("BOARD_TIME_FACTOR", "1"))

ENVIRONMENT_OFFSETS = (0x100000, 0x180000)
ENVIRONMENT_SIZE = 0x4000


class BoardError(Exception):
    """Something that was waited for did not happen; says what the console showed."""


def _die_with_parent():
    os.setsid()                                                         # a terminal's Ctrl-C is not for QEMU
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)                          # PR_SET_PDEATHSIG


def machine_options():
    with open(os.path.join(HERE, "machine")) as f:
        return shlex.split(f.read(), comments=True)


def new_disk(path, board="ab", kind="disk"):
    """A fresh main storage at path: kind "disk" as it leaves the factory, or "blank" with recovery only."""
    return copy_image(os.path.join(BUILD, "%s-%s.img" % (kind, board)), path)


class Board:
    """One board. disk: image of main storage. tree: "ab", "single" or the path of a control device tree."""

    def __init__(self, disk, tree="ab", usb=None, sd=None, net=True, rtc=None, log=None, watch=None, extra=(),
                 power_on=True, write_log=None):
        """usb: image of a stick that is plugged in from the start, or a list of them; sd: image of a card in the second
        slot (more with plug_usb and plug_sd). What is plugged in stays so when the power goes. net: True, False, or a
        list of extra options for QEMU's user network. rtc: the clock at power-on, such as "1970-01-01T00:00:00". log: a
        file that gets everything the console shows. watch: a function that gets it as text while it comes. extra: more
        arguments for QEMU. write_log: an empty file that gets every write to main storage and every flush,
        in the format of dm-log-writes."""
        self.write_log = write_log
        self.disk, self.sd, self.net, self.rtc, self.extra = disk, sd, net, rtc, list(extra)
        self.tree = tree if os.path.sep in tree else os.path.join(BUILD, tree + ".dtb")
        self.log = open(log, "ab", buffering=0) if log else None
        self.watch = watch
        self.process = None
        self.output = ""            # everything since the last power-on
        self.position = 0           # what expect() has consumed
        self._changed = threading.Condition()
        self._count = 0             # for names
        self._sticks = {}           # name -> (image, read-only)
        for image in usb if isinstance(usb, (list, tuple)) else [usb] if usb else []:
            self._sticks[self._stick_name()] = (image, False)
        if power_on:
            self.power_on()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # --- Power -------------------------------------------------------------------------------------------------------

    def command(self, serial, monitor):
        """QEMU's command line, with these arguments for the serial port and the monitor."""
        command = ["qemu-system-aarch64"] + machine_options() + serial + monitor + [
            "-bios", os.path.join(BUILD, "u-boot.bin"), "-dtb", self.tree,
            "-device", "i6300esb", "-action", "watchdog=reset",
            "-device", "virtio-rng-pci",
            "-drive", "if=none,id=main," + self._main_storage(),
            "-device", "sdhci-pci,id=slot0,addr=4", "-device", "sd-card,bus=pcie.0/slot0/sd-bus,drive=main",
            "-drive", "if=none,id=card" + (",format=raw,file=%s" % self.sd if self.sd else ""),
            "-device", "sdhci-pci,id=slot1,addr=5", "-device", "sd-card,id=card,bus=pcie.0/slot1/sd-bus,drive=card",
            "-device", "qemu-xhci,id=usb,addr=6"]
        for name, (image, read_only) in self._sticks.items():
            command += ["-blockdev", json.dumps(self._stick_disk(name, image, read_only)),
                        "-device", "usb-storage,id=%s,bus=usb.0,drive=%s-disk,removable=on" % (name, name)]
        if self.net:
            options = "".join("," + o for o in (self.net if isinstance(self.net, (list, tuple)) else []))
            command += ["-netdev", "user,id=net0" + options,
                        "-device", "virtio-net-pci,netdev=net0,addr=7,romfile="]
        if self.rtc:
            command += ["-rtc", "base=" + self.rtc]
        return command + self.extra

    def _main_storage(self):
        if not self.write_log:
            return "format=raw,file=" + self.disk
        return "driver=blklogwrites,log-sector-size=512,file.driver=file,file.filename=%s,log.driver=file," \
            "log.filename=%s" % (self.disk, self.write_log)

    def power_on(self):
        """Start QEMU; the board boots."""
        assert self.process is None, "the board is on"
        folder = tempfile.mkdtemp(prefix="board")
        path = os.path.join(folder, "qmp")
        self.output, self.position = "", 0
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            self.command(["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"],
                         ["-qmp", "unix:%s,server=on,wait=off" % path]),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=_die_with_parent)
        self._reader = threading.Thread(target=self._read_console, args=(self.process,), daemon=True)
        self._reader.start()
        try:
            self._connect(path)
        except BaseException:
            self.process.kill()
            self.process.wait()
            self._reader.join(1)
            print(self.output)
            self.process = None
            raise
        finally:
            if os.path.exists(path):
                os.unlink(path)
            os.rmdir(folder)

    def _connect(self, path):
        deadline = time.monotonic() + 20 * TIME_FACTOR
        self._qmp = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self._qmp.connect(path)
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise BoardError("QEMU did not start") from None
                time.sleep(0.02)
        self._qmp.settimeout(20 * TIME_FACTOR)
        self._qmp_file = self._qmp.makefile("rb")
        self._events = []
        self._qmp_line()
        self.qmp("qmp_capabilities")

    def cut_power(self):
        """Power is gone at once: QEMU is killed. What the guest wrote to the disk is in the image."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self._reader.join(5)
            self._qmp_file.close()
            self._qmp.close()
            self.process.stdin.close()
            self.process.stdout.close()
            self.process = None

    kill = cut_power

    def close(self):
        self.cut_power()
        if self.log:
            self.log.close()
            self.log = None

    def reset(self):
        """The reset line: everything starts again, QEMU stays."""
        self.qmp("system_reset")

    def stop(self):
        """Time stands still on the board."""
        self.qmp("stop")

    def cont(self):
        """Time goes on."""
        self.qmp("cont")

    def wait_off(self, timeout=30):
        """Wait until the board has switched itself off."""
        try:
            self.process.wait(timeout * TIME_FACTOR)
        except subprocess.TimeoutExpired:
            raise BoardError("the board did not switch itself off; the console ended with:\n" + self._tail()) from None
        self.cut_power()

    # --- Monitor -----------------------------------------------------------------------------------------------------

    def _qmp_line(self):
        line = self._qmp_file.readline()
        if not line:
            raise BoardError("QEMU has ended; the console ended with:\n" + self._tail())
        return json.loads(line)

    def qmp(self, command, **arguments):
        """Run one command of QEMU's monitor protocol; returns its result."""
        return self._execute(command, {k.replace("_", "-"): v for k, v in arguments.items()})

    def _execute(self, command, arguments):
        message = {"execute": command, "arguments": arguments}
        self._qmp.sendall(json.dumps(message).encode() + b"\n")
        while True:
            answer = self._qmp_line()
            if "event" in answer:
                self._events.append(answer)
            elif "error" in answer:
                raise BoardError("%s: %s" % (command, answer["error"]["desc"]))
            else:
                return answer["return"]

    def wait_event(self, name, **data):
        """Wait for an event of QEMU's monitor with this data; events before the call count too."""
        while True:
            for event in list(self._events):
                self._events.remove(event)
                if event["event"] == name and all(event.get("data", {}).get(k) == v for k, v in data.items()):
                    return event
            answer = self._qmp_line()
            if "event" in answer:
                self._events.append(answer)

    def throttle(self, write=0, read=0):
        """Slow main storage down to so many bytes/s; 0: as fast as it goes."""
        self._execute("block_set_io_throttle", {"device": "main", "bps": 0, "bps_rd": int(read), "bps_wr": int(write),
                                                "iops": 0, "iops_rd": 0, "iops_wr": 0})

    # --- Sticks and cards --------------------------------------------------------------------------------------------

    def _stick_name(self):
        self._count += 1
        return "usb%d" % self._count

    @staticmethod
    def _stick_disk(name, image, read_only):
        return {"driver": "raw", "node-name": name + "-disk", "read-only": read_only,
                "file": {"driver": "file", "filename": os.path.abspath(image)}}

    def plug_usb(self, image, read_only=False):
        """Plug a stick in; returns its name for unplug_usb. It stays plugged in when the power goes."""
        name = self._stick_name()
        self.qmp("blockdev-add", **self._stick_disk(name, image, read_only))
        self.qmp("device_add", driver="usb-storage", id=name, bus="usb.0", drive=name + "-disk", removable=True)
        self._sticks[name] = (image, read_only)
        return name

    def unplug_usb(self, name=None):
        """Pull a stick out: the one with this name, or the only one. The power may be off."""
        if name is None:
            name, = self._sticks
        del self._sticks[name]
        if self.process:
            self.qmp("device_del", id=name)
            self.wait_event("DEVICE_DELETED", device=name)
            self.qmp("blockdev-del", node_name=name + "-disk")

    def plug_sd(self, image):
        """Put a card into the second slot. The image's size must be a power of two."""
        if self.process:
            self.qmp("blockdev-change-medium", id="card", filename=os.path.abspath(image), format="raw")
        self.sd = image

    def unplug_sd(self):
        """Take the card out of the second slot."""
        if self.process:
            self.qmp("eject", id="card", force=True)
        self.sd = None

    # --- Console -----------------------------------------------------------------------------------------------------

    def _read_console(self, process):
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        while True:
            data = os.read(process.stdout.fileno(), 65536)
            if not data:
                break
            if self.log:
                self.log.write(data)
            text = decoder.decode(data)
            if self.watch:
                self.watch(text)
            with self._changed:
                self.output += text
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def _tail(self):
        return "\n".join(self.output[-4000:].splitlines()[-40:])

    def expect(self, pattern, timeout=30):
        """Wait until the console shows this regular expression behind what was expected before; returns the match."""
        deadline = time.monotonic() + timeout * TIME_FACTOR
        with self._changed:
            while True:
                match = re.compile(pattern, re.MULTILINE).search(self.output, self.position)
                if match:
                    self.position = match.end()
                    return match
                left = deadline - time.monotonic()
                if left <= 0 or (self.process and self.process.poll() is not None and not self._reader.is_alive()):
                    why = "did not come within %g s" % (timeout * TIME_FACTOR) if left <= 0 else \
                        "can not come any more, the board is off"
                    raise BoardError("%r %s; the console ended with:\n%s" % (pattern, why, self._tail()))
                self._changed.wait(min(left, 0.5))

    def seen(self, pattern):
        """Whether the console has shown this since the last power-on, without consuming it."""
        return re.search(pattern, self.output, re.MULTILINE)

    def send(self, text):
        """Type this on the console."""
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def login(self, timeout=60):
        """Wait for the reference system's shell; returns the release that runs."""
        match = self.expect(r"^\r?release (.*) # ", timeout)
        return match.group(1)

    def run(self, command, timeout=30, check=True):
        """Run a command in the reference system's shell; returns what it printed. check: it must succeed."""
        self._count += 1
        # The mark is typed in two halves, so that the echo of the command is not taken for its end.
        mark = "done-%d" % self._count
        self.send("echo begin''-%d; %s; echo %s''-%d $?\n" % (self._count, command, "done", self._count))
        self.expect(r"^\r?begin-%d\r\n" % self._count, timeout)
        start = self.position
        match = self.expect(mark + r" (\d+)\r\n", timeout)
        text = self.output[start:match.start()].replace("\r\n", "\n")
        if check and match.group(1) != "0":
            raise BoardError("%r ended with %s:\n%s" % (command, match.group(1), text))
        return text if check else (int(match.group(1)), text)


# --- The contents of main storage ------------------------------------------------------------------------------------

def partitions(disk):
    """Label -> (offset, size) in bytes, from the primary partition table."""
    found = {}
    with open(disk, "rb") as f:
        f.seek(512)
        header = f.read(92)
        if header[:8] != b"EFI PART":
            raise BoardError("%s has no partition table" % disk)
        start, count, size = struct.unpack_from("<QII", header, 72)
        f.seek(start * 512)
        table = f.read(count * size)
    for at in range(0, count * size, size):
        first, last = struct.unpack_from("<QQ", table, at + 32)
        if first:
            label = table[at + 56:at + 128].decode("utf-16-le").rstrip("\0")
            found[label] = (first * 512, (last - first + 1) * 512)
    return found


def read_partition(disk, label, size=None):
    offset, room = partitions(disk)[label]
    with open(disk, "rb") as f:
        f.seek(offset)
        return f.read(room if size is None else size)


def write_partition(disk, label, data, at=0):
    offset, room = partitions(disk)[label]
    assert at + len(data) <= room, "does not fit into %s" % label
    with open(disk, "r+b") as f:
        f.seek(offset + at)
        f.write(data)


def flip_byte(disk, offset):
    """Change one bit of one byte of a file."""
    with open(disk, "r+b") as f:
        f.seek(offset)
        byte = f.read(1)
        f.seek(offset)
        f.write(bytes([byte[0] ^ 1]))


def _environment_tool(disk, *command, **keywords):
    with tempfile.NamedTemporaryFile("w", suffix=".config") as config:
        for offset in ENVIRONMENT_OFFSETS:
            config.write("%s 0x%x 0x%x\n" % (os.path.abspath(disk), offset, ENVIRONMENT_SIZE))
        config.flush()
        done = subprocess.run([command[0], "-c", config.name] + list(command[1:]), text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, **keywords)
    if done.returncode:
        raise BoardError("%s: %s" % (command[0], done.stdout))
    return done.stdout


def read_env(disk):
    """The boot loader's variables, as Debian's fw_printenv reads them."""
    pairs = (line.partition("=") for line in _environment_tool(disk, "fw_printenv").splitlines())
    return {name: value for name, _, value in pairs}


def write_env(disk, **variables):
    """Store variables with Debian's fw_setenv; None removes one."""
    with tempfile.NamedTemporaryFile("w", suffix=".script") as script:
        for name, value in variables.items():
            script.write("%s=%s\n" % (name, "" if value is None else value))
        script.flush()
        _environment_tool(disk, "fw_setenv", "-s", script.name)


def read_env_copies(disk):
    """Both copies as they lie on the disk: (valid, serial byte, variables) each."""
    copies = []
    with open(disk, "rb") as f:
        for offset in ENVIRONMENT_OFFSETS:
            f.seek(offset)
            data = f.read(ENVIRONMENT_SIZE)
            valid = struct.unpack_from("<I", data)[0] == zlib.crc32(data[5:])
            pairs = (p.partition("=") for p in data[5:].split(b"\0\0")[0].decode(errors="replace").split("\0") if p)
            copies.append((valid, data[4], {n: v for n, _, v in pairs} if valid else {}))
    return copies


def damage_env(disk, *copies):
    """Damage these copies of the environment (0, 1)."""
    for copy in copies:
        flip_byte(disk, ENVIRONMENT_OFFSETS[copy] + 100)
