"""The disk as it was after any write: from a log in the format of dm-log-writes (include/linux in its documentation).

The card has no cache that a power cut could empty: what was written is written, up to the sector that was under way.
So a cut is a number of whole sectors, and perhaps a part of the next one.
"""
import struct

from rig import boards, copy_image, partitions

SECTOR = 512


class Recording:
    """disk: the state before the first write. log: every write since then."""

    def __init__(self, disk, log):
        self.disk = disk
        self.writes = []        # (offset, bytes), one for each sector
        regions = sorted((start, start + size, label) for label, (start, size) in partitions(disk).items())
        regions += [(at, at + boards.ENVIRONMENT_SIZE, "env") for at in boards.ENVIRONMENT_OFFSETS]
        self.regions = regions
        with open(log, "rb") as f:
            f.seek(SECTOR)
            while True:
                head = f.read(SECTOR)
                if len(head) < 32:
                    break
                sector, count, flags, _ = struct.unpack_from("<QQQQ", head)
                assert not flags & 4, "the reference board discards nothing"
                for i in range(count):
                    data = f.read(SECTOR)
                    assert len(data) == SECTOR, "the log is cut"
                    self.writes.append(((sector + i) * SECTOR, data))
        # Runs of writes into the same region: (region, number of the first one, number behind the last one).
        self.runs = []
        for number, (offset, _) in enumerate(self.writes):
            region = self.region(offset)
            if self.runs and self.runs[-1][0] == region:
                self.runs[-1][2] = number + 1
            else:
                self.runs.append([region, number, number + 1])

    def region(self, offset):
        for start, end, label in self.regions:
            if start <= offset < end:
                return label
        raise AssertionError("a write to %d, which belongs to nothing" % offset)

    def disk_after(self, target, number, part=0):
        """The disk when `number` sectors were written, and `part` bytes of the next one."""
        copy_image(self.disk, target)
        with open(target, "r+b") as f:
            for offset, data in self.writes[:number]:
                f.seek(offset)
                f.write(data)
            if part:
                offset, data = self.writes[number]
                f.seek(offset)
                f.write(data[:part])
        return target
