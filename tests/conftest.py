"""What tests share: an exported encoder, a Triton that serves it, and the whole stack over the sample papers.

Each is made at its first use in a run. The encoder is kept in `.cache/tests/` under a digest of the code that makes it.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest

from akin.stack import triton_key
from akin.stack.processes import free_ports
from akin.stack.record import find_running_stack
from akin.stack.triton import TritonProcess
from akin.stack_settings import PORTS, ROOT, Settings
from akin.storage.locks import hold_lock
from tests.servers import await_answer

if TYPE_CHECKING:
    from tests.integration.hostile_records import Hostile

# The stack's own parts ignore a proxy; so do the clients of the tests. What comes from outside still goes through it.
for name in ("NO_PROXY", "no_proxy"):
    os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1,localhost,::1"]))

CACHE = ROOT / ".cache" / "tests"
AKIN = Path(sys.executable).parent / "akin"

# ONNX Runtime runs no shape before it is ready: a stack whose vectors do not matter starts sooner.
STARTS_SOON = {"AKIN_ENCODER_RUNTIME": "onnxruntime"}
# A minute on two idle cores.
EXPORT_SECONDS = 1500


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist loadfile`, let one process run all files that use the stack over the sample papers."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadScopeScheduling

    @functools.cache
    def group(file: str) -> str:
        uses = re.search(r"\bsample_stack\b|\btriton: TritonProcess\b", (config.rootpath / file).read_text("utf-8"))
        return "sample_stack" if uses else file

    class Files(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid.partition("::")[0])

    return Files(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long tests and those of many faults out, unless `-m` names them.

    A test that needs the encoder gets the time that its export takes, unless an earlier run has exported it.
    """
    unnamed = [name for name in ("long", "chaos", "scale") if name not in config.getoption("markexpr")]
    left_out = [item for item in items if any(map(item.get_closest_marker, unnamed))]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        waits = "encoder_repository" in fixtures and not (repository_of_this_code() / "text_encoder/PROMOTED").exists()
        if waits and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(EXPORT_SECONDS))


@dataclasses.dataclass(frozen=True)
class RunningStack:
    """A stack that runs, and the environment in which `akin` commands use it."""

    settings: Settings
    environment: dict[str, str]

    @classmethod
    @contextmanager
    def over(cls, data: Path, repository: Path, papers: str = "sample", **more: str) -> Iterator[Self]:
        """Run a stack over papers in a data folder; yield it when it answers with vectors, and stop it at the end."""
        environment = environment_for(data, repository) | more
        running = cls(Settings.read(environment), environment)
        copy_corpora(data)
        try:
            # In this order, the stack's Triton embeds the papers too.
            for arguments in (("up",), ("index", "build", papers)):
                done = running.akin(*arguments)
                assert done.returncode == 0, done.stderr
            ready = f"{running.settings.service_url}/health/ready"
            await_answer(ready, until=lambda answer: bool(answer.json()["status"] == "ok"))
            yield running
        finally:
            running.akin("down")

    def akin(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return akin(*arguments, environment=self.environment)


def akin(*arguments: str, environment: dict[str, str], seconds: float = 280) -> subprocess.CompletedProcess[str]:
    """Run a command of `akin`."""
    longest = 3600 if os.environ.get("E2E_CORPUS") else seconds
    return subprocess.run(
        [AKIN, *arguments], env=environment, capture_output=True, text=True, timeout=longest, check=False
    )


def copy_corpora(data: Path) -> None:
    """Copy the papers that an earlier run has downloaded into a data folder."""
    (data / "corpora").mkdir(parents=True)
    for cached in (CACHE / "data" / "corpora").glob("*"):
        (data / "corpora" / cached.name).write_bytes(cached.read_bytes())


def environment_for(data: Path, repository: Path) -> dict[str, str]:
    """Return the environment of a stack of its own: its folders, and free ports."""
    ports = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AKIN_")}
    return {**kept, **ports, "AKIN_DATA": str(data), "AKIN_MODEL_REPOSITORY": str(repository)}


def code_of(module: str) -> set[Path]:
    """Return the files of the training room that one of its modules comes to import: others export nothing new."""
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


@functools.cache
def repository_of_this_code() -> Path:
    """Return the model repository of an encoder that is exported by this very code."""
    digest = hashlib.sha256()
    made_by = [ROOT / "training/requirements.lock", *(ROOT / "model_repository/text_encoder").glob("*.p*")]
    registry = ROOT / "training/src/training/registry"
    made_by += [registry / "recipes.toml", *registry.glob("trained/*")]
    for path in sorted([*made_by, *code_of("registry.export"), *(ROOT / "akin/papers").rglob("*.py")]):
        digest.update(path.read_bytes())
    return CACHE / digest.hexdigest()[:16]


@pytest.fixture(scope="session")
def encoder_repository() -> Path:
    """Export the encoder, unless an earlier run has; return its model repository, which a test must not change."""
    repository = repository_of_this_code()
    with hold_lock(CACHE / ".lock", EXPORT_SECONDS, RuntimeError("another process of tests exports the encoder")):
        if not (repository / "text_encoder" / "PROMOTED").exists():
            environment = environment_for(CACHE / "data", repository)
            done = akin("encoder", "export", environment=environment, seconds=EXPORT_SECONDS)
            assert done.returncode == 0, done.stderr
    return repository


@pytest.fixture(scope="session")
def triton(sample_stack: RunningStack) -> TritonProcess:
    """Return the Triton of the stack over the sample papers, which serves the exported encoder."""
    running = find_running_stack(sample_stack.settings)
    assert running is not None
    child = running.child("Triton")
    assert child is not None
    return TritonProcess(child, running.triton_http, running.triton, triton_key.read(sample_stack.settings))


@pytest.fixture(scope="session")
def sample_stack(encoder_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """Run the whole stack over the sample papers, or over those of the file that `make e2e CORPUS=` names."""
    data = tmp_path_factory.mktemp("stack")
    # A copy: one of the tests adds a reranker.
    shutil.copytree(encoder_repository, data / "models")
    with RunningStack.over(data, data / "models", os.environ.get("E2E_CORPUS") or "sample") as running:
        yield running


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Hostile:
    """Return a snapshot of records that attack whoever shows them; a test must not change it."""
    from tests.integration.hostile_records import Hostile

    return Hostile(tmp_path_factory.mktemp("hostile"))
