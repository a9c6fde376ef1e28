#!/usr/bin/env python3
"""A stand-in for the Triton server: its health, its model's answers, a Python process beside it, and shared memory.

The file `behaviour` beside its folder chooses: `well` (also without the file), `refuse` to load the model, or `die` at
once. The Python process outlives its parent, as the real one sometimes does.
"""

import json
import mmap
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

BEHAVIOUR = Path(__file__).resolve().parent.parent / "behaviour"
STUB = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(300)"


def option(name: str) -> str:
    """Return an option of the command line."""
    return next(each.partition(f"{name}=")[2] for each in sys.argv if f"{name}=" in each)


class Handler(BaseHTTPRequestHandler):
    """Answers everything."""

    def do_GET(self) -> None:
        """Say that all is well."""
        self._answer(200, b"")

    def do_POST(self) -> None:
        """Load a model, or answer a text."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        refused = self.path.endswith("/load") and behaviour() == "refuse"
        self._answer(400 if refused else 200, json.dumps({"error": "no such model"} if refused else {}).encode())

    def log_message(self, *arguments: object) -> None:
        """Write nothing."""

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def behaviour() -> str:
    """Return how to behave."""
    return BEHAVIOUR.read_text().strip() if BEHAVIOUR.exists() else "well"


if __name__ == "__main__":
    if behaviour() == "die":
        sys.exit("the stand-in was told to die")
    region = Path("/dev/shm") / f"{option('shm-region-prefix-name')}stand-in"
    region.write_bytes(bytes(4096))
    with region.open("r+b") as file:
        memory = mmap.mmap(file.fileno(), 4096)
    subprocess.Popen([sys.executable, "-c", STUB, "triton_python_backend_stub"])
    ports = [int(option(f"--{name}-port")) for name in ("http", "metrics")]
    servers = [ThreadingHTTPServer(("127.0.0.1", port), Handler) for port in ports]
    Thread(target=servers[1].serve_forever, daemon=True).start()
    servers[0].serve_forever()
