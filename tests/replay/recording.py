"""What a board wrote, from QEMU's log of it, and the disks that a power cut may leave.

The log is in the format of dm-log-writes (Documentation/admin-guide/device-mapper/log-writes.rst in Linux): writes and
flushes in the order in which the disk got them. An epoch is what stands between two flushes. When the power goes in an
epoch, everything before it is on the medium; of its own writes each may be there, be lost, or be there in part.

A disk is named SCENARIO:EPOCH:OUTCOME, where the outcome has a word for each write of the epoch:

    +         it is on the medium
    -         it is lost
    h12       its first 12 sectors are there, e12 its last 12
    t12.100   its first 12 sectors are there, and 100 bytes of the next one
    g12       its first 12 sectors are there, and the next one is garbled

What the last word says holds for all writes that follow; "*" before it repeats a word: "+*30" is thirty times "+".
"""
import hashlib
import itertools
import os
import re
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "qemu"))

from rig import boards, copy_image, partitions  # noqa: E402

SECTOR = 512
FLUSH, FUA, DISCARD = 1, 2, 4
BLOCK = 4096
RINGS = {1: "record", 2: "journal", 3: "result", 4: "log"}
STEPS = ("idle", "begin", "progress", "written", "verified", "committed")
WORD = re.compile(r"([+-]|[heg]\d+|t\d+\.\d+)(?:\*(\d+))?")


class Write:
    def __init__(self, offset, data, what):
        self.offset, self.data, self.what = offset, data, what
        self.sectors = len(data) // SECTOR


class Epoch:
    def __init__(self, number):
        self.number, self.writes, self.name = number, [], ""

    def parse(self, outcome):
        """The words of an outcome, one for each write."""
        words, at = [], 0
        while at < len(outcome):
            match = WORD.match(outcome, at)
            if not match:
                raise ValueError("%r is no outcome" % outcome)
            words += [match.group(1)] * int(match.group(2) or 1)
            at = match.end()
        words = words or ["+"]
        return (words + [words[-1]] * len(self.writes))[:len(self.writes)]


def outcome_text(words):
    """The short form of a list of words."""
    groups = [(word, len(list(group))) for word, group in itertools.groupby(words)]
    return "".join(word + ("*%d" % count if count > 1 and i + 1 < len(groups) else "")
                   for i, (word, count) in enumerate(groups))


def garbled(data):
    """A sector that says nothing, the same each time."""
    return hashlib.shake_128(data).digest(len(data))


def survives(write, word):
    """What of a write is on the medium: (offset, bytes), and what stands behind them as it was before."""
    if word == "+":
        return [(write.offset, write.data)]
    if word == "-":
        return []
    sectors, _, part = word[1:].partition(".")
    size = min(int(sectors), write.sectors) * SECTOR
    if word[0] == "e":
        return [(write.offset + len(write.data) - size, write.data[len(write.data) - size:])] if size else []
    end = size + int(part or 0)
    pieces = [(write.offset, write.data[:end])] if end else []
    if word[0] == "g" and size < len(write.data):
        pieces.append((write.offset + size, garbled(write.data[size:size + SECTOR])))
    return pieces


class Recording:
    """folder: start.img, the disk before the first write, and log. durable: the disk has no cache, so every write
    is on the medium when it ends, and the next one comes after it."""

    def __init__(self, name, folder, durable=False):
        self.name, self.start = name, os.path.join(folder, "start.img")
        self.flushes = 0
        self.epochs = [Epoch(0)]
        self.regions = [(start, start + size, label) for label, (start, size) in partitions(self.start).items()]
        self.regions += [(at, at + boards.ENVIRONMENT_SIZE, "flags") for at in boards.ENVIRONMENT_OFFSETS]
        for flags, offset, data in read_log(os.path.join(folder, "log")):
            assert not flags & DISCARD, "the reference board discards nothing"
            assert not flags & FUA, "nobody writes with FUA; an epoch would have to end here"
            if flags & FLUSH:
                self.flushes += 1
            if (flags & FLUSH or durable) and self.epochs[-1].writes:
                self.epochs.append(Epoch(len(self.epochs)))
            if data:
                self.epochs[-1].writes.append(Write(offset, data, self.what(offset, data)))
        if not self.epochs[-1].writes:
            self.epochs.pop()
        self._name_stores()
        self._name_epochs()
        self._hash_durable()

    def protocol(self):
        """The kinds of writes in their order, without the reports: what is told depends on when a stick is found."""
        kinds = (w.what for epoch in self.epochs for w in epoch.writes if w.what not in ("log", "state", "result"))
        return [kind for kind, _ in itertools.groupby(kinds)]

    def region(self, offset):
        for start, end, label in self.regions:
            if start <= offset < end:
                return label, offset - start
        raise AssertionError("a write to %d, which belongs to nothing" % offset)

    def what(self, offset, data):
        label, at = self.region(offset)
        assert self.region(offset + len(data) - 1)[0] == label, "a write into two partitions"
        if label != "state":
            return label
        if data[:4] != b"LBR1":
            return "pending" if 356 * BLOCK <= at < 640 * BLOCK else "state"
        ring = RINGS[struct.unpack_from(">I", data, 4)[0]]
        if ring == "journal":
            ring += " " + STEPS[struct.unpack_from(">I", data, 64 + 4)[0]]
        return ring

    def _name_stores(self):
        """The last five stores of the flags are the mark in both copies, the flip, the boot loader's and the
        confirmation."""
        stores, last = [], None
        for write in (w for epoch in self.epochs for w in epoch.writes if w.what == "flags"):
            copy = write.offset >= boards.ENVIRONMENT_OFFSETS[1]
            if copy != last:
                stores.append([])
            stores[-1].append(write)
            last = copy
        for store, name in zip(reversed(stores), ("confirm", "try", "flip", "mark", "mark")):
            for write in store:
                write.what = name

    def _name_epochs(self):
        for epoch in self.epochs:
            epoch.name = "+".join(dict.fromkeys(w.what for w in epoch.writes))
        # The device record is stored on several occasions.
        names = [epoch.name for epoch in self.epochs]
        for before, epoch, behind in zip([""] + names, self.epochs, names[1:] + [""]):
            if epoch.name == "record":
                epoch.name += " of the mark" if before == "mark" else " of the flip" if behind == "flip" else \
                    " of the floor" if before == "confirm" else ""

    def epoch(self, name):
        """The last epoch of this name, or with a write of this kind; or None."""
        return next((epoch for epoch in reversed(self.epochs) if name in [epoch.name] + epoch.name.split("+")), None)

    def _hash_durable(self):
        """A number for the disk as it is before each epoch: the sum of all sectors that are not as at the start."""
        self.before, self.total, total = [], {}, 0
        with open(self.start, "rb") as start:
            for epoch in self.epochs:
                self.before.append(total)
                for write in epoch.writes:
                    total ^= self._change(start, self.total, [(write.offset, write.data)])
        self.total = None

    def _change(self, start, known, pieces):
        """What these bytes change in the number of the disk; known: what other than the start the disk holds."""
        change = 0
        for offset, data in pieces:
            for at in range(0, len(data), SECTOR):
                sector, new = (offset + at) // SECTOR, data[at:at + SECTOR]
                start.seek(sector * SECTOR)
                first = start.read(SECTOR)
                old = known.get(sector, first)
                new += old[len(new):]
                for content in (old, new):
                    if content != first:
                        change ^= int.from_bytes(hashlib.blake2b(b"%d:" % sector + content, digest_size=16).digest(),
                                                 "big")
                known[sector] = new
        return change

    def pieces(self, number, outcome):
        epoch = self.epochs[number]
        return [piece for write, word in zip(epoch.writes, epoch.parse(outcome)) for piece in survives(write, word)]

    def identity(self, number, outcome):
        """The same for two disks that hold the same bytes."""
        pieces = self.pieces(number, outcome)
        known = {}
        touched = {sector for offset, data in pieces
                   for sector in range(offset // SECTOR, (offset + len(data) + SECTOR - 1) // SECTOR)}
        for epoch in self.epochs[:number]:
            for write in epoch.writes:
                first = write.offset // SECTOR
                for sector in touched & set(range(first, first + write.sectors)):
                    known[sector] = write.data[(sector - first) * SECTOR:(sector - first + 1) * SECTOR]
        with open(self.start, "rb") as start:
            return self.name.partition("-")[0], self.before[number] ^ self._change(start, known, pieces)

    def disk(self, target, number, outcome, without=()):
        """The disk that a cut in this epoch leaves, with this outcome. without: names of writes that a medium forgot
        though it had been told to flush them."""
        copy_image(self.start, target)
        with open(target, "r+b") as f:
            for epoch in self.epochs[:number]:
                for write in epoch.writes:
                    if write.what not in without:
                        f.seek(write.offset)
                        f.write(write.data)
            for offset, data in self.pieces(number, outcome):
                f.seek(offset)
                f.write(data)
        return target


def read_log(path):
    """(flags, offset, bytes) of each entry. QEMU counts the entries now and then only, so the file's end is the end."""
    with open(path, "rb") as f:
        magic, version, _, sector = struct.unpack("<QQQI", f.read(28))
        assert (magic, version, sector) == (0x6a736677736872, 1, SECTOR), "%s is no log of writes" % path
        f.seek(SECTOR)
        while head := f.read(SECTOR):
            at, count, flags, _ = struct.unpack_from("<QQQQ", head)
            data = f.read(count * SECTOR)
            assert len(data) == count * SECTOR, "%s is cut" % path
            yield flags, at * SECTOR, data
