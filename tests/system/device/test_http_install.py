"""Installing over HTTP, from start to end: good servers, bad ones, and ones that go away for a while."""

import contextlib
import os
import shutil
import signal
import socket
import socketserver
import subprocess
import threading
import time

import pytest

import packing
import shim
import world as worlds
from world import compose, images_of

# Chunks that do not compress, so that there is something to carry.
IMAGES = [("boot", packing.noise(40 * worlds.KIB, 1)), ("system", packing.noise(120 * worlds.KIB, 2))]
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"


BIG_IMAGES = [("boot", packing.noise(40 * worlds.KIB, 1)), ("system", packing.noise(4 * worlds.MIB, 3))]
SLACK = worlds.MIB  # what lies in socket buffers when a connection ends, and the head of the package once more


@pytest.fixture(scope="module")
def package():
    return compose(IMAGES).bytes()


@pytest.fixture(scope="module")
def big_package():
    """Larger than all buffers on the way, so that counting bytes says something."""
    return compose(BIG_IMAGES, chunk_size=65536).bytes()


@pytest.fixture(scope="module")
def roomy_world(memory_root):
    return worlds.World.running(memory_root / "roomy", system=4 * worlds.MIB)


@pytest.fixture
def roomy(roomy_world, memory):
    return roomy_world.copy(memory / "roomy")


class Server(socketserver.ThreadingTCPServer):
    """Answers each connection by answer(request, handler file); keeps the requests and counts the bytes of bodies."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, answer, port=0):
        self.answer, self.requests, self.body_bytes, self.lock = answer, [], 0, threading.Lock()
        super().__init__(("127.0.0.1", port), Connection)
        self.port = self.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/update.boat"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def get_request(self):
        connection, address = super().get_request()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
        return connection, address

    def handle_error(self, request, client_address):
        pass  # clients that go away

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Connection(socketserver.StreamRequestHandler):
    def handle(self):
        while True:
            line = self.rfile.readline()
            if not line:
                return
            headers = {}
            for header in iter(self.rfile.readline, b"\r\n"):
                if not header:
                    return
                name, value = header.decode("latin-1").split(":", 1)
                headers[name.lower()] = value.strip()
            with self.server.lock:
                self.server.requests.append((line.decode("latin-1").strip(), headers))
                number = len(self.server.requests)
            if self.server.answer(self, number, headers) is False:
                return

    def send(self, data, body=True):
        for i in range(0, len(data), 16384):
            self.connection.sendall(data[i:i + 16384])
            if body:
                with self.server.lock:
                    self.server.body_bytes += len(data[i:i + 16384])


def wanted(headers, size):
    """The first and last byte that a Range header asks for, or the whole."""
    value = headers.get("range")
    if not value:
        return None
    first, last = value.removeprefix("bytes=").split("-")
    return int(first), min(int(last), size - 1) if last else size - 1


def head(status, reason="x", **headers):
    lines = [f"HTTP/1.1 {status} {reason}"] + [f"{k.replace('_', '-')}: {v}" for k, v in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def whole(data, limit=None, etag='"one"'):
    """A server that does all right, but for a limit of bytes after which it hangs up, once or always."""
    def answer(connection, number, headers):
        part = wanted(headers, len(data))
        extra = {"ETag": etag} if etag else {}
        if part:
            body = data[part[0]:part[1] + 1]
            connection.send(head(206, "Partial Content", Content_Length=len(body), Accept_Ranges="bytes",
                                 Content_Range=f"bytes {part[0]}-{part[1]}/{len(data)}", **extra), body=False)
        else:
            body = data
            connection.send(head(200, "OK", Content_Length=len(body), Accept_Ranges="bytes", **extra), body=False)
        cut = limit(number) if limit else None
        if cut is not None and cut < len(body):
            connection.send(body[:cut])
            return False
        connection.send(body)
        return None
    return answer


def install(world, url, *words, timeout=60, **options):
    return world.install(str(url), *words, timeout=timeout, **options)


def refused(world, url, detail, *words, named=None, **options):
    before = world.snapshot()
    done = install(world, url, *words, **options)
    number = worlds.DETAILS[detail]
    assert done.status == number // 100 and done.says(detail), done
    newest = world.results[0]
    assert (newest["detail_name"], newest["what"]) == (detail, "install") and newest["object"], newest
    world.check_running(before)
    if named:
        assert named in done.flat, done
    return done


# --- servers that do what they should ---------------------------------------------------------------------------------

def test_install(world, package):
    with Server(whole(package)) as server:
        install(world, server.url, expect=0)
    assert world.holds("B", IMAGES) and world.choice == "B"
    assert world.results[0]["origin"] == server.url
    hosts = {headers.get("host") for _, headers in server.requests}
    assert hosts == {f"127.0.0.1:{server.port}"}


def test_what_is_there_is_not_fetched_again(roomy, big_package):
    """The first time each byte comes once. The same again: signature, manifest and index pages are enough."""
    with Server(whole(big_package)) as server:
        install(roomy, server.url, expect=0)
        served = server.body_bytes
        assert roomy.holds("B", BIG_IMAGES)
        assert served <= len(big_package) + SLACK, (served, len(big_package))
        install(roomy, server.url, expect=0)
        assert server.body_bytes - served <= SLACK, (server.body_bytes, served)
    assert roomy.choice == "B"


@pytest.mark.skipif(not os.path.exists(NGINX), reason="nginx is not installed")
def test_nginx(world, memory, package):
    with nginx(memory, {"update.boat": package}) as url:
        refused(world, f"{url}/missing.boat", "HTTP_STATUS", named="404")
        install(world, f"{url}/update.boat", expect=0)
        assert world.holds("B", IMAGES)


@contextlib.contextmanager
def nginx(folder, files, extra=""):
    root = folder / "www"
    root.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (root / name).write_bytes(data)
    for path in (folder.parent, folder, root):
        path.chmod(0o755)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    config = folder / "nginx.conf"
    config.write_text(f"""daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{ access_log {folder}/access.log; client_body_temp_path {folder}/t; proxy_temp_path {folder}/t;
fastcgi_temp_path {folder}/t; uwsgi_temp_path {folder}/t; scgi_temp_path {folder}/t;
server {{ listen 127.0.0.1:{port}; root {root}; {extra} }} }}
""")
    process = subprocess.Popen([NGINX, "-c", config, "-p", folder, "-e", folder / "error.log"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            break
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect(world, package, status):
    with Server(whole(package)) as server:
        def answer(connection, number, headers):
            connection.send(head(status, "Moved", Location=server.url, Content_Length=0))
        with Server(answer) as first:
            install(world, first.url, expect=0)
    assert world.holds("B", IMAGES)


def test_relative_redirect(world, package):
    good = whole(package)

    def answer(connection, number, headers):
        if connection.server.requests[number - 1][0].split()[1] == "/update.boat":
            connection.send(head(302, "Found", Location="/latest/update-7.boat", Content_Length=0))
            return None
        return good(connection, number, headers)
    with Server(answer) as server:
        install(world, server.url, expect=0)
    assert any("/latest/update-7.boat" in line for line, _ in server.requests)


def test_slow_server(world, package):
    """A few bytes at a time are progress."""
    def answer(connection, number, headers):
        part = wanted(headers, len(package)) or (0, len(package) - 1)
        body = package[part[0]:part[1] + 1]
        status = head(206, "Partial", Content_Length=len(body),
                      Content_Range=f"bytes {part[0]}-{part[1]}/{len(package)}")
        connection.send(status if "range" in headers else head(200, "OK", Content_Length=len(body)), body=False)
        for i in range(0, len(body), 8192):
            connection.send(body[i:i + 8192])
            time.sleep(0.02)
    with Server(answer) as server:
        install(world, server.url, expect=0)
    assert world.holds("B", IMAGES)


# --- servers that go away ---------------------------------------------------------------------------------------------

def test_connection_that_breaks(roomy, big_package):
    """It goes on where it was: nothing is fetched twice but for what was under way."""
    with Server(whole(big_package, limit=lambda number: 1500000 if number < 4 else None)) as server:
        install(roomy, server.url, expect=0)
    assert roomy.holds("B", BIG_IMAGES)
    assert server.body_bytes <= len(big_package) + SLACK, (server.body_bytes, len(big_package))
    assert any("range" in headers for _, headers in server.requests)


def test_server_that_stops_and_starts_again(roomy, big_package):
    """Down for a while in the middle: retried, with a bounded wait, and continued."""
    broken = threading.Event()

    def limit(number):
        if number > 1:
            broken.set()
        return len(big_package) // 2
    first = Server(whole(big_package, limit=limit))
    process = subprocess.Popen(roomy.command("install", first.url), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               stdin=subprocess.DEVNULL, encoding="utf-8")
    assert broken.wait(20)
    time.sleep(0.3)
    first.__exit__()
    time.sleep(1)
    with Server(whole(big_package), port=first.port) as second:
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, out
    assert roomy.holds("B", BIG_IMAGES) and roomy.choice == "B"
    served = first.body_bytes + second.body_bytes
    assert served <= len(big_package) + SLACK, (served, len(big_package))


def test_server_that_stays_away(roomy, big_package):
    """Somebody gives up half-way. What arrived is not lost: the next try fetches the rest."""
    go = threading.Event()

    def answer(connection, number, headers):
        part = wanted(headers, len(big_package))
        if part and part[0] > len(big_package) // 2:
            go.wait(20)
            return False
        half = len(big_package) // 2 + 200000
        return whole(big_package, limit=lambda n: max(0, half - (part[0] if part else 0)))(connection, number, headers)
    first = Server(answer)
    process = subprocess.Popen(roomy.command("install", first.url), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               stdin=subprocess.DEVNULL, encoding="utf-8")
    deadline = time.monotonic() + 20
    while first.body_bytes < len(big_package) // 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    go.set()
    first.__exit__()
    assert process.returncode == 30 and "code 3026" in " ".join(out.split()), out
    assert roomy.choice == "A" and roomy.holds("A", images_of(5))
    with Server(whole(big_package)) as second:
        install(roomy, second.url, expect=0)
    assert roomy.holds("B", BIG_IMAGES)
    assert second.body_bytes < len(big_package) // 2 + SLACK, "what had arrived was fetched again"


def test_package_that_changes_meanwhile(world, package):
    """The second half is of another build: ETag and hashes say so, and nothing is mixed."""
    other = compose(images_of(9, boot=40 * worlds.KIB), release=9).bytes().ljust(len(package), b"\0")[:len(package)]

    def answer(connection, number, headers):
        data, tag = (package, '"one"') if number == 1 else (other, '"two"')
        return whole(data, limit=lambda n: 70000 if n == 1 else None, etag=tag)(connection, number, headers)
    with Server(answer) as server:
        before = world.snapshot()
        done = install(world, server.url)
    assert done.status in (10, 20), done
    assert done.says("HTTP_CHANGED") or done.status == 20, done
    world.check_running(before)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_signal_while_it_waits_for_the_server(world, package, number):
    """Sent while a read hangs. A lost session changes nothing; an order to end is obeyed at once."""
    go = threading.Event()

    def answer(connection, n, headers):
        part = wanted(headers, len(package)) or (0, len(package) - 1)
        body = package[part[0]:part[1] + 1]
        connection.send(head(206, "Partial", Content_Length=len(body),
                             Content_Range=f"bytes {part[0]}-{part[1]}/{len(package)}")
                        if "range" in headers else head(200, "OK", Content_Length=len(body)), body=False)
        connection.send(body[:90000])
        if len(body) > 90000:
            go.wait(20)
            connection.send(body[90000:])
    with Server(answer) as server:
        process = subprocess.Popen(world.command("install", server.url), stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, encoding="utf-8")
        deadline = time.monotonic() + 20
        while server.body_bytes < 90000 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.2)
        process.send_signal(number)
        if number == signal.SIGHUP:
            time.sleep(0.2)
            go.set()
        started = time.monotonic()
        out, _ = process.communicate(timeout=60)
        go.set()
    assert time.monotonic() - started < 5
    if number == signal.SIGHUP:
        assert process.returncode == 0 and world.holds("B", IMAGES), out
    else:
        assert process.returncode == 30 and "code 3026" in " ".join(out.split()), out
        assert world.choice == "A"


# --- servers that do wrong --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_client_errors_are_final(world, status):
    """No retry: what is not there will not be there in a second (rauc-hawkbit-updater 158)."""
    def answer(connection, number, headers):
        connection.send(head(status, "No", Content_Length=5) + b"sorry")
    with Server(answer) as server:
        refused(world, server.url, "HTTP_STATUS", named=str(status), timeout=20)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [500, 503])
def test_server_error_that_goes_away(world, package, status):
    good = whole(package)

    def answer(connection, number, headers):
        if number == 1:
            connection.send(head(status, "Busy", Content_Length=0))
            return None
        return good(connection, number, headers)
    with Server(answer) as server:
        install(world, server.url, expect=0)


def test_wrong_content_length(world, package):
    """Shorter than the package: it ends too early however often one asks."""
    def answer(connection, number, headers):
        data = package[:len(package) // 2]
        return whole(data)(connection, number, headers)
    with Server(answer) as server:
        before = world.snapshot()
        done = install(world, server.url)
    assert done.status in (10, 20) and done.status, done
    assert any(done.says(d) for d in ("HTTP_LENGTH", "SIZE_MISMATCH", "ENDED_EARLY")), done
    world.check_running(before)


def test_more_bytes_than_the_package(world, package):
    with Server(whole(package + b"more")) as server:
        before = world.snapshot()
        done = install(world, server.url)
    assert done.status == 20 and done.says("SIZE_MISMATCH"), done
    world.check_running(before)


def test_server_that_ignores_range(world, package):
    """From the start to the end in one answer it works; after a break it cannot be continued, and that is said."""
    def complete(connection, number, headers):
        connection.send(head(200, "OK", Content_Length=len(package)), body=False)
        connection.send(package)

    def breaks(connection, number, headers):
        connection.send(head(200, "OK", Content_Length=len(package)), body=False)
        connection.send(package[:len(package) // 2])
        return False
    with Server(breaks) as server:
        refused(world, server.url, "HTTP_NO_RANGE")
        assert len(server.requests) < 20
    with Server(complete) as server:
        done = install(world, server.url)
    if done.status == 0:
        assert world.holds("B", IMAGES)
    else:
        assert done.says("HTTP_NO_RANGE"), done


def test_range_answer_of_another_place(world, package):
    """206, and bytes from elsewhere: believing it would write nonsense or loop."""
    def answer(connection, number, headers):
        part = wanted(headers, len(package)) or (0, len(package) - 1)
        body = package[:part[1] - part[0] + 1]
        connection.send(head(206, "Partial", Content_Length=len(body),
                             Content_Range=f"bytes 0-{len(body) - 1}/{len(package)}"), body=False)
        connection.send(body[:50000])
        return False
    with Server(answer) as server:
        before = world.snapshot()
        done = install(world, server.url)
        assert done.status in (10, 20), done
        assert len(server.requests) < 30
    world.check_running(before)


def test_redirects_without_end(world):
    def answer(connection, number, headers):
        connection.send(head(302, "Found", Location=f"/{number}", Content_Length=0))
    with Server(answer) as server:
        refused(world, server.url, "HTTP_REDIRECTS", timeout=30)
    assert len(server.requests) <= 25


@pytest.mark.parametrize("location", ["https://example.com/x.boat", "file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_redirect_to_another_scheme(world, location):
    def answer(connection, number, headers):
        connection.send(head(302, "Found", Location=location, Content_Length=0))
    with Server(answer) as server:
        refused(world, server.url, "HTTP_REDIRECT_SCHEME", timeout=30)


def test_chunked(world, package):
    """A proxy may do so. It works, or it is refused in a sentence."""
    def answer(connection, number, headers):
        connection.send(head(200, "OK", Transfer_Encoding="chunked"), body=False)
        for i in range(0, len(package), 5000):
            part = package[i:i + 5000]
            connection.send(b"%x\r\n" % len(part) + part + b"\r\n")
        connection.send(b"0\r\n\r\n")
    with Server(answer) as server:
        before = world.snapshot()
        done = install(world, server.url, timeout=60)
        assert len(server.requests) < 20
    if done.status:
        assert done.status == 10 and "code 10" in done.flat, done
        world.check_running(before)
    else:
        assert world.holds("B", IMAGES)


ANSWERS = {
    "no version": b"HTTP/1.1\r\n\r\n", "no status": b"HTTP/1.1 abc OK\r\n\r\n",
    "long line": b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"y" * 200000 + b"\r\n\r\n",
    "many lines": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20000 + b"\r\n",
    "negative": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
    "huge": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Length: 20\r\n\r\n0123456789",
    "range backwards": b"HTTP/1.1 206 Partial\r\nContent-Length: 10\r\nContent-Range: bytes 5-2/1\r\n\r\n0123456789",
    "range of 2^64": b"HTTP/1.1 206 Partial\r\nContent-Length: 10\r\n"
                     b"Content-Range: bytes 0-9/18446744073709551616\r\n\r\n0123456789",
}


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_answers_that_are_no_http(world, name):
    def send(connection, number, headers):
        with contextlib.suppress(OSError):
            connection.send(ANSWERS[name])
        return False
    with Server(send) as server:
        before = world.snapshot()
        done = install(world, server.url, timeout=50)
        assert len(server.requests) < 20
    assert done.status in (10, 20) and "code" in done.flat, done
    world.check_running(before)


def test_hostile_package_over_http(world, package):
    """The same checks as for files: no byte gets through because it came by another way."""
    for data, detail in ((compose(IMAGES, key=False).bytes(), "UNSIGNED"),
                         (worlds.spoiled(compose(IMAGES)), "CHUNK_STORED_HASH"),
                         (b"<html>captive portal</html>" * 100, "NOT_A_PACKAGE"), (b"", "TOO_SHORT")):
        with Server(whole(data)) as server:
            before = world.snapshot()
            done = install(world, server.url)
            assert done.status in (10, 20) and (done.says(detail) or not data), (detail, done)
            world.check_running(before)


# --- addresses --------------------------------------------------------------------------------------------------------

def test_https_is_refused_in_a_sentence(world):
    """This version has no TLS; it says so instead of something about a file."""
    done = refused(world, "https://example.com/update.boat", "URL_INVALID")
    assert "http://" in done.flat, done


@pytest.mark.parametrize("url", ["http://", "http:///x", "http://host:0/x", "http://host:65536/x", "http://host:x/x",
                                 "http://ho st/x", "http://[::1/x", "http://user:pw@127.0.0.1/x",
                                 "http://127.0.0.1:1/\r\nX: y", "http://" + "h" * 5000 + "/x"])
def test_addresses_that_are_none(world, url):
    before = world.snapshot()
    done = install(world, url, timeout=30)
    assert done.status == 10, done
    assert done.says("URL_INVALID") or done.says("CONNECT_FAILED") or done.says("NAME_UNKNOWN"), done
    world.check_running(before)


@pytest.mark.parametrize("data,detail", [(b"220 smtp ready\r\n", "HTTP_MALFORMED"),
                                         (b"HTTP/1.1 200 OK\r\n", "CONNECTION_LOST")], ids=["smtp", "cut"])
def test_patience_ends(world, data, detail):
    """Somebody listens who has nothing to say: retried for a minute, then there is a clear end, and it is stored."""
    def answer(connection, number, headers):
        connection.send(data)
        return False
    before, started = world.snapshot(), time.monotonic()
    with Server(answer) as server:
        done = world.install(server.url, env=shim.environment(speed=shim.SPEED))
    passed = (time.monotonic() - started) * shim.SPEED
    assert 55 < passed < 200 if detail == "CONNECTION_LOST" else passed < 200
    assert done.status == 10 and done.says(detail) and server.url in done.flat, done
    newest = world.results[0]
    assert (newest["detail_name"], newest["origin"]) == (detail, server.url), newest
    assert world.snapshot() == before and worlds.NOTHING_CHANGED in done.flat, done


@pytest.mark.parametrize("verb", ["plan", "verify", "inspect"])
def test_other_verbs_read_addresses_too(world, package, verb):
    before = world.disk.read_bytes()
    with Server(whole(package)) as server:
        world.verb(verb, server.url, expect=0)
    assert world.disk.read_bytes() == before


def test_single_slot_over_http(single, package):
    """In place from recovery. There is no room to keep a package, so it is read twice; a bad one costs nothing."""
    with Server(whole(package)) as server:
        install(single, server.url, running=None, expect=0)
    assert single.holds("A", IMAGES) and single.choice == "A"
    with Server(whole(worlds.spoiled(compose(images_of(8), release=8)))) as server:
        done = install(single, server.url, running=None)
        assert done.status == 20 and single.choice == "A" and single.holds("A", IMAGES), done
    with Server(whole(compose(images_of(8), release=8).bytes())) as server:
        install(single, server.url, running=None, expect=0)
    assert single.holds("A", images_of(8)) and single.choice == "A"
