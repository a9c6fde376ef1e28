"""A run's folder: what it was told, on what, by which code, and which of its stages are done.

`run.json` holds the experiment's name, git revision, environment and digests; `config/` the compose configuration, one
file a stage with just what that stage depends on; and each stage has a folder of its own. A stage is written in
`.making-<stage>/` and renamed when it is whole, so a folder that is there is complete. Only `train` works in place, as
its checkpoints are what a killed run resumes from.
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

from storage.durable import replace_file
from training.errors import RunError
from training.pipeline.composition import CONFIGS, parse_configuration
from training.pipeline.configuration import Configuration

CONFIG = "config"
RECORD = "run.json"
DONE = "stage.json"
PACKAGES = ("torch", "transformers", "sentence-transformers", "accelerate", "datasets", "numpy")

NEEDS: dict[str, tuple[str, ...]] = {
    "prepare": ("seed", "data"),
    "pairs": ("seed", "pairs"),
    "mine": ("seed", "mine", "model"),
    "train": ("seed", "model", "loss", "matryoshka", "trainer"),
    "compress": ("seed", "compress"),
    "evaluate": ("seed", "evaluation"),
    "export": (),
}
"""The stages in their order, and the parts of the configuration that each depends on."""

STAGES = tuple(NEEDS)


class RunFolder:
    """The folder of one run.

    Attributes:
        folder: where it lies.
        configuration: what the run was told.
    """

    def __init__(self, folder: Path, configuration: Configuration) -> None:
        """Takes a folder that `create` or `open_run` looked at."""
        self.folder = folder
        self.configuration = configuration

    def stage_folder(self, name: str) -> Path:
        """The folder of a stage, whether it is done or not."""
        return self.folder / name

    def is_done(self, name: str) -> bool:
        """Whether a stage's output is there and was made from this configuration."""
        try:
            made = json.loads((self.stage_folder(name) / DONE).read_bytes())
        except (OSError, ValueError):
            return False
        return bool(made.get("config") == self.digest(name))

    def digest(self, name: str) -> str:
        """Of the configuration that a stage and those before it depend on."""
        parts = [part for stage in STAGES[: STAGES.index(name) + 1] for part in NEEDS[stage]]
        plain = msgspec.to_builtins(self.configuration)
        text = json.dumps({part: plain[part] for part in parts}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def require_stage(self, name: str) -> Path:
        """The folder of a stage that must be done.

        Raises:
            RunError: It is not.
        """
        if not self.is_done(name):
            raise RunError(
                f"{self.stage_folder(name)} is not there or was made from another configuration: run {name} first."
            )
        return self.stage_folder(name)

    @contextmanager
    def write_stage(self, name: str) -> Iterator[Path]:
        """A folder to write a stage's output into; it becomes the stage's when all went well.

        Raises:
            RunError: It cannot be written, as when the disk is full; nothing half-made is left.
        """
        aside = self.folder / f".making-{name}"
        try:
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir(parents=True)
            try:
                yield aside
                self.mark_done(name, aside)
                shutil.rmtree(self.stage_folder(name), ignore_errors=True)
                os.rename(aside, self.stage_folder(name))
            finally:
                shutil.rmtree(aside, ignore_errors=True)
        except OSError as error:
            raise RunError(f"{name}: cannot write {error.filename or aside}: {error.strerror or error}.") from error

    def mark_done(self, name: str, folder: Path | None = None) -> None:
        """Says that a stage is done, with which configuration; not when, so that the same output is the same file."""
        content = {"stage": name, "config": self.digest(name)}
        replace_file((folder or self.stage_folder(name)) / DONE, json.dumps(content, indent=2).encode())

    def record(self, **facts: Any) -> None:
        """Adds to `run.json`."""
        path = self.folder / RECORD
        try:
            known = json.loads(path.read_bytes()) if path.exists() else {}
            replace_file(path, (json.dumps({**known, **facts}, indent=2, ensure_ascii=False) + "\n").encode())
        except (OSError, ValueError) as error:
            raise RunError(f"{path} cannot be written: {error}.") from error

    def read_record(self) -> dict[str, Any]:
        """What `run.json` says."""
        try:
            found: dict[str, Any] = json.loads((self.folder / RECORD).read_bytes())
        except (OSError, ValueError) as error:
            raise RunError(f"{self.folder / RECORD} cannot be read: {error}.") from error
        return found


def create_run(
    folder: Path, configuration: Configuration, inputs: Mapping[str, Mapping[str, str]] | None = None
) -> RunFolder:
    """Makes a run's folder, or gives one that is there a new configuration: stages it changes are done no more.

    Args:
        folder: of the run.
        configuration: what the run is told.
        inputs: digests of what it names, by the part that names it; they are written into the files of the stages.

    Raises:
        RunError: It cannot be written.
    """
    plain = msgspec.to_builtins(configuration)
    run = RunFolder(folder, configuration)
    try:
        (folder / CONFIG).mkdir(parents=True, exist_ok=True)
        _write(folder / CONFIG / "config.json", plain)
        for stage, parts in NEEDS.items():
            named = {path: sha256 for part in parts for path, sha256 in (inputs or {}).get(part, {}).items()}
            told = {part: plain[part] for part in parts}
            _write(folder / CONFIG / f"{stage}.json", {**told, "inputs": named} if named else told)
    except OSError as error:
        raise RunError(f"cannot write the run's folder {folder}: {error.strerror}.") from error
    run.record(
        name=configuration.name,
        started=datetime.now(UTC).isoformat("T", "seconds"),
        revision=revision(),
        environment=environment(),
    )
    return run


def open_run(folder: Path) -> RunFolder:
    """A run that was created before.

    Raises:
        RunError: The folder is no run's.
        ConfigurationError: Its configuration is not one of this version of the code.
    """
    try:
        plain = json.loads((folder / CONFIG / "config.json").read_bytes())
    except (OSError, ValueError) as error:
        raise RunError(f"{folder} is not a run's folder ({error}). `akin train` makes one.") from error
    return RunFolder(folder, parse_configuration(plain))


def environment() -> dict[str, Any]:
    """Python, machine class and the packages that decide what training gives; nothing that names a machine."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
    }


def revision() -> dict[str, Any]:
    """The commit of the code, and whether files differ from it; None where there is no git."""
    root = CONFIGS.parents[1]
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return {"commit": commit, "changed": bool(_git(root, "status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "changed": None}


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def _write(path: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, indent=2, sort_keys=True) + "\n"
    # Left alone where it says the same: what depends on the file need not be made again.
    if not path.exists() or path.read_text() != text:
        replace_file(path, text.encode())
