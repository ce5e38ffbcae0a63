"""Boards for the tests: each test has its own copy of everything that it writes to.

    /usr/bin/python3 -m pytest tests/qemu -n 2

What the boards showed on their consoles is kept in build/log/qemu, one file for each test.
"""
import fcntl
import os
import shutil

import pytest

import rig as rigs

TIMEOUT = 180  # s, for a test that asks for nothing else


@pytest.fixture(scope="session")
def parts(tmp_path_factory, worker_id):
    """The build's files and the disks that tests start from, made once and shared by all workers."""
    base = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        base = base.parent
    folder = base / "parts"
    with open(base / "parts.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            shutil.rmtree(str(folder) + ".new", ignore_errors=True)
            rigs.Parts.make(str(folder) + ".new")
            os.rename(str(folder) + ".new", folder)
    return rigs.Parts(str(folder))


@pytest.fixture
def rig(parts, tmp_path, request):
    name = request.node.name.replace("/", "-")
    rig = rigs.Rig(parts, str(tmp_path), name)
    request.node.rig = rig
    yield rig
    rig.close()
    # The images are large, and what counts of them is in the assertions.
    if not getattr(request.node, "failed", False):
        shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        item.failed = True
        used = getattr(item, "rig", None)
        if used:
            report.sections.append(("end of the console (%s)" % used.log, used.tail()))


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TIMEOUT * rigs.TIME_FACTOR))
