"""Folder of a run: its configuration, the code and the corpus it used, and the output of each stage that is done.

`run.json` holds the experiment's name, git revision, environment and digests; `config/` holds the configuration, with
one file for each stage that has exactly the parts which that stage depends on. Each stage has a folder of its own. It
is written as `.making-<stage>/` and renamed when it is complete, so that a stage's folder is always complete. Only
`train` works in place, because a killed run continues from its checkpoints.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from akin.storage.durable import replace_file, replace_folder
from training.errors import RunError
from training.pipeline.composition import ROOT, parse_configuration
from training.pipeline.configuration import Configuration

CONFIG = "config"
RECORD = "run.json"
DONE_FILE = "stage.json"
STUDY = "study.journal"
SWEEP = "sweep"
PACKAGES = ("torch", "transformers", "sentence-transformers", "accelerate", "datasets", "numpy")

NEEDS: dict[str, tuple[str, ...]] = {
    "prepare": ("seed", "data", "evaluation.sets"),
    "pairs": ("seed", "pairs"),
    "mine": ("seed", "mine", "model"),
    "train": ("seed", "model", "loss", "losses", "matryoshka", "trainer"),
    "compress": ("seed", "compress"),
    "evaluate": ("seed", "evaluation"),
    "export": (),
}
"""Stages in their order, and the parts of the configuration that each depends on."""

STAGES = tuple(NEEDS)


class RunFolder:
    """Folder of one run.

    Attributes:
        folder: path of the folder.
        configuration: configuration of the run.
    """

    def __init__(self, folder: Path, configuration: Configuration) -> None:
        """Take a folder that `create_run` or `open_run` checked."""
        self.folder = folder
        self.configuration = configuration

    def stage_folder(self, name: str) -> Path:
        """Return the folder of a stage, which need not exist."""
        return self.folder / name

    def is_done(self, name: str) -> bool:
        """Return True if a stage's output exists and was made from this configuration."""
        try:
            made = json.loads((self.stage_folder(name) / DONE_FILE).read_bytes())
        except (OSError, ValueError):
            return False
        return bool(made.get("config") == self.digest(name))

    def digest(self, name: str) -> str:
        """Return the SHA-256 of the parts of the configuration that a stage and the stages before it depend on."""
        parts = [part for stage in STAGES[: STAGES.index(name) + 1] for part in NEEDS[stage]]
        plain = msgspec.to_builtins(self.configuration)
        text = json.dumps({part: read_part(plain, part) for part in parts}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def require_stage(self, name: str) -> Path:
        """Return the folder of a stage.

        Raises:
            RunError: The stage is not done.
        """
        if not self.is_done(name):
            raise RunError(
                f"{self.stage_folder(name)} does not exist or was made from another configuration: run {name} first."
            )
        return self.stage_folder(name)

    @contextmanager
    def write_stage(self, name: str) -> Iterator[Path]:
        """Yield a folder to write a stage's output into, and make it the stage's folder if no error was raised.

        Raises:
            RunError: The folder cannot be written, for example because the disk is full. Nothing incomplete remains.
        """
        aside = self.folder / f".making-{name}"
        try:
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir(parents=True)
            try:
                yield aside
                self.mark_done(name, aside)
                replace_folder(aside, self.stage_folder(name))
            finally:
                shutil.rmtree(aside, ignore_errors=True)
        except OSError as error:
            raise RunError(f"{name}: cannot write {error.filename or aside}: {error.strerror or error}.") from error

    def mark_done(self, name: str, folder: Path | None = None) -> None:
        """Record that a stage is done, and with which configuration.

        The time is not recorded, so that the same output is always the same file.
        """
        content = {"stage": name, "config": self.digest(name)}
        replace_file((folder or self.stage_folder(name)) / DONE_FILE, json.dumps(content, indent=2).encode())

    def record(self, **facts: Any) -> None:
        """Add facts to `run.json`.

        Raises:
            RunError: The file cannot be written.
        """
        path = self.folder / RECORD
        try:
            known = json.loads(path.read_bytes()) if path.exists() else {}
            replace_file(path, (json.dumps({**known, **facts}, indent=2, ensure_ascii=False) + "\n").encode())
        except (OSError, ValueError) as error:
            raise RunError(f"{path} cannot be written: {error}.") from error

    def read_record(self) -> dict[str, Any]:
        """Return the content of `run.json`.

        Raises:
            RunError: The file cannot be read.
        """
        try:
            found: dict[str, Any] = json.loads((self.folder / RECORD).read_bytes())
        except (OSError, ValueError) as error:
            raise RunError(f"{self.folder / RECORD} cannot be read: {error}.") from error
        return found


def create_run(
    folder: Path,
    configuration: Configuration,
    inputs: Mapping[str, Mapping[str, str]] | None = None,
    *,
    kind: str = "run",
) -> RunFolder:
    """Make a run's folder, or give an existing one a new configuration: stages that it changes no longer count as done.

    Args:
        folder: folder of the run.
        configuration: configuration of the run.
        inputs: digests of the files that each part of the configuration names; they are written into the stages' files.
        kind: `run`, or `sweep` for a folder whose trials are never published.

    Raises:
        RunError: The folder cannot be written.
    """
    plain = msgspec.to_builtins(configuration)
    run = RunFolder(folder, configuration)
    try:
        (folder / CONFIG).mkdir(parents=True, exist_ok=True)
        _write(folder / CONFIG / "config.json", plain)
        for stage, parts in NEEDS.items():
            named = {path: sha256 for part in parts for path, sha256 in (inputs or {}).get(part, {}).items()}
            needed = {part: read_part(plain, part) for part in parts}
            _write(folder / CONFIG / f"{stage}.json", {**needed, "inputs": named} if named else needed)
    except OSError as error:
        raise RunError(f"cannot write the run's folder {folder}: {error.strerror}.") from error
    run.record(
        name=configuration.name,
        kind=kind,
        started=datetime.now(UTC).isoformat("T", "seconds"),
        revision=revision(),
        environment=environment(),
    )
    return run


def read_part(plain: Mapping[str, Any], name: str) -> Any:
    """Return a part of a configuration given as dictionaries, by a name such as `evaluation.sets`."""
    found: Any = plain
    for key in name.split("."):
        found = found[key]
    return found


def is_sweep(folder: Path) -> bool:
    """Return True for the folder of a sweep. Earlier versions recorded no kind: there the study tells it."""
    try:
        kind = json.loads((folder / RECORD).read_bytes()).get("kind")
    except (OSError, ValueError):
        kind = None
    return bool(kind == SWEEP or (folder / STUDY).exists())


def open_run(folder: Path) -> RunFolder:
    """Return a run that was created before.

    Raises:
        RunError: The folder is not a run's folder.
        ConfigurationError: This version of the code does not accept the configuration.
    """
    try:
        plain = json.loads((folder / CONFIG / "config.json").read_bytes())
    except (OSError, ValueError) as error:
        raise RunError(f"{folder} is not a run's folder ({error}). `akin train` makes one.") from error
    return RunFolder(folder, parse_configuration(plain))


def environment() -> dict[str, Any]:
    """Return Python, machine class and the packages that decide the result; nothing that identifies a machine."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
    }


def revision() -> dict[str, Any]:
    """Return the commit of the code, and True if files differ from it; None for what is not known.

    In an image there is no git: AKIN_REVISION names the commit that it was built from.
    """
    try:
        commit = _git("rev-parse", "HEAD")
        return {"commit": commit, "changed": bool(_git("status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.CalledProcessError):
        built_from = os.environ.get("AKIN_REVISION", "unknown")
        return {"commit": None if built_from == "unknown" else built_from, "changed": None}


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def _write(path: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, indent=2, sort_keys=True) + "\n"
    # An unchanged file keeps its time, so that DVC need not repeat what depends on it.
    if not path.exists() or path.read_text() != text:
        replace_file(path, text.encode())
