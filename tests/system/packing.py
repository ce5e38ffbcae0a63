"""Making, reading and spoiling packages: for every test that needs one.

lifeboat-pack makes the packages. What they hold is read here by code of its own, written after FORMAT.md, so that a
fault that writer and reader of the product share does not go unseen. Package and Tree also change a package in one
place and sign it again, so that a test meets the check it is about and not the signature.
"""

import ctypes
import hashlib
import os
import pathlib
import random
import struct
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACK = pathlib.Path(os.environ.get("LIFEBOAT_PACK", ROOT / "build/host/lifeboat-pack"))

DOMAIN = b"lifeboat package 1\0"
MAGIC = b"LBOAT\r\n\x1a"
PAGE_MAGIC = b"LBINDEX1"
RAW, ZSTD, FILL = 1, 2, 3
CHUNK = 65536  # lifeboat-pack's default
SEGMENT_CHUNKS = 1024


# --- lifeboat-pack ----------------------------------------------------------------------------------------------------

def pack(*words, status=0, **options):
    """Runs lifeboat-pack and expects an exit status. No terminal, so that nothing can wait for a pass phrase."""
    options.setdefault("cwd", None)
    done = subprocess.run([str(PACK), *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=300, start_new_session=True, **options)
    assert done.returncode == status, f"{words}: status {done.returncode}\n{done.stdout}{done.stderr}"
    return done


class Key:
    def __init__(self, path):
        self.key = pathlib.Path(path).with_suffix(".key")
        self.pub = self.key.with_suffix(".pub")

    @property
    def id(self):
        der = subprocess.run(["openssl", "pkey", "-pubin", "-in", self.pub, "-outform", "DER"], check=True,
                             capture_output=True).stdout
        return hashlib.sha256(der).digest()


def keygen(folder, name="test"):
    path = pathlib.Path(folder) / name
    pack("keygen", path)
    return Key(path)


def build(output, images, *words, product="lifeboat,test", version="1.0", release=1, key=None):
    """images: {role: path}. words: further options."""
    line = ["build", "-q", "-o", output, "--product", product, "--version", version, "--release", release]
    for role, path in images.items():
        line += ["--image", f"{role}={path}"]
    if key:
        line += ["--key", key.key]
    pack(*line, *words)
    return pathlib.Path(output)


# --- images -----------------------------------------------------------------------------------------------------------

def noise(size, seed=0):
    """Bytes that do not compress, the same each time."""
    return random.Random(seed).randbytes(size)


def mixture(size, seed=0):
    """Bytes as a file system has them: some that compress, some that do not, some zeros."""
    source = random.Random(seed)
    parts, have = [], 0
    while have < size:
        length = source.randrange(1, 90000)
        kind = source.randrange(3)
        if kind == 0:
            part = source.randbytes(length)
        elif kind == 1:
            part = (b"%d the quick brown fox\n" % source.randrange(10)) * (length // 24 + 1)
        else:
            part = bytes(length)
        parts.append(part)
        have += len(part)
    return b"".join(parts)[:size]


# --- device trees -----------------------------------------------------------------------------------------------------

class Tree:
    """A node of a flattened device tree: properties (name to bytes) and children (name to Tree), both in order."""

    def __init__(self):
        self.properties = {}
        self.children = {}

    @classmethod
    def parse(cls, blob):
        magic, total, struct_off, strings_off = struct.unpack_from(">4I", blob)
        assert magic == 0xd00dfeed and total == len(blob)
        root, stack, at = None, [], struct_off

        def text(off):
            return blob[off:blob.index(0, off)].decode()
        while True:
            token, = struct.unpack_from(">I", blob, at)
            at += 4
            if token == 1:
                name = text(at)
                at += (len(name) + 4) & ~3
                node = cls()
                if stack:
                    stack[-1].children[name] = node
                else:
                    root = node
                stack.append(node)
            elif token == 2:
                stack.pop()
            elif token == 3:
                length, name_off = struct.unpack_from(">II", blob, at)
                stack[-1].properties[text(strings_off + name_off)] = blob[at + 8:at + 8 + length]
                at += 8 + ((length + 3) & ~3)
            elif token == 9:
                return root

    def serialize(self):
        strings = bytearray()
        offsets = {}

        def emit(node, name):
            out = struct.pack(">I", 1) + padded(name.encode() + b"\0", 4)
            for key, value in node.properties.items():
                if key not in offsets:
                    offsets[key] = len(strings)
                    strings.extend(key.encode() + b"\0")
                out += struct.pack(">III", 3, len(value), offsets[key]) + padded(value, 4)
            for child_name, child in node.children.items():
                out += emit(child, child_name)
            return out + struct.pack(">I", 2)
        body = emit(self, "") + struct.pack(">I", 9)
        struct_off = 40 + 16
        strings_off = struct_off + len(body)
        total = strings_off + len(strings)
        return struct.pack(">10I", 0xd00dfeed, total, struct_off, strings_off, 40, 17, 16, 0, len(strings),
                           len(body)) + bytes(16) + body + bytes(strings)


def padded(data, unit):
    return data + bytes(-len(data) % unit)


def u64(value):
    return struct.pack(">Q", value)


# --- packages ---------------------------------------------------------------------------------------------------------

class Package:
    """The parts of a package, to be looked at, changed and put together again."""

    def __init__(self, header, manifest, signatures, payload):
        self.header = bytearray(header)
        self.manifest = bytearray(manifest)
        self.signatures = signatures  # list of (key id, algorithm, signature)
        self.payload = bytearray(payload)

    @classmethod
    def load(cls, path):
        data = pathlib.Path(path).read_bytes()
        magic, version, flags, manifest_length, payload_length = struct.unpack_from(">8sIIQQ", data)
        assert magic == MAGIC and version == 1 and flags == 0 and data[32:64] == bytes(32)
        block = 64 + manifest_length
        length, count = struct.unpack_from(">QQ", data, block)
        at, signatures = block + 16, []
        for _ in range(count):
            key_id, algorithm, reserved, size = struct.unpack_from(">32sIIQ", data, at)
            assert reserved == 0
            signatures.append((key_id, algorithm, data[at + 48:at + 48 + size]))
            at += 48 + (size + 7) // 8 * 8
        assert at == block + length and len(data) in (at, at + payload_length)
        return cls(data[:64], data[64:block], signatures, data[at:])

    @property
    def signed(self):
        return DOMAIN + bytes(self.header) + bytes(self.manifest)

    @property
    def id(self):
        return hashlib.sha256(self.signed).hexdigest()

    @property
    def tree(self):
        return Tree.parse(bytes(self.manifest))

    @tree.setter
    def tree(self, tree):
        self.manifest = bytearray(tree.serialize())
        self.fix_header()

    def fix_header(self):
        """Makes the header's lengths true again."""
        struct.pack_into(">QQ", self.header, 16, len(self.manifest), len(self.payload))

    def sign(self, *keys):
        """Replaces all signatures, with openssl and not with lifeboat-pack."""
        self.signatures = []
        for key in keys:
            signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key.key], input=self.signed,
                                       check=True, capture_output=True).stdout
            self.signatures.append((key.id, 1, signature))
        return self

    @property
    def block(self):
        entries = b"".join(struct.pack(">32sIIQ", key_id, algorithm, 0, len(signature)) + padded(signature, 8)
                           for key_id, algorithm, signature in self.signatures)
        return struct.pack(">QQ", 16 + len(entries), len(self.signatures)) + entries

    def bytes(self):
        return bytes(self.header) + bytes(self.manifest) + self.block + bytes(self.payload)

    def save(self, path):
        pathlib.Path(path).write_bytes(self.bytes())
        return pathlib.Path(path)

    def images(self):
        """[Image], read and proved against every rule of FORMAT.md 1.4 and 1.5 that concerns the payload."""
        found, end = [], 0
        for number, (name, node) in enumerate(self.tree.children["images"].children.items()):
            assert name == f"image@{number}"
            image = Image(number, node, self.payload, end)
            found.append(image)
            end = image.end
        assert end == len(self.payload)
        return found


class Image:
    def __init__(self, number, node, payload, start):
        get = node.properties
        self.role = get["role"].rstrip(b"\0").decode()
        self.size, = struct.unpack(">Q", get["size"])
        self.chunk_size, = struct.unpack(">Q", get["chunk-size"])
        self.kinds = {RAW: 0, ZSTD: 0, FILL: 0}
        self.entries = []  # (place of the entry, kind, place of the stored bytes, their length) in the payload
        self.segments = [struct.unpack(">QQQ32s", get["segments"][i:i + 56])
                         for i in range(0, len(get["segments"]), 56)]
        self.end = start
        self.data = b"".join(self._segment(number, i, payload) for i in range(len(self.segments)))
        assert len(self.data) == self.size
        assert hashlib.sha256(self.data).digest() == get["sha256"]

    def _segment(self, number, which, payload):
        off, length, page_length, page_hash = self.segments[which]
        assert off == self.end
        self.end += length
        page = bytes(payload[off:off + page_length])
        assert hashlib.sha256(page).digest() == page_hash
        magic, image, first, count = struct.unpack_from(">8sQQQ", page)
        chunks = -(-self.size // self.chunk_size)
        assert (magic, image, first) == (PAGE_MAGIC, number, which * SEGMENT_CHUNKS)
        assert count == min(SEGMENT_CHUNKS, chunks - first) and page_length == 32 + 80 * count
        at, parts = off + page_length, []
        for i in range(count):
            kind, flags, stored, stored_hash, plain_hash = struct.unpack_from(">IIQ32s32s", page, 32 + 80 * i)
            plain_length = min(self.chunk_size, self.size - (first + i) * self.chunk_size)
            data = bytes(payload[at:at + stored])
            assert flags == 0 and hashlib.sha256(data).digest() == stored_hash
            plain = unpack(kind, data, plain_length)
            assert hashlib.sha256(plain).digest() == plain_hash
            self.entries.append((off + 32 + 80 * i, kind, at, stored))
            self.kinds[kind] += 1
            at += stored
            parts.append(plain)
        assert at == off + length
        return b"".join(parts)


_zstd = ctypes.CDLL("libzstd.so.1")
_zstd.ZSTD_decompress.restype = ctypes.c_size_t
_zstd.ZSTD_findFrameCompressedSize.restype = ctypes.c_size_t


def unpack(kind, data, length):
    if kind == RAW:
        assert len(data) == length
        return data
    if kind == FILL:
        assert len(data) == 1
        return data * length
    assert kind == ZSTD and len(data) < length
    # RFC 8878 3.1.1.1: one frame, a single segment, its content size, no checksum, no dictionary
    assert data[:4] == b"\x28\xb5\x2f\xfd" and data[4] & 0x3f == 0x20
    assert _zstd.ZSTD_findFrameCompressedSize(data, ctypes.c_size_t(len(data))) == len(data)
    plain = ctypes.create_string_buffer(length + 1)
    assert _zstd.ZSTD_decompress(plain, ctypes.c_size_t(length + 1), data, ctypes.c_size_t(len(data))) == length
    return plain.raw[:length]
