"""lifeboat verify over HTTP, from nginx and from Python's own server: what arrives, and how many bytes that took.

How the client meets servers that misbehave stands in tests/unit/test_http.c; here are real ones.
"""

import functools
import http.server
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

import packing

LIFEBOAT = pathlib.Path(os.environ.get("LIFEBOAT", packing.ROOT / "build/host/lifeboat"))
MIB = 1 << 20
SIZE = 6 * MIB

CONFIG = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ }}
http {{
	log_format bytes '$status $body_bytes_sent $request_method $uri "$http_range"';
	access_log {folder}/access.log bytes;
	default_type application/octet-stream;
	client_body_temp_path {folder}/body;
	proxy_temp_path {folder}/proxy;
	fastcgi_temp_path {folder}/fastcgi;
	uwsgi_temp_path {folder}/uwsgi;
	scgi_temp_path {folder}/scgi;
	gzip on;
	gzip_types *;
	server {{
		listen 127.0.0.1:{port};
		listen [::1]:{port};
		root {folder}/www;
		location /slow/ {{ alias {folder}/www/; limit_rate 1m; }}
		location /chunked/ {{
			proxy_pass http://127.0.0.1:{port}/;
			proxy_http_version 1.1;
			proxy_buffering off;
			add_trailer X-Trailer y;
			proxy_hide_header Content-Length;
			proxy_set_header Range "";
		}}
		location /no-range/ {{ alias {folder}/www/; max_ranges 0; }}
		location /moved/ {{ rewrite ^/moved/(.*)$ /$1 redirect; }}
		location /loop/ {{ return 302 /loop/; }}
		location /secure/ {{ return 301 https://127.0.0.1/; }}
		location /gone/ {{ return 410; }}
	}}
}}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Nginx:
    def __init__(self, folder, package):
        self.folder, self.port = folder, free_port()
        (folder / "www").mkdir()
        shutil.copy(package, folder / "www/p.boat")
        folder.chmod(0o755)
        (folder / "nginx.conf").write_text(CONFIG.format(folder=folder, port=self.port))
        self.process = None
        self.start()

    def start(self):
        # As root, nginx's workers run as another user, who must reach the test's folder.
        user = ["-g", "user root;"] if os.geteuid() == 0 else []
        self.process = subprocess.Popen(["/usr/sbin/nginx", "-p", self.folder, "-e", self.folder / "error.log", "-c",
                                         self.folder / "nginx.conf", *user], start_new_session=True)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                return socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.05)
        raise AssertionError((self.folder / "error.log").read_text())

    def kill(self):
        """Without a word to its clients, as a server that loses its power; the group is nginx's own."""
        if self.process:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None

    def url(self, path, host="127.0.0.1"):
        return f"http://{host}:{self.port}/{path}"

    def requests(self):
        """[(status, bytes, path, range)]. A request is logged when nginx has ended it, which may be after the client."""
        deadline = time.monotonic() + 10
        while not (lines := (self.folder / "access.log").read_text().splitlines()) and time.monotonic() < deadline:
            time.sleep(0.05)
        found = [re.fullmatch(r'(\d+) (\d+) GET (\S+) "(.*)"', line).groups() for line in lines]
        return [(int(status), int(sent), path, span) for status, sent, path, span in found]


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    image = folder / "image"
    image.write_bytes(packing.noise(SIZE))
    return packing.build(folder / "p.boat", {"system": image},
                         key=packing.Key(packing.ROOT / "keys/development"))


@pytest.fixture
def nginx(tmp_path, package):
    server = Nginx(tmp_path, package)
    yield server
    server.kill()


def start(url):
    return subprocess.Popen([LIFEBOAT, "verify", url], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


def finish(process, status=0, timeout=120):
    output, _ = process.communicate(timeout=timeout)
    assert process.returncode == status, output
    return output


def verify(url, status=0):
    return finish(start(url), status)


def test_a_package_arrives_in_one_request(nginx, package):
    verify(nginx.url("p.boat"))
    assert nginx.requests() == [(200, package.stat().st_size, "/p.boat", "-")]


def test_ipv6_and_names(nginx):
    verify(nginx.url("p.boat", "[::1]"))
    verify(nginx.url("p.boat", "localhost"))


def test_a_chunked_answer_without_length(nginx):
    verify(nginx.url("chunked/p.boat"))


def test_redirects(nginx):
    verify(nginx.url("moved/p.boat"))
    assert "1013" in verify(nginx.url("loop/"), 10)
    assert "1017" in verify(nginx.url("secure/"), 10)


@pytest.mark.parametrize("path, code", [("none.boat", "404"), ("gone/", "410")])
def test_what_is_not_there_ends_at_once(nginx, path, code):
    begin = time.monotonic()
    output = verify(nginx.url(path), 10)
    assert "1011" in output and code in output
    assert time.monotonic() - begin < 5
    assert len(nginx.requests()) == 1


def test_a_server_that_is_killed_and_started_again(nginx, package):
    """Goes on at the byte: no byte that arrived is asked for again."""
    process = start(nginx.url("slow/p.boat"))
    time.sleep(2)
    nginx.kill()
    time.sleep(2)
    assert process.poll() is None
    nginx.start()
    finish(process)
    requests = nginx.requests()
    # A killed nginx logs nothing: what it sent is what the second one was not asked for.
    assert len(requests) == 1
    status, sent, _, span = requests[0]
    begin = int(re.fullmatch(r"bytes=(\d+)-", span).group(1))
    assert status == 206 and begin > MIB and begin + sent == package.stat().st_size


def test_a_package_that_changes_meanwhile(nginx):
    process = start(nginx.url("slow/p.boat"))
    time.sleep(1.5)
    nginx.kill()
    data = bytearray((nginx.folder / "www/p.boat").read_bytes())
    data[-1] ^= 1
    (nginx.folder / "www/p.boat").write_bytes(data)
    os.utime(nginx.folder / "www/p.boat", (1, 1))
    nginx.start()
    assert "1016" in finish(process, 10)


def test_a_server_without_range_that_is_killed(nginx, package):
    """Reads again from the first byte, and says so in bytes only."""
    process = start(nginx.url("slow/p.boat"))
    time.sleep(1.5)
    nginx.kill()
    config = nginx.folder / "nginx.conf"
    config.write_text(config.read_text().replace("limit_rate 1m;", "max_ranges 0;"))
    nginx.start()
    finish(process)
    status, sent, _, span = nginx.requests()[0]
    assert (status, sent) == (200, package.stat().st_size) and span.startswith("bytes=")


def test_pythons_own_server(tmp_path, package):
    """HTTP/1.0, no Range, no keep-alive."""
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *words):
            pass

    shutil.copy(package, tmp_path / "p.boat")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=tmp_path))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        verify(f"http://127.0.0.1:{server.server_port}/p.boat")
        assert "1011" in verify(f"http://127.0.0.1:{server.server_port}/q.boat", 10)
    finally:
        server.shutdown()


def test_addresses_that_cannot_work():
    assert "1006" in verify("https://127.0.0.1/p.boat", 10)
    assert "1006" in verify("http://user:secret@127.0.0.1/p.boat", 10)
    assert "1006" in verify("http://127.0.0.1:99999/p.boat", 10)
