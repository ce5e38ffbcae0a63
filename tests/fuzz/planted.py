"""Shows that the fuzzers can fail: plants one mistake after the other, each in a copy of the tree, and runs the fuzzer
that has to find it for 20 seconds, from the kept inputs on.

    planted.py NAME...      of which targets
"""
import pathlib
import re
import subprocess
import sys

COPY = pathlib.Path("build/fuzz/planted")

# target, file below recovery/, what stands there, what shall stand there
MISTAKES = [
    ("board", "core/board.c", "if (!name || board->slot_count == BOARD_SLOTS_MAX ||", "if (!name ||"),
    ("board", "core/tree.c", "fdt_totalsize(fdt) <= len &&", ""),
    ("chunk", "core/front.c", "header.dictID || header.windowSize > front->manifest.images[front->image].chunk_size",
     "header.dictID"),
    ("chunk", "core/front.c", "ZSTD_isError(n) || n != e->stored_len", "ZSTD_isError(n)"),
    ("describe", "host/describe.c", "return len && !bytes[len - 1]", "return !bytes[len - 1]"),
    ("environment", "core/ubootenv.c", "if (off + len >= size)", "if (off + len > size)"),
    ("environment", "core/ubootenv.c", "if (serial0 == 255 && serial1 == 0)", "if (serial0 == 254 && serial1 == 0)"),
    ("gpt", "core/gpt.c", "|| p->off + p->len > gpt->end_usable", ""),
    ("gpt", "core/gpt.c", "entry_len > GPT_TABLE_MAX / count", "entry_len > GPT_TABLE_MAX"),
    ("header", "core/package.c", "(uint64_t)INT64_MAX - PACKAGE_HEAD_MAX", "(uint64_t)INT64_MAX"),
    ("http", "platform/http_ask.c", "if (head->last >= http->source.size)", "if (0)"),
    ("http", "platform/http_ask.c", "return !strcmp(http->etag, head->etag)", "return true"),
    ("http_chunks", "platform/http_parse.c", "c->line = 0;\n\t\tc->digits = 0;\n\t\treturn in == '\\n';",
     "c->line = 0;\n\t\tc->digits = 0;\n\t\treturn true;"),
    ("http_head", "platform/http_parse.c", "head->last < head->total", "head->last <= head->total"),
    ("index", "core/index.c", "len >= 1 && len < plain_len", "len >= 1 && len <= plain_len"),
    ("inspect", "host/problem.c", "(unsigned char)text[1] < 0xa0", "(unsigned char)text[1] < 0x90"),
    ("kernel", "platform/sysfs.c", "sysfs_read(path, text, size - 1, &len)", "sysfs_read(path, text, size, &len)"),
    ("keys", "ui/keys.c", "byte >= 0x40 && byte <= 0x7e", "byte > 0x40 && byte <= 0x7e"),
    ("manifest", "core/manifest.c", "m->product_count == MANIFEST_PRODUCTS_MAX",
     "m->product_count > MANIFEST_PRODUCTS_MAX"),
    ("manifest", "core/manifest.c", "s.off != *end", "s.off < *end"),
    ("medium", "platform/source_file.c", "return range_within(head_len, header.payload_len, device_len)", "return true"),
    ("package", "core/trust.c", "if (!holds(key, signature, signed_hash))", "if (first && !holds(key, signature, signed_hash))"),
    ("package", "core/front.c", "if (!hash_equal(sha256, front->manifest.images[chunk.image].sha256))", "if (0)"),
    ("show", "ui/out.c", "(unsigned char)text[1] < 0xa0", "(unsigned char)text[1] < 0x90"),
    ("signatures", "core/package.c", "n > PACKAGE_SIGNATURE_MAX", "n > PACKAGE_SIGNATURES_MAX"),
    ("state", "core/ring.c", "|| len > RING_CONTENT_MAX", "|| len > RING_BLOCK"),
    ("state", "core/state.c", "if (r->rollback_floor < state->stored_floor)", "if (!r->rollback_floor)"),
    ("trust", "core/trust.c", "signature->bytes,\n\t\t\t\t      signature->len) == 1",
     "signature->bytes,\n\t\t\t\t      signature->len) <= 1"),
    ("url", "platform/http_parse.c", "out + 4 > sizeof(url->target)", "out + 2 > sizeof(url->target)"),
]


def run(*words):
    return subprocess.run(words, cwd=COPY, capture_output=True, text=True, errors="replace")


def made(name):
    done = run("make", f"build/fuzz/fuzz-{name}", f"build/test/fuzz-{name}")
    if done.returncode:
        raise SystemExit(f"fuzz-{name} was not made:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def try_mistake(name, file, before, after):
    path = COPY / "recovery" / file
    text = path.read_text()
    if text.count(before) != 1:
        raise SystemExit(f"recovery/{file}: {before!r} stands there {text.count(before)} times and not once")
    path.write_text(text.replace(before, after))
    try:
        made(name)
        done = run("/usr/bin/python3", "tests/fuzz/run.py", "short", name)
    finally:
        path.write_text(text)
    log = (COPY / f"build/log/fuzz-{name}.log").read_text(errors="replace")
    what = re.search(r"does not hold: .*|ERROR: AddressSanitizer: \S+|runtime error: .*|ERROR: libFuzzer: .*", log)
    if not re.search(r"fuzz_findings = 1", done.stdout):
        print(f"  MISSED    {name:<12} recovery/{file}: {before!r} -> {after!r}", flush=True)
        return False
    print(f"  FOUND     {name:<12} recovery/{file}: {what.group(0)[:90] if what else ''}", flush=True)
    return True


def main():
    names = sys.argv[1:]
    subprocess.run(["rm", "-rf", COPY], check=True)
    subprocess.run(["git", "clone", "-q", ".", COPY], check=True)
    for name in names:
        made(name)
    tried = [mistake for mistake in MISTAKES if mistake[0] in names]
    found = sum(try_mistake(*mistake) for mistake in tried)
    print(f"figure: fuzz_planted = {len(tried)}")
    print(f"figure: fuzz_planted_found = {found}")
    print(f"{found} passed, {len(tried) - found} failed")
    return found != len(tried)


sys.exit(main())
