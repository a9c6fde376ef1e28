"""Reverse proxies for tests: nginx, and one with TLS in front of several servers, each below a path."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
_RUNNING = """daemon off; worker_processes 1; pid {folder}/pid; error_log stderr; {user}
events {{ }}
http {{
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {servers}
}}
"""


def nginx_command(folder: Path, servers: str) -> list[str]:
    """Return the command of nginx with some blocks `server`, in the foreground, with all its files in a folder."""
    assert NGINX is not None
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(_RUNNING.format(folder=folder, servers=servers, user=user))
    return [NGINX, "-c", str(folder / "nginx.conf"), "-e", "stderr", "-p", str(folder)]


def certificate(folder: Path) -> tuple[Path, Path]:
    """Return the files of a new key and of its certificate for `localhost`, signed with itself."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl on this machine")
    key, signed = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(signed)],
        check=True, capture_output=True,
    )  # fmt: skip
    return key, signed


@contextmanager
def proxy(key: Path, signed: Path, ports: Mapping[str, int], *, keep_prefix: bool) -> Iterator[str]:
    """Serve until the block ends; yield the address.

    Args:
        key: The file of the key.
        signed: The file of the certificate.
        ports: The port of the server below each path.
        keep_prefix: True to send a server the whole path, False to send it without the prefix.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            prefix = next((each for each in ports if self.path.startswith(f"{each}/")), None)
            if prefix is None:
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            # `Host` is passed on as it came.
            said = {"X-Forwarded-For": self.client_address[0], "X-Forwarded-Proto": "https", "Connection": "close"}
            path = self.path if keep_prefix else self.path.removeprefix(prefix)
            with closing(HTTPConnection("127.0.0.1", ports[prefix], timeout=20)) as inner:
                inner.request(self.command, path, body, dict(self.headers) | said)
                answer = inner.getresponse()
                self.send_response_only(answer.status)
                for name, value in answer.getheaders():
                    if name != "transfer-encoding":
                        self.send_header(name, value)
                self.end_headers()
                while block := answer.read1():
                    self.wfile.write(block)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(signed, key)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"https://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
