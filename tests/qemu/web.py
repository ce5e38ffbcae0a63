"""A web server on a port of its own that counts what it gives, can be stopped half-way, and can misbehave.

A board reaches it as http://10.0.2.2:PORT/.
"""
import http.server
import os
import re
import socket
import threading
import time


class Server:
    """Serves one file under every path.

    behaviour: "good", "missing" (404), "short" (announces more than there is), "no-range" (ignores Range) or
    "redirects" (to itself, without end). speed: bytes/s of each answer. (A server that sends as fast as it can counts
    megabytes that wait in buffers on this machine and never reach the board.)
    """

    def __init__(self, path=None, behaviour="good", speed=6 << 20):
        self.path, self.behaviour, self.speed = path, behaviour, speed
        self.given = 0              # body bytes that were sent, of all answers
        self.requests = []          # (path, Range header)
        self.port = 0
        self._server = None
        self._connections = set()
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
                server._connections.add(self.connection)

            def log_message(self, *_):
                pass

            def do_GET(self):
                server._answer(self)

        class Listener(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *_):
                pass            # connections that break are what this is for

        self._server = Listener(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        """The server is gone, and every connection to it broken."""
        if not self._server:
            return
        self._server.shutdown()
        self._server.server_close()
        self._server = None
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._connections.clear()

    def url(self, path="update.boat"):
        return "http://10.0.2.2:%d/%s" % (self.port, path)

    def wait_given(self, count, timeout=60):
        """Wait until so many bytes were sent."""
        deadline = time.monotonic() + timeout
        while self.given < count:
            assert time.monotonic() < deadline, "only %d of %d bytes were asked for" % (self.given, count)
            time.sleep(0.02)

    def _answer(self, handler):
        wanted = handler.headers.get("Range")
        self.requests.append((handler.path, wanted))
        if self.behaviour == "missing":
            handler.send_error(404)
            return
        if self.behaviour == "redirects":
            handler.send_response(302)
            handler.send_header("Location", "/again-%d" % len(self.requests))
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        size = os.path.getsize(self.path)
        first, last = 0, size - 1
        match = wanted and re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)
        if match and self.behaviour != "no-range":
            first = int(match.group(1))
            last = min(last, int(match.group(2))) if match.group(2) else last
            handler.send_response(206)
            handler.send_header("Content-Range", "bytes %d-%d/%d" % (first, last, size))
        else:
            handler.send_response(200)
        length = last - first + 1
        handler.send_header("Content-Length", str(length + (1000 if self.behaviour == "short" else 0)))
        if self.behaviour != "no-range":
            handler.send_header("Accept-Ranges", "bytes")
        handler.send_header("ETag", '"one"')
        handler.end_headers()
        self._send(handler, first, length)
        if self.behaviour == "short":
            handler.close_connection = True

    def _send(self, handler, first, length):
        started = time.monotonic()
        sent = 0
        with open(self.path, "rb") as f:
            f.seek(first)
            while sent < length:
                block = f.read(min(16384, length - sent))
                handler.wfile.write(block)
                sent += len(block)
                self.given += len(block)
                time.sleep(max(0, started + sent / self.speed - time.monotonic()))
