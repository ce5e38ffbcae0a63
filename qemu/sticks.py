"""Images of USB sticks and SD cards for the reference board, made without root or loop devices.

    make_stick("stick.img", {"update.boat": "build/board/release-2.boat"}, fs="vfat")

exFAT has no tool that writes into an image, so this file does: see ExfatImage.
"""
import os
import shutil
import struct
import subprocess
import tempfile

MIB = 1 << 20
PARTITION_START = MIB


def _run(*command, **keywords):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **keywords)
    if done.returncode:
        raise RuntimeError("%s failed:\n%s" % (command[0], done.stdout.decode(errors="replace")))


class ExfatImage:
    """Adds folders and files to a fresh exFAT filesystem (Microsoft's exFAT specification, 7.4 to 7.7)."""

    def __init__(self, path):
        self.f = open(path, "r+b")
        boot = self.f.read(512)
        if boot[3:11] != b"EXFAT   ":
            raise ValueError("%s is not an exFAT filesystem" % path)
        _, _, heap, self.clusters, root = struct.unpack_from("<IIIII", boot, 80)
        sector = 1 << boot[108]
        self.cluster_size = sector << boot[109]
        self.heap = heap * sector
        self.root = (root, self.cluster_size)
        for off in range(0, self.cluster_size, 32):
            entry = self._read(self._offset(root) + off, 32)
            if entry[0] == 0x81:
                self.bitmap = self._offset(struct.unpack_from("<I", entry, 20)[0])
        self.folders = {"": self.root}

    def close(self):
        self.f.close()

    def _read(self, offset, size):
        self.f.seek(offset)
        return self.f.read(size)

    def _write(self, offset, data):
        self.f.seek(offset)
        self.f.write(data)

    def _offset(self, cluster):
        return self.heap + (cluster - 2) * self.cluster_size

    def _allocate(self, size):
        """Clusters in a row, behind everything allocated so far; returns the first one."""
        count = -(-size // self.cluster_size)
        bitmap = bytearray(self._read(self.bitmap, (self.clusters + 7) // 8))
        used = [i for i in range(self.clusters) if bitmap[i // 8] >> (i % 8) & 1]
        first = used[-1] + 1
        if first + count > self.clusters:
            raise ValueError("the stick is too small")
        for i in range(first, first + count):
            bitmap[i // 8] |= 1 << (i % 8)
        self._write(self.bitmap, bytes(bitmap))
        return first + 2

    def _add_entry(self, folder, name, folder_bit, first, size):
        utf16 = name.encode("utf-16-le")
        upper = name.upper().encode("utf-16-le")
        name_hash = 0
        for byte in upper:
            name_hash = ((name_hash >> 1 | (name_hash & 1) << 15) + byte) & 0xFFFF
        parts = [utf16[i:i + 30].ljust(30, b"\0") for i in range(0, len(utf16), 30)]
        stamp = (2020 - 1980) << 25 | 1 << 21 | 1 << 16
        entry = bytearray(struct.pack("<BBHHHIII", 0x85, 1 + len(parts), 0, 0x10 if folder_bit else 0x20, 0, stamp,
                                      stamp, stamp).ljust(32, b"\0"))
        # Flags 3: the clusters lie in a row, so no chain in the FAT is needed. No clusters: flags 1.
        entry += struct.pack("<BBBBHHQIIQ", 0xC0, 3 if size else 1, 0, len(utf16) // 2, name_hash, 0, size, 0,
                             first if size else 0, size)
        for part in parts:
            entry += b"\xc1\0" + part
        check = 0
        for i, byte in enumerate(entry):
            if i not in (2, 3):
                check = ((check >> 1 | (check & 1) << 15) + byte) & 0xFFFF
        struct.pack_into("<H", entry, 2, check)
        start, room = self.folders[folder]
        offset = self._offset(start)
        for at in range(0, room, 32):
            if self._read(offset + at, 1) == b"\0":
                if at + len(entry) > room:
                    break
                self._write(offset + at, bytes(entry))
                return
        raise ValueError("the folder %r of the stick is full" % folder)

    def add_folder(self, path):
        parent, _, name = path.rpartition("/")
        first = self._allocate(self.cluster_size)
        self._write(self._offset(first), bytes(self.cluster_size))
        self._add_entry(parent, name, True, first, self.cluster_size)
        self.folders[path] = (first, self.cluster_size)

    def add_file(self, path, data):
        parent, _, name = path.rpartition("/")
        first = self._allocate(len(data)) if data else 0
        if data:
            self._write(self._offset(first), data)
        self._add_entry(parent, name, False, first, len(data))


def _content(source):
    if isinstance(source, bytes):
        return source
    with open(source, "rb") as f:
        return f.read()


def _make_filesystem(image, size, fs, files):
    folders = sorted({"/".join(name.split("/")[:i]) for name in files for i in range(1, name.count("/") + 1)})
    with open(image, "wb") as f:
        f.truncate(size)
    if fs == "vfat":
        _run("/sbin/mkfs.vfat", "-n", "STICK", image)
        env = dict(os.environ, MTOOLS_SKIP_CHECK="1")
        for folder in folders:
            _run("mmd", "-i", image, "::" + folder, env=env)
        with tempfile.TemporaryDirectory() as work:
            for name, source in files.items():
                path = os.path.join(work, "file")
                with open(path, "wb") as f:
                    f.write(_content(source))
                _run("mcopy", "-i", image, path, "::" + name, env=env)
    elif fs == "exfat":
        _run("/sbin/mkfs.exfat", "-L", "STICK", image)
        stick = ExfatImage(image)
        for folder in folders:
            stick.add_folder(folder)
        for name, source in files.items():
            stick.add_file(name, _content(source))
        stick.close()
    elif fs == "ext4":
        with tempfile.TemporaryDirectory() as work:
            for folder in folders:
                os.makedirs(os.path.join(work, folder), exist_ok=True)
            for name, source in files.items():
                with open(os.path.join(work, name), "wb") as f:
                    f.write(_content(source))
            _run("/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-L", "stick", "-d", work, image)
    else:
        raise ValueError("unknown filesystem %r (vfat, exfat or ext4)" % fs)


def make_stick(path, files, fs="vfat", partition_table=True, size=None):
    """Make an image of a stick or card at path; returns path.

    files: name on the stick (folders with /) to a path or to bytes. fs: vfat, exfat or ext4. partition_table: True
    ("dos"), "dos", "gpt", or False for a filesystem on the whole device. size: bytes, a power of two for an SD card;
    default: what fits, at least 64 MiB.
    """
    need = sum(len(s) if isinstance(s, bytes) else os.path.getsize(s) for s in files.values())
    if size is None:
        size = 64 * MIB
        while size < need * 1.1 + 24 * MIB:
            size *= 2
    if not partition_table:
        _make_filesystem(path, size, fs, files)
        return path
    with open(path, "wb") as f:
        f.truncate(size)
    label = "gpt" if partition_table == "gpt" else "dos"
    kind = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7" if label == "gpt" else {"vfat": "c", "exfat": "7", "ext4": "83"}[fs]
    _run("/sbin/sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", path,
         input=("label: %s\nstart=%d, type=%s\n" % (label, PARTITION_START // 512, kind)).encode())
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(os.path.abspath(path))) as f:
        _make_filesystem(f.name, size - PARTITION_START - MIB, fs, files)
        with open(f.name, "rb") as source, open(path, "r+b") as stick:
            stick.seek(PARTITION_START)
            _copy_sparse(source, stick)
    return path


def _copy_sparse(source, target):
    while True:
        block = source.read(MIB)
        if not block:
            return
        if block.count(0) == len(block):
            target.seek(len(block), os.SEEK_CUR)
        else:
            target.write(block)


def stick_from_folder(path, folder, fs="vfat"):
    """Make a stick that holds a folder's files, or just one file."""
    files = {} if os.path.isdir(folder) else {os.path.basename(folder): folder}
    for parent, _, names in os.walk(folder):
        for name in names:
            full = os.path.join(parent, name)
            files[os.path.relpath(full, folder)] = full
    return make_stick(path, files, fs)


def copy_image(source, target):
    """Copy a disk image; holes stay holes."""
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", source, target], check=True)
    return target


if shutil.which("mcopy") is None:
    raise ImportError("mtools is missing: run 'make setup'")
