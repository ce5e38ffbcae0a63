"""How much of each parser its kept inputs reach.

    coverage.py NAME...

Runs each target of build/fuzz-cover over its seeds and kept inputs and asks gcov about the files, or the functions of a file, that the
target is there for. Lines that no input reaches are listed in build/log/fuzz-coverage.log. Less than LEAST per cent is
an error.
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys

LEAST = 95.0
OBJECTS = pathlib.Path("build/fuzz-cover/obj")
LOG = pathlib.Path("build/log/fuzz-coverage.log")

# The parsers of a target: a file, and which of its functions; all of them where nothing is said.
HTTP_CHUNKS = "http_chunked_.*|on_size|on_trailer|step|hex_value|is_digit"
HTTP_URL = ("http_url_.*|scheme_len|is_http|take_host|take_port|take_target|take_authority|remove_dots|join|hex_value|"
            "is_digit|is_alpha")
PARSERS = {
    "board": {"core/board.c": ".*", "core/tree.c": ".*"},
    "chunk": {"core/front.c": "front_fetch|unpack_zstd|unpack_fill|chunk_fault"},
    "describe": {"host/describe.c": "add_product|add_extra|is_extra|find_property|find_image|add_image|wrong|read_.*|"
                                    "is_text|path_beside|describe_load|replace_text",
                 "host/describe_check.c": ".*"},
    "environment": {"core/ubootenv.c": ".*", "core/crc32.c": ".*"},
    "gpt": {"core/gpt.c": ".*"},
    "header": {"core/package.c": "package_header_.*"},
    "http": {"platform/source_http.c": "(?!source_http_is_url).*", "platform/http_ask.c": ".*"},
    "http_chunks": {"platform/http_parse.c": HTTP_CHUNKS},
    "http_head": {"platform/http_parse.c": f"(?!{HTTP_CHUNKS}|{HTTP_URL}).*"},
    "index": {"core/index.c": ".*"},
    "inspect": {"host/head.c": "damaged|take|load_block|check_size|head_load|head_free|padded|head_signature_block",
                "host/inspect.c": "is_plain|inspect_extra|check_signatures|count_.*|inspect",
                "host/inspect_print.c": ".*", "host/json.c": ".*"},
    "kernel": {"platform/system.c": "system_cmdline", "platform/sysfs.c": "sysfs_read|read_line|sysfs_text|sysfs_u64",
               "platform/hotplug.c": "hotplug_is_block", "platform/child.c": "end_line|take_output", "platform/disk.c": "word|names_device|name_mount",
               "core/flags.c": "flags_set_reason|flags_request_recovery", "core/text.c": "text_parse_u64|text_copy"},
    "keys": {"ui/keys.c": "key_of|keys_next"},
    "manifest": {"core/manifest.c": ".*", "core/tree.c": ".*"},
    "medium": {"platform/media.c": "is_power_of_two|is_vfat|is_exfat|media_probe",
               "platform/source_file.c": "package_len|source_file_seek"},
    "package": {"core/front.c": ".*", "core/index.c": "check_entry|index_check|index_entry|index_fault",
                "core/package.c": "(?!package_header_store).*"},
    "show": {"ui/report.c": ".*", "ui/json.c": ".*", "ui/out.c": "utf8_len|is_shown|out_(raw|add|line|flush|columns)"},
    "signatures": {"core/package.c": "package_signatures_.*|load_entry", "core/trust.c": ".*"},
    "state": {"core/state.c": ".*", "core/ring.c": ".*"},
    "trust": {"core/trust.c": ".*"},
    "url": {"platform/http_parse.c": HTTP_URL, "platform/source_http.c": "source_http_is_url"},
}


def run(name, *words):
    subprocess.run([f"build/fuzz-cover/fuzz-{name}", *words], check=True, stdout=subprocess.DEVNULL)


def forget():
    for file in OBJECTS.rglob("*.gcda"):
        file.unlink()


def counts(objects, ending, functions):
    """Lines of the functions of a file: number -> how often, over all objects that hold them; and the functions."""
    lines, found = {}, set()
    for data in objects:
        done = subprocess.run(["gcov", "--json-format", "--stdout", str(data)], capture_output=True, check=True)
        for part in done.stdout.splitlines():
            for file in json.loads(part)["files"]:
                if not file["file"].endswith("recovery/" + ending):
                    continue
                for line in file["lines"]:
                    name = line.get("function_name", "")
                    if re.fullmatch(functions, name):
                        found.add(name)
                        number = line["line_number"]
                        lines[number] = lines.get(number, 0) + line["count"]
    return lines, found


def missing(functions, found):
    """What is named and is in no object: renamed, or called by no target any more."""
    names = ["(?:" + functions + ")"] if "(" in functions else functions.split("|")
    return [name for name in names if not any(re.fullmatch(name, function) for function in found)]


def measure(name, log):
    seeds = pathlib.Path("build/fuzz-cover/seeds", name)
    shutil.rmtree(seeds, ignore_errors=True)
    seeds.mkdir(parents=True)
    forget()
    run(name, "--seeds", seeds)
    forget()
    run(name, seeds, f"tests/fuzz/corpus/{name}")
    total = reached = 0
    for ending, functions in PARSERS[name].items():
        objects = [OBJECTS / "recovery" / ending.replace(".c", ".gcda"), OBJECTS / f"tests/fuzz/target_{name}.gcda"]
        lines, found = counts([file for file in objects if file.exists()], ending, functions)
        for function in missing(functions, found):
            raise SystemExit(f"{name}: its inputs run nothing of {function} in recovery/{ending}")
        source = pathlib.Path("recovery", ending).read_text().splitlines()
        total += len(lines)
        reached += sum(count > 0 for count in lines.values())
        for number in sorted(number for number, count in lines.items() if not count):
            print(f"{name}: recovery/{ending}:{number}: {source[number - 1].strip()}", file=log)
    return 100 * reached / total


def main():
    LOG.parent.mkdir(parents=True, exist_ok=True)
    low = []
    with open(LOG, "w") as log:
        for name in sys.argv[1:]:
            share = measure(name, log)
            print(f"figure: fuzz_cover_{name} = {share:.1f} %", flush=True)
            if share < LEAST:
                low.append(name)
    if low:
        print(f"less than {LEAST} % of the lines of: {', '.join(low)} (which: {LOG})", file=sys.stderr)
    print(f"{len(sys.argv) - 1 - len(low)} passed, {len(low)} failed")
    return low != []


sys.exit(main())
