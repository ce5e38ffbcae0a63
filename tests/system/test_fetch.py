"""recovery/components/fetch, beside an archive whose lists and files differ."""
import os
import pathlib
import shutil
import subprocess

import pytest

COMPONENTS = pathlib.Path(__file__).parents[2] / "recovery/components"

# What the lists name and what can be downloaded: files beside the programs.
APT_CACHE = """#!/bin/sh
sed 's/^/Version: /' "$(dirname "$0")/named"
"""
APT_GET = """#!/bin/sh
here=$(dirname "$0")
case "$*" in
*update) [ -e "$here/online" ];;
*) for word; do version=${word#*=}; done; grep -qxF "$version" "$here/held" && : >package.dsc;;
esac
"""
DPKG_SOURCE = """#!/bin/sh
mkdir tree
"""


class Archive:
    def __init__(self, folder):
        self.top, self.bin, self.cache = folder / "top", folder / "bin", folder / "cache"
        shutil.copytree(COMPONENTS, self.top / "recovery/components")
        self.bin.mkdir()
        for name, text in ("apt-cache", APT_CACHE), ("apt-get", APT_GET), ("dpkg-source", DPKG_SOURCE):
            (self.bin / name).write_text(text)
            (self.bin / name).chmod(0o755)
        self.online(True)

    def online(self, yes):
        if yes:
            (self.bin / "online").touch()
        else:
            (self.bin / "online").unlink()

    def offers(self, named, held):
        (self.bin / "named").write_text("".join(v + "\n" for v in named))
        (self.bin / "held").write_text("".join(v + "\n" for v in held))

    def fetch(self):
        shutil.rmtree(self.top / "build", ignore_errors=True)
        done = subprocess.run([self.top / "recovery/components/fetch", "zstd"], capture_output=True, text=True,
                              env={**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}",
                                   "LIFEBOAT_CACHE": str(self.cache)})
        version = self.top / "build/sources/zstd.version"
        return done, version.read_text().strip() if version.exists() else None


@pytest.fixture
def archive(tmp_path):
    return Archive(tmp_path)


def test_newest_is_taken(archive):
    archive.offers(["1.5-2", "1.5-10", "1.5~rc1"], ["1.5-2", "1.5-10", "1.5~rc1"])
    done, version = archive.fetch()
    assert (done.returncode, version, done.stderr) == (0, "1.5-10", "")
    assert (archive.top / "build/sources/zstd").resolve() == archive.cache / "source-zstd-1.5-10"


def test_version_that_the_archive_names_and_does_not_hold(archive):
    archive.offers(["1.5-2", "1.5-2+deb12u1"], ["1.5-2"])
    done, version = archive.fetch()
    assert (done.returncode, version) == (0, "1.5-2")
    assert "zstd: the archive does not give version 1.5-2+deb12u1; using 1.5-2" in done.stderr


def test_no_version_can_be_fetched(archive):
    archive.offers(["1.5-2", "1.5-3"], [])
    done, version = archive.fetch()
    assert done.returncode == 1 and version is None
    assert "zstd: could not fetch version 1.5-3 1.5-2 (see the lines above; is the network up?)" in done.stderr


def test_without_a_network_what_the_cache_holds(archive):
    archive.offers(["1.5-2"], ["1.5-2"])
    assert archive.fetch()[1] == "1.5-2"
    archive.online(False)
    done, version = archive.fetch()
    assert (done.returncode, version) == (0, "1.5-2")
    assert "using the cached 1.5-2" in done.stderr


def test_without_a_network_and_with_an_empty_cache(archive):
    archive.online(False)
    done, version = archive.fetch()
    assert done.returncode == 1 and version is None
    assert "no network (build/apt/update.log) and no copy in" in done.stderr
