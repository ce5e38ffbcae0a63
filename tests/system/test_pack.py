"""lifeboat-pack: what it makes, what it refuses, and what it says."""

import hashlib
import hmac
import json
import os
import pathlib
import pty
import re
import resource
import shutil
import signal
import stat
import struct
import subprocess
import termios
import time

import pytest

import packing
from packing import CHUNK, FILL, RAW, ZSTD, Package, build, keygen, mixture, noise, pack

HOST = packing.ROOT / "recovery/host"
SIZE = 3 * CHUNK + 17


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    return [keygen(folder, name) for name in ("one", "two", "three")]


@pytest.fixture
def key(keys):
    return keys[0]


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "image"
    path.write_bytes(mixture(SIZE))
    return path


@pytest.fixture
def package(tmp_path, image, key):
    return build(tmp_path / "test.boat", {"system": image}, key=key)


def inspect(path, *words):
    return json.loads(pack("inspect", "--json", path, *words).stdout)


def refused(status, pattern, *words, **options):
    """One sentence on standard error that names its object and matches the pattern, and nothing else."""
    done = pack(*words, status=status, **options)
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("lifeboat-pack: "), done.stderr
    assert re.search(pattern, lines[0]), done.stderr
    assert lines[0].endswith("."), done.stderr
    return lines[0]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# --- round trip -------------------------------------------------------------------------------------------------------

SHAPES = {
    "one-byte": b"x",
    "one-zero": b"\0",
    "two-bytes": b"ab",
    "chunk": mixture(CHUNK, 1),
    "chunk-less-one": noise(CHUNK - 1, 2),
    "chunk-and-one": noise(CHUNK + 1, 3),
    "zeros": bytes(5 * CHUNK + 9),
    "ones": b"\xff" * (2 * CHUNK),
    "noise": noise(4 * CHUNK, 4),
    "text": b"all work and no play\n" * 20000,
    "mixture": mixture(40 * CHUNK + 1234, 5),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_round_trip(tmp_path, key, shape):
    data = SHAPES[shape]
    (tmp_path / "image").write_bytes(data)
    boat = build(tmp_path / "p.boat", {"system": tmp_path / "image"}, key=key)
    image, = Package.load(boat).images()
    assert (image.role, image.data, image.chunk_size) == ("system", data, CHUNK)
    pack("verify", "--key", key.pub, boat)
    shown, = inspect(boat)["images"]
    assert shown["size"] == len(data) and shown["sha256"] == hashlib.sha256(data).hexdigest()
    assert shown["kinds"] == {"raw": image.kinds[RAW], "zstd": image.kinds[ZSTD], "fill": image.kinds[FILL]}
    assert shown["stored"] == len(Package.load(boat).payload)


def test_kinds(tmp_path, key):
    chunks = [noise(CHUNK), bytes(CHUNK), b"text " * 20000, b"\x07" * CHUNK, noise(CHUNK, 1)[:-1] + b"\0"]
    (tmp_path / "image").write_bytes(b"".join(chunk[:CHUNK] for chunk in chunks))
    boat = build(tmp_path / "p.boat", {"system": tmp_path / "image"}, key=key)
    image, = Package.load(boat).images()
    assert [kind for _, kind, _, _ in image.entries] == [RAW, FILL, ZSTD, FILL, RAW]


@pytest.mark.parametrize("chunks", [1023, 1024, 1025, 2049])
def test_segments(tmp_path, key, chunks):
    data = mixture(4096 * chunks - 5, chunks)
    (tmp_path / "image").write_bytes(data)
    boat = build(tmp_path / "p.boat", {"system": tmp_path / "image"}, "--chunk-size", "4K", "--level", 1, key=key)
    image, = Package.load(boat).images()
    assert image.data == data and len(image.segments) == -(-chunks // 1024)
    pack("verify", "-k", key.pub, boat)


@pytest.mark.parametrize("size", [4096, 1 << 20])
def test_chunk_size_bounds(tmp_path, key, size):
    data = mixture(3 * size + 1, size)
    (tmp_path / "image").write_bytes(data)
    boat = build(tmp_path / "p.boat", {"system": tmp_path / "image"}, "--chunk-size", size, key=key)
    image, = Package.load(boat).images()
    assert image.chunk_size == size and image.data == data
    pack("verify", "-k", key.pub, boat)


def test_many_images(tmp_path, key):
    images = {}
    for i in range(16):
        images[f"role-{i}_x"] = tmp_path / f"image{i}"
        images[f"role-{i}_x"].write_bytes(mixture(1000 * i + 1, i))
    boat = build(tmp_path / "p.boat", images, key=key)
    found = {image.role: image.data for image in Package.load(boat).images()}
    assert list(found) == list(images)
    assert found == {role: path.read_bytes() for role, path in images.items()}
    pack("verify", "-k", key.pub, boat)


def bytes_read(*words):
    """Bytes that lifeboat-pack asked the system for: known of a process that has ended and was not yet waited for."""
    child = subprocess.Popen([packing.PACK, *map(str, words)], stdout=subprocess.DEVNULL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    count = int(re.search(r"^rchar: (\d+)", pathlib.Path(f"/proc/{child.pid}/io").read_text(), re.M)[1])
    assert child.wait() == 0
    return count


def test_holes_are_not_read(tmp_path, key):
    """1 GiB with two islands of data, one across a chunk's border and one at the very end."""
    path = tmp_path / "sparse"
    island = noise(9000)
    with open(path, "wb") as file:
        file.truncate(1 << 30)
        for off in ((300 << 20) - 4500, (1 << 30) - 9000):
            file.seek(off)
            file.write(island)
    if path.stat().st_blocks * 512 > 1 << 24:
        pytest.skip("this file system keeps no holes")
    words = ["build", "-q", "-o", tmp_path / "p.boat", "--product", "p", "--version", "1", "--release", 1,
             "--key", key.key, "--image", f"data={path}"]
    assert bytes_read(*words) < 4 << 20
    shown, = inspect(tmp_path / "p.boat")["images"]
    assert shown["kinds"]["fill"] == 16384 - 3 and shown["segments"] == 16
    assert shown["stored"] < 2 << 20
    pack("verify", "-k", key.pub, tmp_path / "p.boat")
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    assert shown["sha256"] == digest.hexdigest()


def test_holes_and_zeros_are_the_same(tmp_path):
    """A hole in a file must not show in the package."""
    data = noise(CHUNK) + bytes(3 * CHUNK) + noise(100)
    with open(tmp_path / "sparse", "wb") as file:
        file.write(data[:CHUNK])
        file.seek(4 * CHUNK)
        file.write(data[4 * CHUNK:])
        file.truncate(9 * CHUNK + 5)
    (tmp_path / "dense").write_bytes(data + bytes(9 * CHUNK + 5 - len(data)))
    a = build(tmp_path / "a.boat", {"x": tmp_path / "dense"})
    b = build(tmp_path / "b.boat", {"x": tmp_path / "sparse"})
    assert a.read_bytes() == b.read_bytes()


# --- descriptions -----------------------------------------------------------------------------------------------------

DESCRIPTION = """/dts-v1/;
/ {
	product = "lifeboat,a", "lifeboat,b";
	version = "2.0 \\"née\\"";
	release = /bits/ 64 <0x100000000>;
	rollback-floor = <3>;
	minimum-release = <2>;
	key-epoch = <4>;
	notes = "first\\nsecond";
	created = <1700000000>;
	x-build = "ci 17";
	x-blob = [00 ff];
	x-empty;
	images {
		boot { file = "sub/boot.itb"; chunk-size = <0x1000>; x-kernel = "6.1"; };
		system { file = "root.img"; };
	};
};
"""


@pytest.fixture
def description(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/boot.itb").write_bytes(mixture(9000, 1))
    (tmp_path / "root.img").write_bytes(mixture(SIZE, 2))
    path = tmp_path / "release.dts"
    path.write_text(DESCRIPTION)
    return path


def test_description(tmp_path, description, key):
    boat = tmp_path / "p.boat"
    pack("build", "-o", "p.boat", "release.dts", "--key", key.key, cwd=tmp_path)
    shown = inspect(boat, "--key", key.pub)
    want = {"product": ["lifeboat,a", "lifeboat,b"], "version": '2.0 "née"', "release": 1 << 32, "rollback_floor": 3,
            "minimum_release": 2, "key_epoch": 4, "notes": "first\nsecond", "created": 1700000000,
            "extras": {"x-build": {"text": "ci 17", "hex": b"ci 17\0".hex()}, "x-blob": {"hex": "00ff"},
                       "x-empty": {"hex": ""}}}
    assert {name: shown[name] for name in want} == want
    assert [image["role"] for image in shown["images"]] == ["boot", "system"]
    assert [image["chunk_size"] for image in shown["images"]] == [4096, CHUNK]
    assert shown["images"][0]["extras"] == {"x-kernel": {"text": "6.1", "hex": b"6.1\0".hex()}}
    assert [image.data for image in Package.load(boat).images()] == [
        (tmp_path / "sub/boot.itb").read_bytes(), (tmp_path / "root.img").read_bytes()]
    pack("verify", "--key", key.pub, boat)


def test_description_from_another_folder(tmp_path, description):
    """Files are beside the description, wherever one stands."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    pack("build", "-o", "p.boat", "../release.dts", cwd=elsewhere)
    pack("build", "-o", "p.boat", "release.dts", cwd=tmp_path)
    assert (elsewhere / "p.boat").read_bytes() == (tmp_path / "p.boat").read_bytes()


def test_compiled_description(tmp_path, description):
    subprocess.run(["dtc", "-q", "-O", "dtb", "-o", "release.dtb", "release.dts"], cwd=tmp_path, check=True)
    pack("build", "-o", "a.boat", "release.dts", cwd=tmp_path)
    pack("build", "-o", "b.boat", "release.dtb", cwd=tmp_path)
    assert (tmp_path / "a.boat").read_bytes() == (tmp_path / "b.boat").read_bytes()


def test_options_win(tmp_path, description, image):
    pack("build", "-o", "p.boat", "release.dts", "--product", "x", "--product=y", "--version", "v", "--release", 9,
         "--set", "rollback-floor=8", "--minimum-release=7", "--key-epoch", 6, "--notes", "n", "--created", 5,
         "--set", "x-build=ci 18", "--set", "x-new=1", "--image", f"system={image}", "--image", f"extra={image}",
         "--chunk-size", "8K", cwd=tmp_path)
    shown = inspect(tmp_path / "p.boat")
    want = {"product": ["x", "y"], "version": "v", "release": 9, "rollback_floor": 8, "minimum_release": 7,
            "key_epoch": 6, "notes": "n", "created": 5}
    assert {name: shown[name] for name in want} == want
    assert {name: value.get("text") for name, value in shown["extras"].items()} == {
        "x-build": "ci 18", "x-blob": None, "x-empty": None, "x-new": "1"}
    assert [image["role"] for image in shown["images"]] == ["boot", "system", "extra"]
    assert [image["chunk_size"] for image in shown["images"]] == [4096, 8192, 8192]
    assert Package.load(tmp_path / "p.boat").images()[1].data == image.read_bytes()


def test_options_alone(tmp_path, description):
    """The same package, said in the other way."""
    text = DESCRIPTION.replace("\tx-blob = [00 ff];\n\tx-empty;\n", "").replace(' x-kernel = "6.1";', "")
    description.write_text(text.replace(" chunk-size = <0x1000>;", ""))
    pack("build", "-o", "a.boat", "release.dts", cwd=tmp_path)
    pack("build", "-o", "b.boat", "--product", "lifeboat,a", "--product", "lifeboat,b", "--version", '2.0 "née"',
         "--release", 1 << 32, "--rollback-floor", 3, "--minimum-release", 2, "--key-epoch", 4, "--notes",
         "first\nsecond", "--created", 1700000000, "--set", "x-build=ci 17", "--image", "boot=sub/boot.itb",
         "--image", "system=root.img", cwd=tmp_path)
    assert (tmp_path / "a.boat").read_bytes() == (tmp_path / "b.boat").read_bytes()


def test_defaults(tmp_path, image):
    shown = inspect(build(tmp_path / "p.boat", {"system": image}))
    assert [shown[name] for name in ("rollback_floor", "minimum_release", "key_epoch")] == [0, 0, 0]
    assert shown["notes"] is None and shown["created"] is None and shown["extras"] == {}


def test_manifest_as_the_format_says(tmp_path, image):
    tree = Package.load(build(tmp_path / "p.boat", {"system": image}, release=7)).tree
    assert tree.properties == {
        "compatible": b"lifeboat,package-1\0", "product": b"lifeboat,test\0", "version": b"1.0\0",
        "release": packing.u64(7), "rollback-floor": packing.u64(0), "minimum-release": packing.u64(0),
        "key-epoch": packing.u64(0), "signature-role": b"release\0", "signature-threshold": packing.u64(1),
        "recipients": b""}
    assert list(tree.children) == ["images"] and tree.children["images"].properties == {}
    assert list(tree.children["images"].children["image@0"].properties) == [
        "role", "size", "sha256", "chunk-size", "segments"]


# --- the same input makes the same bytes ------------------------------------------------------------------------------

def test_jobs_do_not_show(tmp_path, key):
    (tmp_path / "image").write_bytes(mixture(150 * 4096 + 7, 6))
    with open(tmp_path / "image", "r+b") as file:
        file.truncate(1200 * 4096)  # a hole after the data, into the next segment
    boats = [build(tmp_path / f"{jobs}.boat", {"x": tmp_path / "image"}, "--chunk-size", 4096, "-j", jobs, key=key)
             for jobs in (1, 2, 3, 16)]
    assert len({boat.read_bytes() for boat in boats}) == 1


def test_neither_clock_nor_name_shows(tmp_path, image, key):
    a = build(tmp_path / "a.boat", {"x": image}, key=key)
    other = tmp_path / "renamed"
    shutil.copy(image, other)
    os.utime(other, (1, 1))
    time.sleep(1.1)
    b = build(tmp_path / "b.boat", {"x": other}, key=key)
    assert a.read_bytes() == b.read_bytes()


def test_source_date_epoch(tmp_path, image):
    words = ["build", "-q", "-o", "p.boat", "--product", "p", "--version", "1", "--release", 1, "--image", f"x={image}"]
    environment = dict(os.environ, SOURCE_DATE_EPOCH="1234567890")
    pack(*words, cwd=tmp_path, env=environment)
    assert inspect(tmp_path / "p.boat")["created"] == 1234567890
    assert "2009-02-13 23:31:30 UTC" in pack("inspect", tmp_path / "p.boat").stdout
    pack(*words, "--created", 7, cwd=tmp_path, env=environment)
    assert inspect(tmp_path / "p.boat")["created"] == 7
    refused(2, "SOURCE_DATE_EPOCH", *words, cwd=tmp_path, env=dict(os.environ, SOURCE_DATE_EPOCH="yesterday"))


def test_signature_is_reproducible(tmp_path, image, key):
    a = build(tmp_path / "a.boat", {"x": image})
    b = tmp_path / "b.boat"
    pack("sign", "--key", key.key, a, "-o", b)
    assert Package.load(a).signatures == []
    at_once = build(tmp_path / "c.boat", {"x": image}, key=key)
    assert b.read_bytes() == at_once.read_bytes()
    pack("sign", "--key", key.key, b)
    assert b.read_bytes() == at_once.read_bytes()


# --- keys and signatures ----------------------------------------------------------------------------------------------

def test_keygen(tmp_path):
    said = pack("keygen", tmp_path / "k").stdout
    key = packing.Key(tmp_path / "k")
    assert names(tmp_path) == ["k.key", "k.pub"]
    assert stat.S_IMODE(key.key.stat().st_mode) == 0o600
    assert key.key.read_text().startswith("-----BEGIN PRIVATE KEY-----\n")
    assert key.pub.read_text().startswith("-----BEGIN PUBLIC KEY-----\n")
    assert key.id.hex() in said
    shown = subprocess.run(["openssl", "pkey", "-in", key.key, "-noout", "-text"], check=True, capture_output=True)
    assert b"prime256v1" in shown.stdout


@pytest.mark.parametrize("there", ["k.key", "k.pub"])
def test_keygen_never_overwrites(tmp_path, there):
    (tmp_path / there).write_text("precious")
    assert there in refused(3, "never overwritten", "keygen", tmp_path / "k")
    assert names(tmp_path) == [there] and (tmp_path / there).read_text() == "precious"


def test_keygen_makes_both_or_none(tmp_path):
    """A name that looks free and is not: the link leads nowhere, but what is there is not ours to replace."""
    for there in ("k.key", "k.pub"):
        (tmp_path / there).symlink_to("nowhere")
        refused(3, f"{there}: exists already and is never overwritten", "keygen", tmp_path / "k")
        assert names(tmp_path) == [there]
        (tmp_path / there).unlink()


def test_keygen_names(tmp_path):
    pack("keygen", tmp_path / ("k" * 251))  # with .key as long as a name can be
    assert len(names(tmp_path)) == 2
    refused(30, "cannot be written: File name too long", "keygen", tmp_path / ("k" * 252))
    refused(30, "cannot be written: No such file", "keygen", tmp_path / "missing/k")
    assert len(names(tmp_path)) == 2


def test_pass_phrase(tmp_path, package):
    (tmp_path / "pass").write_text("correct horse\n")
    (tmp_path / "wrong").write_text("battery staple\n")
    (tmp_path / "none").write_text("\n")
    pack("keygen", "--pass-file", "pass", "k", cwd=tmp_path)
    assert "ENCRYPTED" in (tmp_path / "k.key").read_text()
    pack("sign", "--key", "k.key", "--pass-file", "pass", package, cwd=tmp_path)
    pack("verify", "--key", "k.pub", package, cwd=tmp_path)
    before = package.read_bytes()
    refused(3, "k.key: is protected by a pass phrase", "sign", "--key", "k.key", "--pass-file", "wrong", package,
            cwd=tmp_path)
    refused(3, "k.key: is protected by a pass phrase", "sign", "--key", "k.key", package, cwd=tmp_path)
    refused(2, "none: has no pass phrase", "sign", "--key", "k.key", "--pass-file", "none", package, cwd=tmp_path)
    assert package.read_bytes() == before


def typing(folder, words, answers):
    """Runs lifeboat-pack on a terminal and answers what it asks. Returns status and what was shown."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execv(packing.PACK, [str(packing.PACK), *map(str, words)])
    shown = b""
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        shown += part
        if shown.rstrip().endswith(b":") and answers:
            # A person is slower than the program, which turns the echo off after its question.
            deadline = time.monotonic() + 10
            while termios.tcgetattr(terminal)[3] & termios.ECHO:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            os.write(terminal, answers.pop(0).encode() + b"\n")
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


def test_typed_pass_phrase(tmp_path, package):
    status, shown = typing(tmp_path, ["keygen", "--encrypt", "k"], ["horse", "horse"])
    assert status == 0 and "Pass phrase of k.key: " in shown and "horse" not in shown
    assert "ENCRYPTED" in (tmp_path / "k.key").read_text()
    status, shown = typing(tmp_path, ["sign", "--key", "k.key", package], ["horse"])
    assert status == 0 and shown.count("Pass phrase of k.key: ") == 1
    pack("verify", "--key", tmp_path / "k.pub", package)
    status, shown = typing(tmp_path, ["sign", "--key", "k.key", package], ["mouse"])
    assert status == 3 and "the right one was not given" in shown
    status, shown = typing(tmp_path, ["keygen", "--encrypt", "m"], ["horse", "mouse"])
    assert status == 3 and "m.key: was not made: no pass phrase was given" in shown
    refused(3, "m.key: was not made: no pass phrase", "keygen", "--encrypt", tmp_path / "m")
    assert names(tmp_path) == ["image", "k.key", "k.pub", "test.boat"]


def test_openssl_agrees(tmp_path, package, key):
    """By hand, as the design promises: openssl dgst -verify over domain, header and manifest."""
    parts = Package.load(package)
    (key_id, algorithm, signature), = parts.signatures
    assert (key_id, algorithm) == (key.id, 1)
    (tmp_path / "signature").write_bytes(signature)
    words = ["openssl", "dgst", "-sha256", "-verify", key.pub, "-signature", tmp_path / "signature"]
    done = subprocess.run(words, input=parts.signed, capture_output=True)
    assert done.returncode == 0 and b"Verified OK" in done.stdout
    assert subprocess.run(words, input=parts.signed + b"x", capture_output=True).returncode == 1


def test_openssl_signature_is_accepted(tmp_path, package, key):
    Package.load(package).sign(key).save(tmp_path / "o.boat")
    pack("verify", "--key", key.pub, tmp_path / "o.boat")


def test_sec1_key(tmp_path, package):
    """`openssl ecparam -genkey` puts its parameters before the key."""
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-out", "e.key"], cwd=tmp_path, check=True)
    subprocess.run(["openssl", "pkey", "-in", "e.key", "-pubout", "-out", "e.pub"], cwd=tmp_path, check=True)
    assert "EC PARAMETERS" in (tmp_path / "e.key").read_text()
    pack("sign", "--key", "e.key", package, cwd=tmp_path)
    pack("verify", "--key", "e.pub", package, cwd=tmp_path)


def rfc6979(secret, digest):
    """r and s as RFC 6979 section 3.2 (SHA-256) and SEC 1 section 4.1.3 give them on P-256; checked below with A.2.5."""
    p = 2**256 - 2**224 + 2**192 + 2**96 - 1
    q = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
    base = (0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296,
            0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5)

    def add(a, b):
        if a is None or b is None:
            return a or b
        if a[0] == b[0]:
            if (a[1] + b[1]) % p == 0:
                return None
            slope = 3 * (a[0] * a[0] - 1) * pow(2 * a[1], -1, p)
        else:
            slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, p)
        x = (slope * slope - a[0] - b[0]) % p
        return x, (slope * (a[0] - x) - a[1]) % p

    def times(number, point):
        total = None
        while number:
            if number & 1:
                total = add(total, point)
            point, number = add(point, point), number >> 1
        return total

    def mac(key, *parts):
        return hmac.digest(key, b"".join(parts), "sha256")
    h = int.from_bytes(digest, "big")
    seed = secret.to_bytes(32, "big") + (h % q).to_bytes(32, "big")
    v, key = b"\1" * 32, bytes(32)
    for octet in (b"\0", b"\1"):
        key = mac(key, v, octet, seed)
        v = mac(key, v)
    v = mac(key, v)  # the first candidate is below q, but once in 2^32
    nonce = int.from_bytes(v, "big")
    r = times(nonce, base)[0] % q
    return r, (h + secret * r) * pow(nonce, -1, q) % q


def test_signature_follows_rfc_6979(package, key):
    assert rfc6979(0xc9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721,
                   hashlib.sha256(b"sample").digest()) == (
        0xefd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716,
        0xf7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8)
    der = subprocess.run(["openssl", "ec", "-in", key.key, "-outform", "DER"], check=True, capture_output=True).stdout
    secret = int.from_bytes(der[7:39], "big")  # SEC 1 C.4: SEQUENCE { 1, OCTET STRING of 32 bytes, ...
    parts = Package.load(package)
    signature = parts.signatures[0][2]
    length = signature[3]
    r, s = signature[4:4 + length], signature[6 + length:]
    assert (int.from_bytes(r, "big"), int.from_bytes(s, "big")) == rfc6979(secret, bytes.fromhex(parts.id))


def test_several_signatures(tmp_path, package, keys):
    one, two, three = keys
    payload = Package.load(package).payload
    refused(20, r"is signed with no key .*\(code 2009\)", "verify", "--key", two.pub, package)
    pack("sign", "--key", two.key, package)
    for key in (one, two):
        pack("verify", "--key", key.pub, package)
    pack("verify", "--key", one.pub, "--key", two.pub, "--key", three.pub, package)
    refused(20, r"\(code 2009\)", "verify", "--key", three.pub, package)
    parts = Package.load(package)
    assert len(parts.signatures) == 2 and parts.payload == payload

    # Another order of signing, the same bytes.
    pack("unsign", "--all", package, "-o", tmp_path / "u.boat")
    refused(20, r"is not signed \(code 2008\)", "verify", "--key", one.pub, tmp_path / "u.boat")
    for key in (two, one):
        assert key.id.hex() in pack("sign", "--key", key.key, tmp_path / "u.boat").stdout
    assert (tmp_path / "u.boat").read_bytes() == package.read_bytes()

    pack("unsign", "--key-id", two.id.hex()[:8].upper(), package)
    assert [entry[0] for entry in Package.load(package).signatures] == [one.id]
    refused(2, "is the key id of no signature", "unsign", "--key-id", two.id.hex(), package)
    refused(2, "is too short", "unsign", "--key-id", one.id.hex()[:7], package)


def test_no_more_than_sixteen_signatures(tmp_path, package, keys):
    parts = Package.load(package)
    parts.signatures = [(bytes([i]) * 32, 1, b"x" * (i + 1)) for i in range(16)]
    parts.save(package)
    assert len(inspect(package)["signatures"]) == 16
    before = package.read_bytes()
    refused(2, "has 16 signatures", "sign", "--key", keys[0].key, package)
    assert package.read_bytes() == before
    pack("unsign", "--key-id", "0f" * 32, package)
    pack("sign", "--key", keys[0].key, package)
    pack("verify", "--key", keys[0].pub, package)
    # Entries of keys that the reader does not have are kept as they are.
    assert sorted(Package.load(package).signatures)[:15] == sorted(parts.signatures)[:15]


def test_wrong_signature_of_a_trusted_key_counts(tmp_path, package, keys):
    one, two, _ = keys
    pack("sign", "--key", two.key, package)
    parts = Package.load(package)
    parts.signatures = [(key_id, algorithm, signature if key_id == one.id else
                         signature[:-1] + bytes([signature[-1] ^ 1])) for key_id, algorithm, signature in
                        parts.signatures]
    parts.save(package)
    pack("verify", "--key", one.pub, package)
    refused(20, r"does not hold \(code 2010\)", "verify", "--key", one.pub, "--key", two.pub, package)
    shown = inspect(package, "--key", one.pub, "--key", two.pub)
    assert {entry["key_id"]: entry["state"] for entry in shown["signatures"]} == {
        one.id.hex(): "holds", two.id.hex(): "wrong"}
    assert shown["signatures_hold"] is False


def test_detached(tmp_path, image, keys):
    """The key's machine sees the head only, and two of them need not wait for each other."""
    boat = build(tmp_path / "p.boat", {"x": image})
    said = pack("head", boat).stdout
    head = tmp_path / "p.boat.head"
    assert head.stat().st_size == 64 + len(Package.load(boat).manifest) + 16
    pack("head", boat, "-o", tmp_path / "other.head")
    printed = pack("sign", "--key", keys[0].key, head).stdout
    assert "lifeboat,test 1.0 (release 1)" in printed and Package.load(boat).id in printed and "release 1" in said
    assert inspect(head)["head_only"] is True and inspect(head)["images"][0]["kinds"] is None
    pack("sign", "--key", keys[1].key, tmp_path / "other.head")
    pack("attach", boat, head)
    pack("verify", "--key", keys[0].pub, boat)
    pack("attach", boat, tmp_path / "other.head")
    for key in keys[:2]:
        pack("verify", "--key", key.pub, boat)
    straight = build(tmp_path / "q.boat", {"x": image}, key=keys[1])
    pack("sign", "--key", keys[0].key, straight)
    assert straight.read_bytes() == boat.read_bytes()
    refused(20, "2007", "verify", "--key", keys[0].pub, head)


def test_attach_refuses_another_packages_head(tmp_path, image, package, key):
    other = build(tmp_path / "other.boat", {"x": image}, release=2, key=key)
    pack("head", other)
    before = package.read_bytes()
    refused(20, "is the head of another package", "attach", package, tmp_path / "other.boat.head")
    unsigned = build(tmp_path / "unsigned.boat", {"system": image})
    pack("head", unsigned)
    refused(2, "has no signature. Sign it first", "attach", package, tmp_path / "unsigned.boat.head")
    refused(2, "is the package itself", "head", package, "-o", package)
    assert package.read_bytes() == before


def test_sign_keeps_mode_and_link(tmp_path, package, keys):
    package.chmod(0o666)  # more than the usual umask leaves
    if os.geteuid() == 0:
        os.chown(package, 65534, 65534)
    owner = package.stat().st_uid, package.stat().st_gid
    (tmp_path / "link.boat").symlink_to("test.boat")
    pack("sign", "--key", keys[1].key, tmp_path / "link.boat")
    assert (tmp_path / "link.boat").is_symlink() and len(Package.load(package).signatures) == 2
    assert stat.S_IMODE(package.stat().st_mode) == 0o666
    assert (package.stat().st_uid, package.stat().st_gid) == owner


def test_sign_refuses_what_does_not_parse(tmp_path, package, key):
    parts = Package.load(package)
    tree = parts.tree
    del tree.properties["release"]
    parts.tree = tree
    bad = parts.save(tmp_path / "bad.boat")
    before = bad.read_bytes()
    refused(20, r"bad.boat: release: is missing in the manifest \(code 2013\)", "sign", "--key", key.key, bad)
    assert bad.read_bytes() == before
    # Signed by other means, it is refused all the same.
    parts.sign(key).save(bad)
    refused(20, r"\(code 2013\)", "verify", "--key", key.pub, bad)


@pytest.fixture
def token(tmp_path, monkeypatch):
    """A PKCS #11 token (in software) that holds a key which cannot be read. Returns the key's public half."""
    folder = tmp_path / "token"
    folder.mkdir()
    (folder / "conf").write_text(f"directories.tokendir = {folder}\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(folder / "conf"))
    monkeypatch.setenv("PKCS11_MODULE_PATH", "/usr/lib/softhsm/libsofthsm2.so")
    key = keygen(folder, "imported")
    for words in (["--init-token", "--free", "--label", "release", "--so-pin", "1234", "--pin", "5678"],
                  ["--import", key.key, "--token", "release", "--label", "packages", "--id", "a1", "--pin", "5678"]):
        subprocess.run(["softhsm2-util", *words], check=True, capture_output=True)
    key.key.unlink()
    (folder / "pin").write_text("5678\n")
    (folder / "wrong-pin").write_text("9999\n")
    return key


def test_token(tmp_path, image, token):
    boat = build(tmp_path / "p.boat", {"x": image})
    address = "pkcs11:token=release;object=packages"
    for address_, pin in ((address, "wrong-pin"), ("pkcs11:token=release;object=other", "pin")):
        done = pack("sign", "--key", address_, "--pass-file", tmp_path / "token" / pin, boat, status=10)
        assert f"lifeboat-pack: {address_}: gives no private key. Check the address, the PIN" in done.stderr
    assert Package.load(boat).signatures == []
    pack("sign", "--key", address, "--pass-file", tmp_path / "token/pin", boat)
    pack("verify", "--key", token.pub, boat)
    pack("build", "-q", "-o", boat, "--product", "p", "--version", "1", "--release", 1, "--image", f"x={image}", "--key",
         address, "--pass-file", tmp_path / "token/pin")
    pack("verify", "--key", token.pub, boat)


# --- trust ------------------------------------------------------------------------------------------------------------

def test_trust(tmp_path, keys):
    odd = tmp_path / 'odd "name\\??/.pub'
    odd = tmp_path / 'odd "na\\me?.pub'
    shutil.copy(keys[1].pub, odd)
    source = pack("trust", keys[0].pub, odd).stdout
    pack("trust", keys[0].pub, odd, "-o", tmp_path / "keys.c")
    assert (tmp_path / "keys.c").read_text() == source
    (tmp_path / "main.c").write_text("""
        #include <stdio.h>
        #include "trust.h"
        int main(void)
        {
            for (size_t i = 0; i < trust_embedded.count; i++) {
                const struct trust_key *key = &trust_embedded.keys[i];
                for (size_t k = 0; k < sizeof(key->id); k++)
                    printf("%02x", key->id[k]);
                printf(" ");
                for (size_t k = 0; k < sizeof(key->point); k++)
                    printf("%02x", key->point[k]);
                printf(" %s\\n", key->name);
            }
            return 0;
        }""")
    subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-I", packing.ROOT / "recovery/core", "-I",
                    packing.ROOT / "recovery", "-isystem", packing.ROOT / "build/native/include", "main.c", "keys.c",
                    "-o", "main"], cwd=tmp_path, check=True)
    lines = subprocess.run([tmp_path / "main"], check=True, capture_output=True, text=True).stdout.splitlines()
    for line, key, name in zip(lines, keys[:2], ("one", 'odd "na\\me?'), strict=True):
        der = subprocess.run(["openssl", "pkey", "-pubin", "-in", key.pub, "-outform", "DER"], check=True,
                             capture_output=True).stdout
        assert line == f"{key.id.hex()} {der[-65:].hex()} {name}"


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def wrong_keys(tmp_path_factory):
    """Files that are not the key that is wanted: name to (sentence as a public key, sentence as a private key)."""
    folder = tmp_path_factory.mktemp("wrong")
    for name, words in {"rsa": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "ed25519": ["ED25519"],
                        "p384": ["EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
                        "k256": ["EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"],
                        "good": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]}.items():
        openssl(folder, "genpkey", "-algorithm", *words, "-out", f"{name}.key")
        openssl(folder, "pkey", "-in", f"{name}.key", "-pubout", "-out", f"{name}.pub")
    openssl(folder, "req", "-x509", "-key", "good.key", "-subj", "/CN=x", "-out", "certificate")
    openssl(folder, "req", "-new", "-key", "good.key", "-subj", "/CN=x", "-out", "request")
    openssl(folder, "pkey", "-in", "good.key", "-pubout", "-outform", "DER", "-out", "der.pub")
    openssl(folder, "pkey", "-in", "good.key", "-outform", "DER", "-out", "der.key")
    good = (folder / "good.pub").read_text()
    (folder / "empty").write_bytes(b"")
    (folder / "text").write_text("hello\n")
    (folder / "zeros").write_bytes(bytes(100))
    (folder / "cut.pub").write_text(good[:60] + good[70:])
    (folder / "both.pub").write_text(good + good)
    key_text = (folder / "good.key").read_text()
    (folder / "cut.key").write_text(key_text[:60] + key_text[70:])
    (folder / "large").write_bytes(bytes(100000))
    (folder / "folder").mkdir()
    return folder


AS_PUBLIC = {
    "rsa.pub": (2, "is a key of type RSA"), "ed25519.pub": (2, "is a key of type ED25519"),
    "p384.pub": (2, "on the curve secp384r1"), "k256.pub": (2, "on the curve secp256k1"),
    "good.key": (2, "is a private key"), "certificate": (2, "is a certificate.*openssl x509"),
    "request": (2, "is a certificate request"), "der.pub": (2, "looks like DER.*-pubin"), "empty": (2, "is empty"),
    "text": (2, "holds no key in PEM"), "zeros": (2, "holds no key in PEM"), "cut.pub": (2, "no key in PEM|damaged"),
    "both.pub": (2, "holds 2 keys"), "large": (10, "cannot be read: File too large"),
    "folder": (10, "cannot be read: Is a directory"), "missing": (10, "cannot be read: No such file"),
}

AS_PRIVATE = {
    "rsa.key": (2, "is a key of type RSA"), "ed25519.key": (2, "is a key of type ED25519"),
    "p384.key": (2, "on the curve secp384r1"), "good.pub": (2, "is a public key"),
    "certificate": (2, "is a certificate"), "der.key": (2, "looks like DER"), "empty": (2, "is empty"),
    "text": (2, "holds no key in PEM"), "cut.key": (2, "no key in PEM|damaged"),
    "folder": (10, "cannot be read: Is a directory"), "missing": (10, "cannot be read: No such file"),
    "vault:x/y": (2, "no OpenSSL provider or engine .*pkcs11-provider"),
}


@pytest.mark.parametrize("name", AS_PUBLIC)
def test_wrong_public_key(tmp_path, wrong_keys, package, name):
    status, sentence = AS_PUBLIC[name]
    for words in (["trust", name], ["trust", "good.pub", name, "-o", tmp_path / "keys.c"],
                  ["verify", "--key", name, package], ["inspect", "--key", name, package]):
        assert f"{name}: " in refused(status, sentence, *words, cwd=wrong_keys)
    assert not (tmp_path / "keys.c").exists()


@pytest.mark.parametrize("name", AS_PRIVATE)
def test_wrong_private_key(tmp_path, wrong_keys, package, image, name):
    status, sentence = AS_PRIVATE[name]
    before = package.read_bytes()
    refused(status, sentence, "sign", "--key", name, package, cwd=wrong_keys)
    assert package.read_bytes() == before
    refused(status, sentence, "build", "-o", tmp_path / "new.boat", "--product", "p", "--version", "1", "--release", 1,
            "--image", f"x={image}", "--key", name, cwd=wrong_keys)
    assert names(tmp_path) == ["image", "test.boat"]


def test_trust_refuses(keys):
    refused(2, "PUBLIC-KEY: is missing", "trust")
    refused(2, "is the same key as", "trust", keys[0].pub, keys[1].pub, keys[0].pub)


# --- verify and inspect -----------------------------------------------------------------------------------------------

def test_verify_needs_a_key(package):
    refused(2, "--key: is missing", "verify", package)


def test_every_part_is_proved(tmp_path, image, key):
    """One bit at many places of the package, in each of its parts: never accepted, and always with a code."""
    boat = build(tmp_path / "p.boat", {"boot": image, "system": image}, key=key)
    good = boat.read_bytes()
    parts = Package.load(boat)
    payload = len(good) - len(parts.payload)
    block = payload - len(parts.block)
    places = set(range(0, 64)) | set(range(64, block, 29)) | set(range(block, payload, 3))
    places |= set(range(payload, payload + 32 + 80 * 4, 7)) | set(range(payload, len(good), len(good) // 40))
    places |= {len(good) - 1}
    bad = tmp_path / "bad.boat"
    for place in sorted(places):
        bad.write_bytes(good[:place] + bytes([good[place] ^ 1 << place % 8]) + good[place + 1:])
        refused(20, r"\(code 20\d\d\)", "verify", "--key", key.pub, bad)


def test_truncated_or_longer(tmp_path, package, key):
    good = package.read_bytes()
    bad = tmp_path / "bad.boat"
    for length in (0, 1, 63, 64, 65, 700, len(good) // 2, len(good) - 1):
        bad.write_bytes(good[:length])
        refused(20, r"\(code 200[1257]\)", "verify", "--key", key.pub, bad)
        refused(20, r"\(code 200[1257]\)", "inspect", bad)
    bad.write_bytes(good + b"\0")
    refused(20, r"\(code 2007\)", "verify", "--key", key.pub, bad)
    refused(20, r"\(code 2007\)", "inspect", bad)


def test_inspect_says_whom_it_trusts(tmp_path, image, package, keys):
    unsigned = build(tmp_path / "u.boat", {"system": image})
    assert "NONE: the package is not signed" in pack("inspect", unsigned).stdout
    assert "NOT CHECKED" in pack("inspect", package).stdout
    assert "is signed with a key that was given" in pack("inspect", "-k", keys[0].pub, package).stdout
    assert "NONE: the package is signed with no key" in pack("inspect", "-k", keys[1].pub, package).stdout
    for words, holds, state in (([], False, "unknown-key"), (["-k", keys[0].pub], True, "holds"),
                                (["-k", keys[1].pub], False, "unknown-key")):
        shown = inspect(package, *words)
        assert shown["signatures_hold"] is holds and shown["signatures"][0]["state"] == state
    parts = Package.load(package)
    parts.header[24 + 7] ^= 0  # unchanged header, changed manifest
    tree = parts.tree
    tree.properties["version"] = b"1.1\0"
    parts.tree = tree
    parts.save(tmp_path / "changed.boat")
    assert "DOES NOT HOLD" in pack("inspect", "-k", keys[0].pub, tmp_path / "changed.boat").stdout
    assert inspect(tmp_path / "changed.boat", "-k", keys[0].pub)["signatures"][0]["state"] == "wrong"


def test_inspect_tells_of_a_damaged_page(tmp_path, package):
    parts = Package.load(package)
    parts.payload[40] ^= 1
    bad = parts.save(tmp_path / "bad.boat")
    done = pack("inspect", "--json", bad, status=20)
    shown = json.loads(done.stdout)
    assert shown["problem"]["code"] == 2020 and shown["images"][0]["kinds"] is None
    assert "(code 2020)" in done.stderr


def test_inspect_keeps_control_characters_off_the_terminal(tmp_path, package, key):
    parts = Package.load(package)
    tree = parts.tree
    tree.properties["x-evil"] = b"\x1b[2J\0"
    tree.properties["x-\x1b[2J"] = b"x\0"
    parts.tree = tree
    parts.sign(key).save(package)
    done = pack("inspect", package)
    assert "\x1b" not in done.stdout and "0x1b5b324a00" in done.stdout
    assert "\x1b" not in pack("inspect", "--json", package).stdout
    # U+009B does to many terminals what ESC [ does.
    for name in "bad\x1b", "bad\u009b2J":
        again = parts.tree
        again.properties[name] = b""
        worse = Package.load(package)
        worse.tree = again
        shown = pack("inspect", worse.sign(key).save(tmp_path / "worse.boat"), status=20).stderr
        assert "bad?" in shown and name not in shown


def test_same_sentence_as_the_device(package, keys):
    """Sentence and advice come from core's table."""
    table = (packing.ROOT / "recovery/core/detail.h").read_text()
    line = refused(20, "2009", "verify", "--key", keys[1].pub, package)
    sentence = re.search(r'X\(NO_KNOWN_KEY, 2009, "([^"]+)",\s*\\?\s*"([^"]+)"\)', table)
    assert sentence[1] in line and sentence[2] in line


# --- wrong input ------------------------------------------------------------------------------------------------------

BUILD = ["build", "-o", "new.boat"]
SOUND = ["--product", "p", "--version", "1", "--release", "5", "--image", "x=image"]


def without(option):
    at = SOUND.index(option)
    return SOUND[:at] + SOUND[at + 2:]


WRONG = {
    "nothing": (2, "DESCRIPTION: is missing", []),
    "no-product": (2, "product: is missing", without("--product")),
    "no-version": (2, "version: is missing", without("--version")),
    "no-release": (2, "release: is missing", without("--release")),
    "no-image": (2, "images: are missing", without("--image")),
    "release-0": (2, "release: is 0", SOUND + ["--release", "0"]),
    "release-text": (2, "release: is not a number", SOUND + ["--release", "five"]),
    "release-negative": (2, "release: is not a number", SOUND + ["--release", "-1"]),
    "release-2^64": (2, "release: is not a number", SOUND + ["--release", str(1 << 64)]),
    "floor-above": (2, "rollback-floor: is 6, above the release 5", SOUND + ["--rollback-floor", "6"]),
    "minimum-above": (2, "minimum-release: is 6, above", SOUND + ["--minimum-release", "6"]),
    "chunk-size-odd": (2, "chunk-size: is 65535", SOUND + ["--chunk-size", "65535"]),
    "chunk-size-small": (2, "chunk-size: is 2048", SOUND + ["--chunk-size", "2K"]),
    "chunk-size-large": (2, "chunk-size: is 2097152", SOUND + ["--chunk-size", "2M"]),
    "chunk-size-0": (2, "chunk-size: is 0", SOUND + ["--chunk-size", "0"]),
    "level-0": (2, "level: is 0", SOUND + ["--level", "0"]),
    "level-23": (2, "level: is 23", SOUND + ["--level", "23"]),
    "jobs-0": (2, "--jobs: is \"0\"", SOUND + ["-j", "0"]),
    "version-empty": (2, "version: is missing", SOUND + ["--version", ""]),
    "version-long": (2, "version: is 64 bytes long; 63 fit", SOUND + ["--version", "v" * 64]),
    "version-line": (2, "version: has a control character", SOUND + ["--version", "a\nb"]),
    "version-not-utf8": (2, "version: has a control character, or a byte that is not UTF-8, at byte 1",
                         SOUND + ["--version", b"a\xff"]),
    "version-c1": (2, "version: has a control character", SOUND + ["--version", "\u0085"]),
    "version-overlong": (2, "version: has a", SOUND + ["--version", b"\xc0\xaf"]),
    "version-surrogate": (2, "version: has a", SOUND + ["--version", b"\xed\xa0\x80"]),
    "product-empty": (2, "product: is empty", SOUND + ["--product", ""]),
    "product-twice": (2, "product: names p twice", SOUND + ["--product", "p"]),
    "product-long": (2, "product: is 128 bytes", SOUND + ["--product", "p" * 128]),
    "products-17": (2, "more than 16 products", SOUND + [f"--product=p{i}" for i in range(16)]),
    "notes-long": (2, "notes: is 4096 bytes", SOUND + ["--notes", "n" * 4096]),
    "notes-bell": (2, "notes: has a control character", SOUND + ["--notes", "a\n\a"]),
    "created-text": (2, "created: is not a number", SOUND + ["--created", "today"]),
    "role-twice": (2, "names the role x a second time", SOUND + ["--image", "x=other"]),
    "role-upper": (2, "image X: has a role", SOUND + ["--image", "X=image"]),
    "role-long": (2, "has a role that cannot be used", SOUND + ["--image", "r" * 32 + "=image"]),
    "role-empty": (2, "is not of the form ROLE=FILE", SOUND + ["--image", "=image"]),
    "image-no-file": (2, "is not of the form ROLE=FILE", SOUND + ["--image", "y="]),
    "image-form": (2, "is not of the form ROLE=FILE", SOUND + ["--image", "image"]),
    "images-17": (2, "is one image too many", SOUND + [f"--image=x{i}=image" for i in range(16)]),
    "image-missing": (10, "gone: cannot be read: No such file", SOUND + ["--image", "y=gone"]),
    "image-folder": (10, "folder: cannot be read: Is a directory", SOUND + ["--image", "y=folder"]),
    "image-empty": (2, "empty: is empty", SOUND + ["--image", "y=empty"]),
    "image-device": (2, "/dev/zero: is neither a file nor a block device", SOUND + ["--image", "y=/dev/zero"]),
    "image-pipe": (2, "pipe: is neither a file nor a block device", SOUND + ["--image", "y=pipe"]),
    "image-output": (2, "image: is the package to write and an image at once", SOUND + ["-o", "image"]),
    "manifest-large": (2, "would have a manifest of more than 1 MiB",
                       SOUND + ["--image", "y=huge", "--chunk-size", "4K"]),
    "set-form": (2, "is not of the form NAME=VALUE", SOUND + ["--set", "release"]),
    "set-unknown": (2, "colour: names no property", SOUND + ["--set", "colour=red"]),
    "set-x-name": (2, "x-a b: names no property", SOUND + ["--set", "x-a b=1"]),
    "option-unknown": (2, "--relase: is not an option of this verb", SOUND + ["--relase", "1"]),
    "option-letter": (2, "-x: is not an option of this verb", SOUND + ["-x"]),
    "option-value": (2, "--quiet=1: takes no value", SOUND + ["--quiet=1"]),
    "option-no-value": (2, "--release: needs a value", SOUND + ["--release"]),
    "two-descriptions": (2, "b.dts: is one argument too many", SOUND + ["a.dts", "b.dts"]),
    "output-folder-missing": (30, "cannot be written: No such file.*Make its folder", SOUND + ["-o", "none/new.boat"]),
    "output-folder": (30, "folder: cannot be written: Is a directory", SOUND + ["-o", "folder"]),
    "output-device": (2, "/dev/null: is not a regular file", SOUND + ["-o", "/dev/null"]),
    "output-empty": (2, "is no name for a file", SOUND + ["-o", ""]),
    "output-long": (30, "cannot be written: File name too long", SOUND + ["-o", "n" * 300]),
}


@pytest.fixture
def workshop(tmp_path):
    (tmp_path / "image").write_bytes(noise(5000))
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with open(tmp_path / "huge", "wb") as file:
        file.truncate(1 << 40)
    return tmp_path


@pytest.mark.parametrize("case", WRONG)
def test_wrong_build(workshop, case):
    status, sentence, words = WRONG[case]
    before = names(workshop), (workshop / "image").read_bytes()
    line = [str(packing.PACK), *BUILD, *words]
    done = subprocess.run(line, cwd=workshop, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    text = done.stderr.decode(errors="replace")
    assert done.returncode == status, text
    assert done.stdout == b"" and text.count("\n") == 1 and re.search(sentence, text), text
    assert text.startswith("lifeboat-pack: ") and text.endswith(".\n")
    assert (names(workshop), (workshop / "image").read_bytes()) == before


WRONG_DESCRIPTIONS = {
    "empty": (2, "d.dts: is empty", ""),
    "syntax": (2, r"d.dts: is not sound device-tree source \(d.dts:3", "/dts-v1/;\n/ {\n\trelease = ;\n};\n"),
    "binary": (2, "is not sound device-tree source", "\x7fELF\x01\x02"),
    "damaged-tree": (2, "is a damaged device tree", b"\xd0\x0d\xfe\xed\0\0\0\x40" + bytes(56)),
    "tree-of-half-a-header": (2, "is a damaged device tree", bytes.fromhex(
        "d00dfeed00100095 0000005a00000065 0000007800000002 0000000172ff0001")),
    "unknown": (2, "d.dts: colour: is unknown", 'colour = "red";'),
    "unknown-node": (2, "d.dts: pictures: is unknown", "pictures { };"),
    "text-as-number": (2, "d.dts: release: is not one number", 'release = "five";'),
    "two-numbers": (2, "d.dts: release: is not one number", "release = <1 2 3>;"),
    "number-as-text": (2, "d.dts: version: is not one text", "version = <0x31323334>;"),
    "two-texts": (2, "d.dts: version: is not one text", 'version = "1", "2";'),
    "products": (2, "d.dts: product: is not a list of texts", "product = [01 02];"),
    "images-property": (2, "d.dts: images: has a property", "images { a = <1>; };"),
    "image-no-file": (2, "d.dts: images/boot: names no file", "images { boot { }; };"),
    "image-unknown": (2, "d.dts: boot/size: is unknown", 'images { boot { file = "image"; size = <1>; }; };'),
    "image-node": (2, "d.dts: images/boot: has a node", 'images { boot { file = "image"; more { }; }; };'),
    "image-file": (2, "d.dts: boot/file: is not the name of a file", "images { boot { file = <1>; }; };"),
    "image-role": (2, "image BOOT: has a role", 'images { BOOT { file = "image"; }; };'),
    "image-chunk-size": (2, "image boot: chunk-size: is 12288",
                         'images { boot { file = "image"; chunk-size = <12288>; }; };'),
    "image-missing": (10, "gone: cannot be read", 'images { boot { file = "gone"; }; };'),
    "x-too-many": (2, "is one property of one's own too many", "".join(f'x-{i} = "";' for i in range(33))),
}


@pytest.mark.parametrize("case", WRONG_DESCRIPTIONS)
def test_wrong_description(workshop, case):
    status, sentence, text = WRONG_DESCRIPTIONS[case]
    if case not in ("empty", "syntax", "binary") and isinstance(text, str):
        head = "".join(line for line in ('product = "p";', 'version = "1";', "release = <1>;")
                       if line.split()[0] not in text)
        body = text if "images" in text else text + ' images { boot { file = "image"; }; };'
        if text.startswith("pictures"):
            body = ' images { boot { file = "image"; }; };' + text
        text = "/dts-v1/;\n/ {" + head + body + "};"
    (workshop / "d.dts").write_bytes(text if isinstance(text, bytes) else text.encode())
    before = names(workshop)
    refused(status, sentence, "build", "-o", "new.boat", "d.dts", cwd=workshop)
    assert names(workshop) == before


def test_missing_description(workshop):
    refused(10, "d.dts: cannot be read: No such file", *BUILD, "d.dts", cwd=workshop)
    refused(10, "folder: cannot be read: Is a directory", *BUILD, "folder", cwd=workshop)


def test_without_dtc(workshop, tmp_path):
    (workshop / "d.dts").write_text("/dts-v1/;")
    refused(2, "needs dtc to be read, which is not installed", *BUILD, "d.dts", cwd=workshop,
            env={"PATH": str(workshop / "folder")})


@pytest.mark.parametrize("words, sentence", [
    ([], None), (["fly"], "fly: is not a verb"), (["keygen"], "NAME: is missing"), (["keygen", "a", "b"], "b: is one"),
    (["sign", "p"], "--key: is missing"), (["sign", "--key", "k"], "PACKAGE: is missing"),
    (["verify", "--key", "k"], "PACKAGE: is missing"), (["inspect"], "PACKAGE: is missing"),
    (["unsign", "p"], "are a choice"), (["unsign", "--all", "--key-id", "00000000", "p"], "are a choice"),
    (["head"], "PACKAGE: is missing"), (["attach", "p"], None), (["build", "d.dts"], "-o: is missing")])
def test_wrong_words(tmp_path, words, sentence):
    if sentence:
        refused(2, sentence, *words, cwd=tmp_path)
    else:
        assert pack(*words, status=10 if words else 2, cwd=tmp_path).stderr
    assert names(tmp_path) == []


@pytest.mark.parametrize("verb", ["sign", "head", "unsign", "verify", "inspect", "attach"])
def test_wrong_packages(workshop, keys, verb):
    words = {"sign": ["--key", keys[0].key], "unsign": ["--all"], "verify": ["--key", keys[0].pub]}.get(verb, [])
    more = ["image"] if verb == "attach" else []
    before = names(workshop)
    for name, status, sentence in (("image", 20, "2002"), ("empty", 20, "2001"), ("gone", 10, "No such file"),
                                   ("folder", 10, "Is a directory"), ("huge", 20, "2002"), ("pipe", 2, "is neither")):
        refused(status, f"^lifeboat-pack: {name}: .*{sentence}", verb, *words, name, *more, cwd=workshop)
    assert names(workshop) == before


# --- outputs are whole, or not there ----------------------------------------------------------------------------------

def test_output_is_replaced_as_a_whole(tmp_path, image):
    old = tmp_path / "p.boat"
    old.write_text("old")
    refused(2, "release: is 0", "build", "-o", old, "--product", "p", "--version", "1", "--release", 0, "--image",
            f"x={image}")
    assert old.read_text() == "old"
    build(old, {"x": image})
    assert Package.load(old).images()[0].data == image.read_bytes()
    assert names(tmp_path) == ["image", "p.boat"]


def test_file_size_limit(tmp_path, package, keys, image):
    """As a full disk: the write fails half-way."""
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
    image.write_bytes(noise(100000))
    build(package, {"system": image}, key=keys[0])
    before = package.read_bytes()
    words = ["--product", "p", "--version", "1", "--release", 1, "--image", f"x={image}"]
    refused(30, "cannot be written: File too large. Free some space", "build", "-q", "-o", tmp_path / "new.boat", *words,
            preexec_fn=limit)
    refused(30, "cannot be written: File too large", "sign", "--key", keys[1].key, package, preexec_fn=limit)
    assert names(tmp_path) == ["image", "test.boat"] and package.read_bytes() == before


def test_disk_full(tmp_path, image):
    """A disk that is really full, in a mount namespace of its own."""
    (tmp_path / "disk").mkdir()
    image.write_bytes(noise(100000))
    script = """set -e
        mount -t tmpfs -o size=64k none disk
        echo mounted
        "$PACK" build -q -o disk/new.boat --product p --version 1 --release 1 --image x=image || echo "status $?"
        ls -A disk"""
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script], cwd=tmp_path, capture_output=True, text=True,
                          env=dict(os.environ, PACK=str(packing.PACK)))
    if "mounted" not in done.stdout:
        pytest.skip("mounting is not permitted here")
    assert "status 30" in done.stdout and ".tmp" not in done.stdout and "new.boat" not in done.stdout
    assert "disk/new.boat: cannot be written: No space left on device. Free some space" in done.stderr


def test_read_only_place(tmp_path, image):
    """/sys takes no files, not even from root."""
    done = subprocess.run([packing.PACK, "build", "-o", "/sys/new.boat", "--product", "p", "--version", "1", "--release",
                           "1", "--image", f"x={image}"], capture_output=True, text=True)
    assert "/sys/new.boat: cannot be written" in done.stderr
    assert done.returncode == (30 if "Read-only" in done.stderr else 3)


def as_from_a_terminal():
    """Who runs the tests in the background may ignore some signals; a program inherits that."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def start_long_build(folder):
    (folder / "long").write_bytes(mixture(24 << 20, 9))
    child = subprocess.Popen([packing.PACK, "build", "-o", "p.boat", "--product", "p", "--version", "1", "--release", "1",
                              "--level", "22", "--chunk-size", "1M", "--image", "x=long"], cwd=folder,
                             stdout=subprocess.DEVNULL, preexec_fn=as_from_a_terminal)
    deadline = time.monotonic() + 20
    while not any(name.startswith(".p.boat.") for name in names(folder)):
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    return child


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_interrupted_build(tmp_path, number):
    child = start_long_build(tmp_path)
    child.send_signal(number)
    assert child.wait() == -number
    left = names(tmp_path)
    assert "p.boat" not in left
    if number != signal.SIGKILL:  # which leaves no time to clean up
        assert left == ["long"]


def test_image_that_changes(tmp_path):
    child = start_long_build(tmp_path)
    with open(tmp_path / "long", "r+b") as file:
        file.write(b"changed")
    assert child.wait() == 10
    assert names(tmp_path) == ["long"]


def test_image_that_shrinks(tmp_path):
    child = start_long_build(tmp_path)
    os.truncate(tmp_path / "long", 1 << 20)
    assert child.wait() == 10
    assert names(tmp_path) == ["long"]


def test_full_standard_output(package):
    with open("/dev/full", "w") as full:
        done = subprocess.run([packing.PACK, "inspect", package], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 30 and "standard output: cannot be written" in done.stderr


def test_progress(tmp_path):
    """On a terminal long work shows itself, and the line goes at the end."""
    (tmp_path / "image").write_bytes(mixture(48 << 20, 3))
    done = subprocess.run(["script", "-qec", f"{packing.PACK} build -o p.boat --product p --version 1 --release 1 "
                           "--level 22 --chunk-size 1M --image x=image", "/dev/null"], cwd=tmp_path,
                          stdin=subprocess.DEVNULL, capture_output=True)
    assert done.returncode == 0
    assert re.search(rb"\rpacking \d+ of 48 MiB \(\d+%\)", done.stdout)
    assert b"\r\x1b[Kp.boat: " in done.stdout


# --- help and manual --------------------------------------------------------------------------------------------------

VERBS = ["keygen", "trust", "build", "head", "sign", "attach", "unsign", "verify", "inspect"]


def test_help():
    general = pack("--help").stdout
    for verb in VERBS:
        assert f"  {verb} " in general
        text = pack(verb, "--help").stdout
        assert f"Usage: lifeboat-pack {verb} " in text and max(map(len, text.splitlines())) <= 90
    assert pack("sign", "-h").stdout == pack("sign", "--help").stdout


def manual():
    return (HOST / "lifeboat-pack.1").read_text()


def test_manual_has_every_verb_and_option():
    text = manual()
    for verb in VERBS:
        assert f".SS {verb}\n" in text
        for option in re.findall(r"--[a-z-]+", pack(verb, "--help").stdout):
            assert option in text, (verb, option)


def test_manual_examples(tmp_path):
    """They run as they stand, one after the other, in a folder that has example.dts and its images."""
    shutil.copy(HOST / "example.dts", tmp_path)
    (tmp_path / "boot.itb").write_bytes(mixture(9000, 1))
    (tmp_path / "system.img").write_bytes(mixture(SIZE, 2))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/lifeboat-pack").symlink_to(packing.PACK)
    blocks = re.findall(r"\.EX\n(.*?)\.EE\n", manual(), re.S)
    lines = [line[2:].replace("\\e", "\\") for block in blocks for line in block.splitlines()]
    assert len(blocks) == 5 and all(line.startswith("$ ") for block in blocks for line in block.splitlines())
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", "\n".join(lines)], cwd=tmp_path, capture_output=True,
                          text=True, env=dict(os.environ, PATH=f"{tmp_path}/bin:{os.environ['PATH']}"))
    assert done.returncode == 0, done.stderr
    assert "Verified OK" in done.stdout
    assert inspect(tmp_path / "server.boat")["release"] == 8
    assert inspect(tmp_path / "example.boat")["notes"] == "Faster start.\nThe display no longer flickers."
