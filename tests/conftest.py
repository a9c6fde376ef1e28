"""What tests share: an exported encoder, a Triton that serves it, and the whole stack over the sample papers.

Each is made at its first use in a run. The encoder is kept in `.cache/tests/` under a digest of the code that makes it.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from akin.registry.versions import promoted_version
from akin.stack import lifecycle
from akin.stack.processes import free_ports
from akin.stack.triton import TritonProcess, start_triton
from akin.stack_settings import PORTS, ROOT, Settings

if TYPE_CHECKING:
    from tests.integration.hostile_records import Hostile

# The stack's own parts ignore a proxy; so do the clients of the tests. What comes from outside still goes through it.
for name in ("NO_PROXY", "no_proxy"):
    os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1,localhost,::1"]))

CACHE = ROOT / ".cache" / "tests"
AKIN = Path(sys.executable).parent / "akin"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long tests and those of many faults out, unless `-m` names them."""
    unnamed = [name for name in ("long", "chaos", "scale") if name not in config.getoption("markexpr")]
    left_out = [item for item in items if any(map(item.get_closest_marker, unnamed))]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@dataclasses.dataclass(frozen=True)
class RunningStack:
    """A stack that serves the sample papers, and the environment in which `akin` commands use it."""

    settings: Settings
    environment: dict[str, str]

    def akin(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return akin(*arguments, environment=self.environment)


def akin(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs a command of `akin`."""
    longest = 3600 if os.environ.get("E2E_CORPUS") else 280
    return subprocess.run(
        [AKIN, *arguments], env=environment, capture_output=True, text=True, timeout=longest, check=False
    )


def environment_for(data: Path, repository: Path) -> dict[str, str]:
    """The environment of a stack of its own: its folders, and free ports."""
    ports = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AKIN_")}
    return {**kept, **ports, "AKIN_DATA": str(data), "AKIN_MODEL_REPOSITORY": str(repository)}


def code_of(module: str) -> set[Path]:
    """The files of the training room that one of its modules comes to import: others export nothing new."""
    source = ROOT / "training/src/training"
    found: set[Path] = set()
    left = [module]
    while left:
        path = source / f"{left.pop().replace('.', '/')}.py"
        if not path.is_file() or path in found:
            continue
        found.add(path)
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "training":
                inner = (node.module or "").removeprefix("training").removeprefix(".")
                left += [inner] if inner else [name.name for name in node.names]
    return found


@pytest.fixture(autouse=True)
def _names_of_test_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make applications in this process answer under the host name that test clients use."""
    monkeypatch.setenv("AKIN_ALLOWED_HOSTS", "testserver")


@pytest.fixture(scope="session")
def encoder_repository() -> Path:
    """A model repository with an encoder exported by this very code."""
    digest = hashlib.sha256()
    made_by = [ROOT / "training/requirements.lock", *(ROOT / "model_repository/text_encoder").glob("*.p*")]
    registry = ROOT / "training/src/training/registry"
    made_by += [registry / "recipes.toml", *registry.glob("trained/*")]
    for path in sorted([*made_by, *code_of("registry.export"), *(ROOT / "akin/papers").rglob("*.py")]):
        digest.update(path.read_bytes())
    repository = CACHE / digest.hexdigest()[:16]
    if not (repository / "text_encoder" / "PROMOTED").exists():
        done = akin("encoder", "export", environment=environment_for(CACHE / "data", repository))
        assert done.returncode == 0, done.stderr
    return repository


@pytest.fixture(scope="session")
def triton(encoder_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonProcess]:
    """A Triton that serves the exported encoder."""
    data = tmp_path_factory.mktemp("triton")
    settings = Settings.read(environment_for(data, encoder_repository))
    http, grpc, metrics = free_ports(3)
    running = start_triton(settings, (http, grpc, metrics), promoted_version(encoder_repository), data / "triton.log")
    yield running
    lifecycle.stop([running.child])


@pytest.fixture(scope="session")
def sample_stack(encoder_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """The whole stack over the sample papers, or over those of the file that `make e2e CORPUS=` names."""
    data = tmp_path_factory.mktemp("stack")
    environment = environment_for(data, encoder_repository)
    running = RunningStack(Settings.read(environment), environment)
    (data / "corpora").mkdir()
    for cached in (CACHE / "data" / "corpora").glob("*"):
        (data / "corpora" / cached.name).write_bytes(cached.read_bytes())
    # In this order, the stack's Triton embeds the papers too.
    for arguments in (("up",), ("index", "build", os.environ.get("E2E_CORPUS") or "sample")):
        done = running.akin(*arguments)
        assert done.returncode == 0, done.stderr
    deadline = time.monotonic() + 60
    while httpx.get(f"{running.settings.service_url}/health/ready").json()["status"] != "ok":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    yield running
    running.akin("down")


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Hostile:
    """A snapshot of records that attack whoever shows them; a test must not change it."""
    from tests.integration.hostile_records import Hostile

    return Hostile(tmp_path_factory.mktemp("hostile"))
