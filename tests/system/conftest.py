"""Devices for the tests. Making one takes some ten milliseconds, copying it a few.

They stand in memory where there is room, because the program flushes as if lives depended on it, and thousands of
packages go through these tests. What must be shown on a disk asks for tmp_path.
"""

import os
import pathlib
import shutil
import tempfile

import pytest

import world as worlds

MEMORY = pathlib.Path("/dev/shm")
NEEDED = 256 * worlds.MIB


def has_room():
    if not os.access(MEMORY, os.W_OK):
        return False
    room = os.statvfs(MEMORY)
    return room.f_bavail * room.f_frsize >= NEEDED


@pytest.fixture(scope="session")
def memory_root(tmp_path_factory):
    if not has_room():
        yield tmp_path_factory.mktemp("memory")
        return
    folder = pathlib.Path(tempfile.mkdtemp(prefix="lifeboat-test-", dir=MEMORY))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def memory(memory_root):
    """A folder of this test's own."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=memory_root))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def stranger(tmp_path_factory):
    return worlds.stranger_key(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def running_world(memory_root):
    return worlds.World.running(memory_root / "running")


@pytest.fixture(scope="session")
def single_world(memory_root):
    return worlds.World.running(memory_root / "single", slots="A")


@pytest.fixture(scope="session")
def blank_world(memory_root):
    return worlds.World.blank(memory_root / "blank")


@pytest.fixture
def world(running_world, memory):
    """Slot A runs release 5, which has confirmed itself; slot B is empty."""
    return running_world.copy(memory / "world")


@pytest.fixture
def single(single_world, memory):
    """One slot, with release 5, which has confirmed itself."""
    return single_world.copy(memory / "single")


@pytest.fixture
def blank(blank_world, memory):
    """Recovery and nothing else."""
    return blank_world.copy(memory / "blank")
