"""Receive traces in a process of its own, by OpenTelemetry's protocol (OTLP over HTTP, in protobuf and in JSON).

    python -m tests.integration.collector PORT FILE

writes a line of JSON to FILE for each span.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from akin.stack.processes import free_ports
from tests.servers import await_answer

ROOT = Path(__file__).parents[2]


class Collector:
    """Running collector."""

    def __init__(self, url: str, file: Path) -> None:
        self.url, self._file = url, file

    def spans(self) -> list[dict[str, Any]]:
        text = self._file.read_text() if self._file.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def await_spans(self, service: str, name: str, seconds: float = 30.0) -> list[dict[str, Any]]:
        """Return all spans as soon as there is one of a service with a name."""
        deadline = time.monotonic() + seconds
        while not any((each["service"], each["name"]) == (service, name) for each in self.spans()):
            assert time.monotonic() < deadline, [(each["service"], each["name"]) for each in self.spans()]
            time.sleep(0.05)
        return self.spans()


@contextmanager
def running_collector(folder: Path) -> Iterator[Collector]:
    (port,), file = free_ports(1), folder / "spans.jsonl"
    command = [sys.executable, "-m", "tests.integration.collector", str(port), str(file)]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        url = f"http://127.0.0.1:{port}"
        await_answer(url, process, until=lambda _: True)
        yield Collector(url, file)
    finally:
        process.terminate()
        process.wait()


def read_spans(body: bytes, kind: str) -> Iterator[dict[str, Any]]:
    """Yield the spans of a request."""
    from google.protobuf import json_format
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    if "json" in kind:
        # By the protocol, ids are hexadecimal in JSON; protobuf's own mapping has base64.
        found = json.loads(body)
    else:
        request.ParseFromString(body)
        found = json_format.MessageToDict(request)
        for span in _spans(found):
            for name in ("traceId", "spanId", "parentSpanId"):
                if name in span[1]:
                    span[1][name] = b64decode(span[1][name]).hex()
    for service, span in _spans(found):
        yield {
            "service": service,
            "name": span["name"],
            "trace": span["traceId"],
            "span": span["spanId"],
            "parent": span.get("parentSpanId", ""),
            "attributes": {each["key"]: next(iter(each["value"].values())) for each in span.get("attributes", [])},
            "events": [each.get("name") for each in span.get("events", [])],
            "status": span.get("status", {}),
        }


def _spans(request: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for resource in request["resourceSpans"]:
        attributes = {each["key"]: each["value"] for each in resource["resource"]["attributes"]}
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                yield attributes["service.name"]["stringValue"], span


def serve(port: int, file: Path) -> None:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            assert self.path == "/v1/traces"
            lines = [json.dumps(span) + "\n" for span in read_spans(body, self.headers["Content-Type"])]
            with file.open("a") as out:
                out.write("".join(lines))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    os.umask(0o077)
    serve(int(sys.argv[1]), Path(sys.argv[2]))
