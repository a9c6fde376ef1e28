"""The wheels of `make dist`, installed in an empty folder beside packages of strangers, down to an answer on the page.

It needs the package index, or pip's cache and settings for one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from akin.installation import ROOT
from akin.stack.processes import free_ports
from akin.stack_settings import PORTS
from tests.servers import await_answer

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]
WHEELS = sorted((ROOT / "dist").glob("akin*.whl"))
STRANGERS = ("papers", "indexing", "storage", "settings", "edge", "charts", "relevance", "training", "benchmarks")


class Installed:
    """The wheels in a fresh environment, in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        ports = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("AKIN_", "PYTHON", "VIRTUAL"))
        }
        self.environment = {**kept, **ports, "AKIN_DATA": str(self.data)}
        self.service, self.page = ports["AKIN_SERVICE_PORT"], ports["AKIN_UI_PORT"]

    def run(self, program: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.folder / "venv/bin" / program), *arguments]
        environment = {**self.environment, **more}
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """Install the wheels beside packages with the names that Akin's own once had, in packages and in the folder."""
    if len(WHEELS) < 2:
        pytest.skip("no wheels in dist/: make dist")
    installed = Installed(tmp_path_factory.mktemp("empty"))
    subprocess.run([sys.executable, "-m", "venv", installed.folder / "venv"], check=True)
    done = installed.run("pip", "install", "-q", "--only-binary", ":all:", *map(str, WHEELS))
    assert done.returncode == 0, done.stderr
    (packages,) = (installed.folder / "venv/lib").glob("python*/site-packages")
    for name in STRANGERS:
        assert not (packages / name).exists()
        (packages / name).mkdir()
        (packages / name / "__init__.py").write_text(f'WHOSE = "a stranger\'s {name}"\n')
    for name in ("numpy.py", "akin.py", "pip.py", "gradio_ui.py"):
        (installed.folder / name).write_text("raise SystemExit('a file of the current folder was imported')\n")
    yield installed
    installed.run("akin", "down")


def test_the_demonstration_answers_on_the_page(installed: Installed) -> None:
    command = [str(installed.folder / "venv/bin/akin"), "demo", "--no-browser"]
    log = installed.folder / "demo.log"
    with log.open("w") as output:
        demo = subprocess.Popen(
            command, cwd=installed.folder, env=installed.environment, stdout=output, stderr=output, text=True
        )
        try:
            # The bound of the whole test is that of this wait: set-up downloads and unpacks half a gigabyte.
            while "Search on http" not in log.read_text():
                assert demo.poll() is None, log.read_text()
                time.sleep(0.5)
            assert "Akin" in await_answer(f"http://127.0.0.1:{installed.page}/", demo).text
            await_answer(f"http://127.0.0.1:{installed.page}/katex/katex.min.js", demo)
            # On a busy machine the first searches may be answered by words alone.
            search = f"http://127.0.0.1:{installed.service}/search?q=word+embeddings"
            found = await_answer(search, demo, until=lambda answer: not answer.json().get("degraded")).json()
            assert len(found["results"]) == 10
        finally:
            demo.send_signal(signal.SIGINT)
            assert demo.wait(timeout=600) in (0, 130), log.read_text()
    assert installed.run("akin", "status").returncode == 1
    assert "setting up the Triton server" in log.read_text()
    assert not (installed.folder / "model_repository").exists()


def test_strangers_packages_stay_their_own(installed: Installed) -> None:
    code = f"import importlib; print({{importlib.import_module(n).WHOSE for n in {STRANGERS!r}}} and 'theirs')"
    assert installed.run("python", "-P", "-c", code).stdout == "theirs\n"


def test_what_needs_a_clone_says_so(installed: Installed) -> None:
    done = installed.run("akin", "encoder", "export")
    assert done.returncode == 3
    assert "needs a clone of the repository" in done.stderr


def test_a_second_machine_is_set_up_without_a_network(installed: Installed) -> None:
    folder, other = installed.folder / "wheels", str(installed.folder / "other")
    filled = installed.run("akin", "setup", "--download", str(folder))
    assert filled.returncode == 0, filled.stderr
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:1/simple", "PIP_NO_CACHE_DIR": "1", "AKIN_DATA": other}
    (largest,) = sorted(folder.glob("openvino-2*.whl"))
    content = largest.read_bytes()
    largest.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    refused = installed.run("akin", "setup", "--offline", str(folder), **nowhere)
    assert (refused.returncode, "digest" in refused.stderr) == (3, True), refused.stderr
    assert not Path(other, "triton").exists()
    largest.write_bytes(content)
    done = installed.run("akin", "setup", "--offline", str(folder), **nowhere)
    assert done.returncode == 0, done.stderr
    built = installed.run("akin", "index", "build", "sample", **nowhere)
    assert built.returncode == 0, built.stderr
    assert "314 papers indexed" in built.stderr
