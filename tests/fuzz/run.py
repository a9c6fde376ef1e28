"""Look for failures for some minutes: rounds of the tests of this folder with new seeds, atheris, then schemathesis."""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from akin.stack.processes import free_ports
from tests.fuzz import guided

ROOT = Path(__file__).parents[2]
FOLDER = "tests/fuzz"
PYTHON = ROOT / ".venv-fuzz/bin/python"
SCHEMATHESIS = ROOT / ".venv-fuzz/bin/st"
# Other than these: a request of a feature that this corpus has not is refused in words, as documented.
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def rounds(until: float) -> int:
    """Run the tests with one seed after the other; return the exit code of the first round that fails, or 0."""
    environment = {**os.environ, "AKIN_FUZZ": "long"}
    number = 0
    while (left := until - time.monotonic()) > 0:
        seed, number = random.SystemRandom().randrange(2**32), number + 1
        print(f"round {number}: --hypothesis-seed={seed}, {left:.0f} s left", flush=True)
        command = [sys.executable, "-m", "pytest", "-q", "-x", "--timeout=0", f"--hypothesis-seed={seed}", FOLDER]
        try:
            done = subprocess.run(command, cwd=ROOT, env=environment, timeout=max(left, 60), check=False)
        except subprocess.TimeoutExpired:
            print("the time is over; this round found nothing so far")
            return 0
        if done.returncode:
            print(f"found by: AKIN_FUZZ=long pytest -x --hypothesis-seed={seed} {FOLDER}", file=sys.stderr)
            return done.returncode
    return 0


def requests(seconds: int) -> int:
    """Send requests that the OpenAPI document allows, and others; return the exit code of schemathesis."""
    [port] = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    serving = subprocess.Popen([sys.executable, "-m", "tests.fuzz.serve", str(port)], cwd=ROOT)
    try:
        deadline = time.monotonic() + 120
        while not _answers(f"{address}/health/ready"):
            if serving.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the service did not start; its errors are above")
            time.sleep(0.2)
        command = [SCHEMATHESIS, "run", f"{address}/openapi.json", "--checks", CHECKS, "--max-time", str(seconds)]
        # An answer in a microsecond is refused with 503, as it should be: no request asks for that.
        command += ["--header", "Akin-Timeout:30"]
        command += ["--phases", "examples,coverage,fuzzing", "--max-examples", "10000", "--generation-database", "none"]
        return subprocess.run(command, cwd=ROOT, check=False).returncode
    finally:
        serving.terminate()
        serving.wait(30)


def _answers(address: str) -> bool:
    try:
        return bool(urllib.request.build_opener(urllib.request.ProxyHandler({})).open(address, timeout=5).status == 200)
    except urllib.error.URLError:
        return False


def main() -> int:
    """Spend half of the minutes on hypothesis, a quarter on atheris where it is there, and the rest on schemathesis."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    seconds = parser.parse_args().minutes * 60
    with_atheris = guided.is_there(PYTHON)
    if not with_atheris:
        print("atheris is left out: it needs .venv-fuzz with Python 3.12 (make PYTHON=python3.12 .venv-fuzz/ready)")
    share = seconds / 4
    return (
        rounds(time.monotonic() + share * (2 if with_atheris else 3))
        or (guided.run(share, PYTHON) if with_atheris else 0)
        or requests(max(int(share), 10))
    )


if __name__ == "__main__":
    sys.exit(main())
