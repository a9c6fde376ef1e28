"""Publish a finished folder as the next version of the model repository, either completely or not at all.

A version is made under a hidden name in the same folder and then renamed. Version folders never change afterwards.
Publishing promotes a version only if no version was ever promoted.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from akin.storage.durable import make_folder, replace_file, sync
from training.errors import PublishError

TEXT_ENCODER = "text_encoder"
RERANKER = "reranker"
GPU_ENCODER = "encoder"
POINTER = "PROMOTED"
EVALUATIONS = "evaluations"
"""Folder beside the versions with their evaluations, by digest."""

SOURCES = "sources"
"""Folder beside the versions with the models that they were made from, by the SHA-256 of the weights."""

CONFIG = "config.pbtxt"
PROJECT_MODEL = Path(__file__).resolve().parents[4] / "model_repository" / TEXT_ENCODER
"""Tracked configuration and code, which are copied to a repository elsewhere."""

PROJECT_RERANKER = PROJECT_MODEL.with_name(RERANKER)
PROJECT_GPU_ENCODER = PROJECT_MODEL.with_name(GPU_ENCODER)

CODE = {
    TEXT_ENCODER: ("bulk.py", "inner.py", "model.py", "packing.py", "runtime.py"),
    RERANKER: ("model.py", "pairs.py", f"../{TEXT_ENCODER}/packing.py", f"../{TEXT_ENCODER}/runtime.py"),
    GPU_ENCODER: ("measure.py", "model.py", "onnx_encoder.py", "runtimes.py", "torch_encoder.py"),
}
"""Files of the code that serves a version of each model, from the model's folder; the reranker runs graphs by the code
of `text_encoder`."""

# Entries of a model's folder that are not needed to load the model.
_NO_WEIGHTS = (".*", "checkpoint-*", "onnx", "openvino")
_STAGING = ".staging-"
_STALE_SECONDS = 24 * 3600


@dataclass(frozen=True)
class PublishedVersion:
    """Version that was just published.

    Attributes:
        version: its number.
        folder: its folder.
        promoted: True if it was promoted, as only the first version is.
    """

    version: int
    folder: Path
    promoted: bool


def original_source(repository: Path, base: Mapping[str, str]) -> str | None:
    """Return the model that a version was made from: the folder of its copy, a hub id, or None for the packaged one.

    Args:
        repository: Triton's model repository.
        base: origin of the version, from its manifest.
    """
    kept = repository / TEXT_ENCODER / SOURCES / base["weights_sha256"]
    if kept.is_dir():
        return str(kept)
    where, _, name = base["source"].partition(" ")
    return name if where in ("hub", "trained") else None


def find_version(repository: Path, digest: str, name: str = TEXT_ENCODER) -> dict[str, Any] | None:
    """Return the manifest of the newest version with a digest, with `promoted` and `folder`; None if there is none.

    Raises:
        PublishError: A manifest cannot be read.
    """
    versions = (path for path in (repository / name).glob("[0-9]*/manifest.json") if path.parent.name.isdigit())
    for path in sorted(versions, key=lambda path: int(path.parent.name), reverse=True):
        try:
            manifest = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise PublishError(f"{path} cannot be read: {error}.") from error
        if manifest.get("digest") == digest:
            return {**manifest, "promoted": False, "folder": str(path.parent)}
    return None


def check_writable(repository: Path, name: str = TEXT_ENCODER) -> None:
    """Check before the export that its result can be published; create nothing.

    Raises:
        PublishError: The repository's model folder cannot be written.
    """
    nearest = repository / name
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise PublishError(
            f"cannot write into {repository / name}: {nearest} is not a writable folder. "
            "Set AKIN_MODEL_REPOSITORY to another folder."
        )


def copy_code(folder: Path, project_model: Path = PROJECT_MODEL) -> None:
    """Copy the code that serves a version into the folder that is to become one.

    Raises:
        PublishError: A file is missing from the project, or cannot be written.
    """
    try:
        for name in CODE[project_model.name]:
            shutil.copyfile(project_model / name, folder / Path(name).name)
    except OSError as error:
        raise PublishError(f"cannot copy the code that serves a version into {folder}: {error}.") from error


@contextmanager
def staging_folder(repository: Path, name: str = TEXT_ENCODER) -> Iterator[Path]:
    """Yield a hidden folder beside a model's versions, and remove it at the end.

    Folders that a killed export left there more than `_STALE_SECONDS` ago are removed too.

    Raises:
        PublishError: The repository cannot be written.
    """
    model = repository / name
    try:
        make_folder(model)
        for left in model.glob(f"{_STAGING}*"):
            if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=_STAGING, dir=model))
    except OSError as error:
        raise PublishError(
            f"cannot write into {model}: {error.strerror}. Set AKIN_MODEL_REPOSITORY to another folder."
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def finish(staged: Path) -> None:
    """Make a staged folder readable for all users, and write it to the disk.

    Raises:
        OSError: A file cannot be changed.
    """
    for path in [*staged.rglob("*"), staged]:
        os.chmod(path, 0o755 if path.is_dir() else 0o644)
        sync(path)


def keep_source(model: Path, repository: Path, sha256: str, name: str = TEXT_ENCODER) -> None:
    """Keep a copy of the model that a version is made from, because its GPU graph is made from the same model.

    Args:
        model: the folder that SentenceTransformer.save() wrote.
        repository: Triton's model repository.
        sha256: digest of the weights, as in the version's manifest.
        name: model of Triton that the version belongs to.

    Raises:
        PublishError: The copy cannot be written; no part of it is left.
    """
    target = repository / name / SOURCES / sha256
    if target.is_dir():
        return
    with staging_folder(repository, name) as aside:
        try:
            shutil.copytree(model, aside, ignore=shutil.ignore_patterns(*_NO_WEIGHTS), dirs_exist_ok=True)
            finish(aside)
            make_folder(target.parent)
            os.rename(aside, target)
            sync(target.parent)
        except OSError as error:
            raise PublishError(f"{model} cannot be copied to {target}: {error.strerror or error}.") from error


def next_version(repository: Path, name: str = TEXT_ENCODER) -> int:
    """Return the highest version plus one, so that no number is used for a second encoder.

    The pointer counts too, because the folder of a promoted version may have been deleted.
    """
    model = repository / name
    taken = [int(entry.name) for entry in model.iterdir() if entry.name.isascii() and entry.name.isdigit()]
    return max([0, *taken, promoted_version(model) or 0]) + 1


def publish(staged: Path, repository: Path, version: int, project_model: Path = PROJECT_MODEL) -> PublishedVersion:
    """Make the staged folder a version of the model that the project's folder is named after.

    Raises:
        PublishError: The version exists, because another export was faster, or a file cannot be written.
    """
    model = repository / project_model.name
    target = model / str(version)
    try:
        finish(staged)
        if model.resolve() != project_model.resolve():
            replace_file(model / CONFIG, (project_model / CONFIG).read_bytes())
        # This fails if the version exists: a rename replaces only an empty folder.
        os.rename(staged, target)
        sync(model)
        first = promoted_version(model) is None
        if first:
            replace_file(model / POINTER, f"{version}\n".encode())
    except OSError as error:
        raise PublishError(
            f"version {version} cannot be published in {model}: {error.strerror}. No part of it is left. "
            "Free some space or correct the permissions, and export again."
        ) from error
    return PublishedVersion(version, target, first)


def promoted_version(model: Path) -> int | None:
    """Return the number in the pointer; None if no version was promoted, 0 if the pointer holds no number."""
    try:
        text = (model / POINTER).read_text().strip()
    except FileNotFoundError:
        return None
    return int(text) if text.isascii() and text.isdigit() else 0
