"""A file server on this machine, with the faults of real ones: broken connections, no ranges, errors."""

import contextlib
import http.server
import threading
from collections.abc import Iterator

CONTENT = bytes(range(256)) * 400


class Server(http.server.ThreadingHTTPServer):
    """Serves `content` under every path, by ranges or not, and breaks off the first `breaks` answers half way.

    Attributes:
        asked: the `Range` of each GET.
        etag: the name of the content's version; a request for a part of another version gets the whole.
        heads: whether HEAD is answered.
        states_size: whether the answer to HEAD states the size.
    """

    content, ranges, breaks, status = CONTENT, True, 0, 200
    etag: str | None = None
    heads = states_size = True

    def __init__(self) -> None:
        self.asked: list[str | None] = []
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = f"http://127.0.0.1:{self.server_port}/sets"
        self.url = f"{self.folder}/horse2zebra.zip"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers["Range"]
        self.server.asked.append(asked)
        if self.server.status != 200:
            self.send_error(self.server.status)
            return
        same = self.headers["If-Range"] in (None, self.server.etag)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.server.ranges and same else 0
        rest = self.server.content[start:]
        self.send_response(206 if start else 200)
        if start:
            size = len(self.server.content)
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if self.server.breaks:
            self.server.breaks -= 1
            rest = rest[: len(rest) // 2]
        self.wfile.write(rest)

    def do_HEAD(self) -> None:
        if not self.server.heads or self.server.status != 200:
            self.send_error(405 if self.server.status == 200 else self.server.status)
            return
        self.send_response(200)
        if self.server.states_size:
            self.send_header("Content-Length", str(len(self.server.content)))
        if self.server.etag:
            self.send_header("ETag", self.server.etag)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """Run a `Server` in a thread."""
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield running
        finally:
            running.shutdown()
            thread.join()
