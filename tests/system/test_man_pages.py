"""The man pages: they parse, they are complete, and what they show works.

What lifeboat-pack.1 says of its verbs and examples is held against the tool in test_pack.py.
"""
import contextlib
import functools
import http.server
import json
import os
import pathlib
import re
import subprocess
import sys
import threading

import pytest

import world as worlds
from packing import ROOT

PAGES = (ROOT / "recovery/lifeboat.8", ROOT / "recovery/host/lifeboat-pack.1")
PAGE = PAGES[0].read_text()


def plain(text):
    """Without fonts and requests, as one line."""
    text = re.sub(r"\\f[BIRP]|\\%", "", text)
    text = re.sub(r"^\.(?:BR|BI|B|I) (.*)$", lambda m: m[1].replace('"', ""), text, flags=re.M)
    return " ".join(line for line in text.splitlines() if not line.startswith("."))


def section(name):
    return re.search(rf"^\.SH {name}\n(.*?)(?=^\.SH |\Z)", PAGE, re.M | re.S)[1]


def examples(name):
    return re.findall(r"^\.EX\n(.*?)^\.EE\n", section(name), re.M | re.S)


def render(page, *options):
    return subprocess.run(["groff", "-Kutf8", "-Tutf8", "-P-c", "-man", "-rLL=78n", *options, page],
                          capture_output=True, encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_parses_without_warnings(page):
    done = render(page, "-ww", "-z")
    assert (done.returncode, done.stderr) == (0, "")


def test_warnings_are_seen(tmp_path):
    (tmp_path / "bad.8").write_text(PAGE.replace(".SH FILES", ".NOSUCH FILES"))
    assert "NOSUCH" in render(tmp_path / "bad.8", "-ww", "-z").stderr


def test_fits_a_terminal():
    assert [line for line in re.sub(".\b", "", render(PAGES[0]).stdout).splitlines() if len(line) > 80] == []


# --- detail codes -----------------------------------------------------------------------------------------------------

def test_every_detail_code_and_no_other():
    text, found = section("DETAIL CODES"), {}
    for status, rest in re.findall(r"^\.SS (\d+) \w+\n(.*?)(?=^\.SS |\Z)", text, re.M | re.S):
        for number, body in re.findall(r"^\.B (\d+)\n(.*?)(?=^\.TP|^\.PD|\Z)", rest, re.M | re.S):
            name, words = plain(body).split(": ", 1)
            assert int(number) // 100 == int(status) and int(number) not in found, number
            found[int(number)] = (name, words)
    known = {name: detail for name, detail in worlds.details().items() if detail.number}
    assert {name: n for n, (name, _) in found.items()} == {name: detail.number for name, detail in known.items()}
    assert list(found) == sorted(found)
    for number, sentence, _ in known.values():
        said = found[number][1]
        assert said.startswith(sentence + ". "), f"{number} says: {said}"
        assert len(said) > len(sentence) + 5, f"{number} does not say what to do"


def test_every_status():
    header = (ROOT / "recovery/core/detail.h").read_text()
    known = {number: name.lower() for name, number in re.findall(r"STATUS_(\w+) = (\d+)", header)}
    found = dict(re.findall(r"^\.B (\d+)\n\\fB(\w+)\\fR\.", section("EXIT STATUS"), re.M))
    assert found == known
    assert {number: name for number, name in re.findall(r"^\.SS (\d+) (\w+)", section("DETAIL CODES"), re.M)} == \
        {number: name for number, name in known.items() if number != "0"}


# --- verbs and options ------------------------------------------------------------------------------------------------

def run_help(*words):
    return subprocess.run([worlds.LIFEBOAT, *words, "--help"], capture_output=True, text=True, check=True).stdout


def verbs():
    return re.findall(r"^  ([a-z-]+) ", run_help(), re.M)


def tagged(text):
    """The options that stand as tags in front of their descriptions."""
    return set(re.findall(r"^\.B[IR]? (--[a-z-]+)", text, re.M))


def offered(verb):
    return set(re.findall(r"^  (--[a-z-]+)", run_help(verb), re.M))


def test_every_verb_and_option_and_no_other():
    parts = dict(re.findall(r"^\.SS ([a-z-]+)\n(.*?)(?=^\.SS |\Z)", section("VERBS"), re.M | re.S))
    common = tagged(section("OPTIONS")) - {"--help"}
    assert sorted(parts) == sorted(verbs()) and len(parts) == 11
    for verb, text in parts.items():
        assert common <= offered(verb)
        assert tagged(text) == offered(verb) - common, verb
    everywhere = set(re.findall(r"--[a-z][a-z-]*", PAGE))
    assert everywhere == set().union(*map(offered, parts)) | {"--help", "--version"}


def test_synopsis():
    """As usage has it: the verb, its own options, its argument."""
    lines = plain(re.search(r"\.nf\n(.*?)\.fi", PAGE, re.S)[1])
    found = {words.split()[0]: words for words in lines.split("lifeboat ")[1:]}
    common = tagged(section("OPTIONS"))
    assert sorted(found) == sorted(verbs())
    for verb, words in found.items():
        assert set(re.findall(r"--[a-z-]+", words)) == offered(verb) - common, verb
        argument = run_help(verb).splitlines()[0].partition("[options]")[2].strip()
        assert re.sub(r"\[--[^]]*\]", "", words).split()[1:] == argument.split(), verb


def members(value):
    if isinstance(value, dict):
        return set(value).union(*map(members, value.values()))
    return set().union(*map(members, value)) if isinstance(value, list) else set()


def documented(verb):
    text = re.search(rf"^\.SS {verb}\n.*?^\.B --json\n(.*?)(?=^\.SS |^\.TP)", section("VERBS"), re.M | re.S)[1]
    return set(re.findall(r"\\fB(\w+)\\fR", text))


def test_members_of_json(world):
    package = world.keep(worlds.compose())
    data = json.loads(world.verb("inspect", "--json", package, running=None, expect=0).out)
    assert members(data) == documented("inspect")
    world.install(worlds.spoiled(worlds.compose()), expect=20)
    status = world.status()
    pending = re.search(r"\\fBpending\\fR \(null, or(.*?)\)", section("VERBS"), re.S)[1]
    source = (ROOT / "recovery/verbs_device.c").read_text()
    in_source = re.search(r'json_object\(&json, "pending"\);(.*?)json_end', source, re.S)[1]
    status["pending"] = dict.fromkeys(re.findall(r'&json, "(\w+)"', in_source))  # nothing is
    assert set(re.findall(r"\\fB(\w+)\\fR", pending)) == set(status["pending"])
    assert members(status) == documented("status")


# --- the board tree and the boot flags --------------------------------------------------------------------------------

def test_every_property_of_the_board_tree():
    """The names that core/board.c knows, and no other."""
    source = (ROOT / "recovery/core/board.c").read_text()
    names = re.search(r"enum detail board_load\(.*?names\[\] = \{(.*?)\};", source, re.S)[1]
    names = set(re.findall(r'"([a-z-]+)"', names))
    text = section("BOARD TREE")
    assert set(re.findall(r"^\.TP\n\.B ([a-z-]+)$", text, re.M)) == names | {"slots", "flag-store"} and len(names) == 13
    for name, low, high, absent in re.findall(r'get_number\([^;]*?"([a-z-]+)",\s*(\d+),\s*(\d+),\s*(\d+),', source):
        words = plain(re.search(rf"^\.B {name}\n(.*?)(?=^\.TP)", text, re.M | re.S)[1])
        assert f"{low} to {high}. Default {absent}." in words, name


def test_every_boot_flag(world):
    names = {re.sub("_[AB]_", "_SLOT_", name) for name in world.env if name.startswith("BOOT_")}
    tags = re.findall(r"^\.TP\n\.BI? (BOOT_.*)$", section("BOOT FLAGS"), re.M)
    assert {tag.replace(" ", "") for tag in tags} == names | {"BOOT_RECOVERY_REASON"}
    world.verb("request-recovery", "word", expect=0)
    assert world.env["BOOT_RECOVERY_REASON"] == "word"


def test_files_and_kernel_words():
    """Each stands in the source, and what the source has stands here."""
    source = "".join(p.read_text() for p in (ROOT / "recovery").rglob("*.[ch]") if "host" not in p.parts)
    source = re.sub(r"/\*.*?\*/", "", source, flags=re.S)
    files = re.findall(r"^\.I (/\S+)$", section("FILES"), re.M)
    in_source = {path for path in re.findall(r'"(/(?:etc|run|dev)/[a-z][\w./]+)"', source)}
    in_source |= set(re.findall(r'define SYSTEM_FDT "(.*?)"', source))
    assert in_source - set(files) == {"/dev/null"} and len(in_source) > 5, in_source
    assert set(files) - in_source == {"/etc/lifeboat/health.d"}  # what board trees name
    words = set(re.findall(r"^\.BI? (lifeboat\.[a-z]+)=", section("KERNEL COMMAND LINE"), re.M))
    assert words == set(re.findall(r'"(lifeboat\.[a-z]+)"', source))
    script = (ROOT / "qemu/boot.cmd").read_text()
    assert words == set(re.findall(r"(lifeboat\.[a-z]+)=", script))
    for reason in re.findall(r"lb_reason=([a-z-]+)", script):
        assert f"\\fI{reason}\\fR" in section("KERNEL COMMAND LINE"), reason


# --- the examples -----------------------------------------------------------------------------------------------------

def shim(path, text):
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)


class Machine:
    """A device at whose shell the examples are typed: `lifeboat` finds its disk, `reboot` acts as the boot script."""

    def __init__(self, world, folder):
        self.world, self.folder, self.running = world, folder, "A"
        self.bin = folder / "bin"
        self.bin.mkdir()
        shim(self.bin / "reboot", f"touch {folder}/restart\n")

    def type(self, line):
        shim(self.bin / "lifeboat", f"""verb=$1; shift
case " $* " in *" --disk "*) exec {worlds.LIFEBOAT} $verb "$@" ;; esac
exec {worlds.LIFEBOAT} $verb --disk {self.world.disk} --board {self.world.board} --running {self.running} "$@"
""")
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", line], cwd=self.folder, capture_output=True, text=True,
                              env=dict(os.environ, PATH=f"{self.bin}:{os.environ['PATH']}"), timeout=120)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        if (self.folder / "restart").exists():
            (self.folder / "restart").unlink()
            self.running = self.world.choice
            if self.running != "recovery":
                left = f"BOOT_{self.running}_LEFT"
                self.world.setenv(**{left: str(int(self.world.env[left]) - 1)})
        return done.stdout

    @property
    def runs(self):
        """The slot and its release."""
        return self.running, None if self.running == "recovery" else self.world.slot(self.running)["release"]


@contextlib.contextmanager
def server(folder):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_examples(world, memory):
    """They are typed as they stand, one after the other; only the server's address is another one."""
    www = memory / "www"
    www.mkdir()
    (memory / "update.boat").write_bytes(worlds.compose(release=7).bytes())
    (www / "update.boat").write_bytes(worlds.compose(release=8).bytes())
    (memory / "previous.boat").write_bytes(worlds.compose(release=6).bytes())
    (memory / "factory.boat").write_bytes(worlds.compose(release=9, product=("example,gateway",)).bytes())
    board, = examples("BOARD TREE")
    (memory / "board.dts").write_text(board)
    subprocess.run([sys.executable, ROOT / "qemu/make-disk", "--board", "ab", "--recovery", "/dev/null",
                    memory / "disk.img"], check=True)
    machine, ran, history = Machine(world, memory), [], []
    with server(www) as address:
        for block in examples("EXAMPLES"):
            for line in block.splitlines():
                assert line.startswith("$ "), line
                out = machine.type(line[2:].replace("http://192.0.2.7", address))
                ran.append((line[2:], out))
            history.append(machine.runs)
    assert history == [("B", 7), ("A", 8), ("B", 6), ("B", 6), ("B", 6), ("recovery", None)]
    said = {line: out for line, out in ran}
    assert "release 7), running, confirmed" in " ".join(said["lifeboat status"].split())
    assert said["lifeboat log | tail -n 20"].count("\n") == 20
    assert json.loads((memory / "status.json").read_text())["slots"][1]["release"] == 6
    assert "release 9), on trial, tries left: 3, starts next" in \
        " ".join(said["lifeboat status --disk disk.img --board board.dtb"].split())
    assert world.env["BOOT_RECOVERY_REASON"] == "service"


def test_readme_names_both_pages():
    readme = (ROOT / "README.md").read_text()
    for page in PAGES:
        assert f"`man -l {page.relative_to(ROOT)}`" in readme
        assert pathlib.Path(page).exists()
