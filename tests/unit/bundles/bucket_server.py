"""A bucket of Cloud Storage on a free port: the part of its XML interface that obstore uses, kept in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

DATE = "Fri, 27 Nov 2026 00:00:00 GMT"


class BucketServer(ThreadingHTTPServer):
    """Server of buckets.

    Attributes:
        objects: content by bucket and name, such as `shelf/folder/name`.
        buckets: the buckets that exist.
        refuse: status and text of the answer to methods, such as {"PUT": (403, "…")}.
        torn: names of objects, and how often half of what is asked for is sent before the connection ends.
        requests: method and path of each request.
    """

    daemon_threads = True

    def __init__(self, buckets: tuple[str, ...] = ("shelf",)) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.buckets = set(buckets)
        self.refuse: dict[str, tuple[int, str]] = {}
        self.torn: dict[str, int] = {}
        self.requests: list[tuple[str, str]] = []
        self.tokens: set[str] = set()
        self.parts: dict[str, dict[int, bytes]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up."""


class _Handler(BaseHTTPRequestHandler):
    server: BucketServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def answer(self) -> None:
        parts = urlsplit(self.path)
        name = unquote(parts.path).lstrip("/")
        content = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.requests.append((self.command, name))
        self.server.tokens.add(self.headers.get("authorization") or "")
        status, text = self.server.refuse.get(self.command, (0, ""))
        bucket = name.split("/")[0]
        if status:
            self.send(status, text.encode())
        elif bucket not in self.server.buckets:
            self.send(404, b"<Error><Code>NoSuchBucket</Code></Error>")
        elif self.command == "POST" or "uploadId" in parts.query:
            self.send(200, self.multipart(name, parse_qs(parts.query, keep_blank_values=True), content))
        elif "list-type" in parts.query:
            self.send(200, self.listing(bucket, parse_qs(parts.query)))
        elif self.command == "PUT":
            if self.headers.get("x-goog-if-generation-match") == "0" and name in self.server.objects:
                self.send(412, b"<Error><Code>PreconditionFailed</Code></Error>")
            else:
                self.server.objects[name] = content
                self.send(200, b"")
        elif self.command == "DELETE":
            self.send(204 if self.server.objects.pop(name, None) is not None else 404, b"")
        elif name in self.server.objects:
            self.send_object(name)
        else:
            self.send(404, b"<Error><Code>NoSuchKey</Code></Error>")

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = answer

    def send_object(self, name: str) -> None:
        """Send an object, or the part from the byte of the header Range on."""
        content = self.server.objects[name]
        torn = self.server.torn.get(name, 0)
        if torn:
            self.server.torn[name] = torn - 1
        start = int((self.headers.get("range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        self.send(206 if start else 200, content[start:], torn=bool(torn), whole=(start, len(content)))

    def multipart(self, name: str, query: dict[str, list[str]], content: bytes) -> bytes:
        """Begin a large object, take one of its parts, or join them."""
        if "uploads" in query:
            self.server.parts[name] = {}
            return b"<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>"
        if "partNumber" in query:
            self.server.parts[name][int(query["partNumber"][0])] = content
            return b""
        self.server.objects[name] = b"".join(part for _, part in sorted(self.server.parts.pop(name).items()))
        return b"<CompleteMultipartUploadResult><ETag>1</ETag></CompleteMultipartUploadResult>"

    def listing(self, bucket: str, query: dict[str, list[str]]) -> bytes:
        prefix = f"{bucket}/{query.get('prefix', [''])[0]}"
        found = sorted(name for name in self.server.objects if name.startswith(prefix))
        entries = "".join(
            f"<Contents><Key>{escape(name.split('/', 1)[1])}</Key><LastModified>2026-11-27T00:00:00.000Z</LastModified>"
            f'<ETag>"1"</ETag><Size>{len(self.server.objects[name])}</Size></Contents>'
            for name in found
        )
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>".encode()

    def send(self, status: int, body: bytes, *, torn: bool = False, whole: tuple[int, int] = (0, 0)) -> None:
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {whole[0]}-{whole[1] - 1}/{whole[1]}")
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", DATE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(body[: len(body) // 2] if torn else body)
        if torn:
            self.close_connection = True


@contextmanager
def bucket_server(*buckets: str) -> Iterator[BucketServer]:
    """Serve buckets while the block runs."""
    server = BucketServer(buckets or ("shelf",))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
