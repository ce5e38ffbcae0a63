"""What is measured stays within its bounds, and the measuring itself does not rot. No speed is asserted."""
import os
import re
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def figures(*command):
    out = subprocess.run(command, cwd=TOP, check=True, stdout=subprocess.PIPE, text=True).stdout
    return {name: float(value) for name, value in re.findall(r"^figure: (\S+) = (\S+) \S+$", out, re.M)}


def test_sizes():
    found = figures("make", "-s", "size")
    assert 0 < found["lifeboat_aarch64"] <= 256 * 1024
    assert 0 < found["initramfs"] <= 1024 * 1024
    assert 0 < found["recovery_image"] <= 4 * 1024 * 1024
    assert 4096 < found["stack_worst"] <= 24 * 1024


def test_an_install_needs_little_memory():
    found = figures("/usr/bin/python3", "tests/bench/bench.py", "--short")
    assert 0 < found["install_peak_rss_64MiB"] <= 8 * 1024
    assert {"install_mib_per_s", "yardstick_mib_per_s"} <= set(found)
