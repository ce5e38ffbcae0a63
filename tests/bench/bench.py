#!/usr/bin/python3
"""What an install costs: memory and speed, as `figure:` lines, with a yardstick measured in the same run.

The engine is the one that ships, native, on a disk image: package from a file, written past the page cache, flushed,
read back, flags flipped. The yardstick is `zstd -dc | dd` of the same bytes to the same file system with a final
flush: it checks nothing and reads nothing back.
"""
import os
import random
import subprocess
import sys
import tempfile
import time

MIB = 1 << 20
HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
LIFEBOAT = os.path.join(TOP, "build/host/lifeboat")
PACK = os.path.join(TOP, "build/host/lifeboat-pack")
KEY = os.path.join(TOP, "keys/development.key")

BOARD = """/dts-v1/;
/ { lifeboat { compatible = "lifeboat,board-1"; product = "lifeboat,bench"; state-partition = "state";
  slots { A { system = "system_a"; }; B { system = "system_b"; }; };
  flag-store { compatible = "u-boot,environment"; offset = /bits/ 64 <0x100000 0x180000>; size = /bits/ 64 <0x4000>; };
}; };
"""


def run(*command, **keywords):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **keywords)


def make_image(path, size, seed):
    """Bytes that compress to about half, like a root filesystem: blocks of noise and of words in turn."""
    rng = random.Random(seed)
    words = b" ".join(b"%x" % rng.getrandbits(20) for _ in range(40000))
    pool = [rng.randbytes(16384) + words[i * 997 % 100000:][:49152] for i in range(64)]
    with open(path, "wb") as f:
        for i in range(size // 65536):
            block = bytearray(pool[rng.randrange(64)])
            block[0:8] = i.to_bytes(8, "big")
            f.write(block[:65536].ljust(65536, b"\0"))


def make_disk(path, size):
    with open(path, "wb") as f:
        f.truncate(2 * size + 16 * MIB)
    table = "label: gpt\nfirst-lba: 34\nstart=4096, size=8192, name=state\n"
    for i, name in enumerate(("system_a", "system_b")):
        table += "start=%d, size=%d, name=%s\n" % (12288 + i * size // 512, size // 512, name)
    subprocess.run(["/sbin/sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", path], input=table, text=True,
                   check=True)


def peak_memory(pid):
    """The peak resident memory in KiB of a program that runs; the kernel starts to count anew at exec."""
    with open("/proc/%d/status" % pid) as f:
        for line in f:
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0


def timed(command):
    """Seconds and the peak resident memory in KiB of one process (looked at every 5 ms until it ends)."""
    start, peak = time.monotonic(), 0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        try:
            peak = max(peak, peak_memory(process.pid))
        except OSError:
            pass
        time.sleep(0.005)
    seconds = time.monotonic() - start
    if process.returncode:
        sys.exit("bench: %s ended with %d" % (command[0], process.returncode))
    return seconds, peak


def figure(name, value, unit):
    print("figure: %s = %s %s" % (name, value, unit), flush=True)


def bench(folder, board, size, label):
    image, package, disk = (os.path.join(folder, n) for n in ("image", "image.boat", "disk.img"))
    make_image(image, size, label)
    run(PACK, "build", "-o", package, "--product", "lifeboat,bench", "--version", label, "--release", "1",
        "--level", "3", "--image", "system=" + image, "--key", KEY, stderr=subprocess.DEVNULL)
    make_disk(disk, size)
    os.sync()
    seconds, rss = timed([LIFEBOAT, "install", package, "--disk", disk, "--board", board])
    figure("install_peak_rss_" + label, rss, "KiB")
    os.unlink(disk)
    speed = size / MIB / seconds

    compressed, target = os.path.join(folder, "image.zst"), os.path.join(folder, "target")
    run("zstd", "-q", "-3", "-f", image, "-o", compressed)
    with open(target, "wb") as f:
        f.truncate(size)
    os.sync()
    seconds, _ = timed(["sh", "-c", 'zstd -dc "$1" | dd of="$2" bs=64k conv=notrunc,fsync status=none', "sh", compressed,
                        target])
    for name in (image, package, compressed, target):
        os.unlink(name)
    return speed, size / MIB / seconds


def main():
    with tempfile.TemporaryDirectory(dir=os.path.join(TOP, "build"), prefix="bench-") as folder:
        board = os.path.join(folder, "board.dtb")
        subprocess.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", board], input=BOARD, text=True, check=True)
        speed, yardstick = bench(folder, board, 64 * MIB, "64MiB")
        if "--short" not in sys.argv:
            speed, yardstick = bench(folder, board, 2048 * MIB, "2GiB")
        figure("install_mib_per_s", round(speed, 1), "MiB/s")
        figure("yardstick_mib_per_s", round(yardstick, 1), "MiB/s")
        figure("install_to_yardstick", round(speed / yardstick, 2), "ratio")


if __name__ == "__main__":
    main()
