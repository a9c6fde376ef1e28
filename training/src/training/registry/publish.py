"""Publishing: a finished folder becomes the next version of the model repository, whole or not at all.

A version is made aside under a hidden name in the same folder, so that its appearance is one rename. Version folders
never change afterwards. A version is promoted here only where none ever was: the very first.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from storage.durable import replace_file, sync
from training.errors import PublishError

TEXT_ENCODER = "text_encoder"
POINTER = "PROMOTED"
EVALUATIONS = "evaluations"
"""A folder beside the versions: what was measured of each, by its digest, as versions themselves never change."""

SOURCES = "sources"
"""A folder beside the versions: the models that they were made from, by the SHA-256 of the weights."""

CONFIG = "config.pbtxt"
CODE = ("bulk.py", "inner.py", "model.py", "packing.py", "runtime.py")
PROJECT_MODEL = Path(__file__).resolve().parents[4] / "model_repository" / TEXT_ENCODER
"""The tracked configuration and code, which a repository elsewhere gets a copy of."""

# What a folder may hold beside the model itself.
_NO_WEIGHTS = (".*", "checkpoint-*", "onnx", "openvino")
_STAGING = ".staging-"
_STALE_SECONDS = 24 * 3600


@dataclass(frozen=True)
class PublishedVersion:
    """A version that is there now.

    Attributes:
        version: its number.
        folder: where it lies.
        promoted: whether it was promoted, as only the first is.
    """

    version: int
    folder: Path
    promoted: bool


def check_writable(repository: Path) -> None:
    """Tells at once what would fail after all the work; makes nothing.

    Raises:
        PublishError: What is to become the repository's model folder cannot be written into.
    """
    nearest = repository / TEXT_ENCODER
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise PublishError(
            f"cannot write into {repository / TEXT_ENCODER}: {nearest} is no folder that may be written into. "
            "AKIN_MODEL_REPOSITORY moves it."
        )


def copy_code(folder: Path, project_model: Path = PROJECT_MODEL) -> None:
    """Puts the code that serves into a folder that is to become a version.

    Raises:
        PublishError: It is not in the project, or cannot be written.
    """
    try:
        for name in CODE:
            shutil.copyfile(project_model / name, folder / name)
    except OSError as error:
        raise PublishError(f"cannot copy the code that serves into {folder}: {error}.") from error


@contextmanager
def staging(repository: Path) -> Iterator[Path]:
    """A hidden folder beside the versions; removed at the end.

    What a killed export left behind more than `_STALE_SECONDS` ago is removed as well.

    Raises:
        PublishError: The repository cannot be written.
    """
    model = repository / TEXT_ENCODER
    try:
        model.mkdir(parents=True, exist_ok=True)
        for left in model.glob(f"{_STAGING}*"):
            if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=_STAGING, dir=model))
    except OSError as error:
        raise PublishError(f"cannot write into {model}: {error.strerror}. AKIN_MODEL_REPOSITORY moves it.") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def keep_source(model: Path, repository: Path, sha256: str) -> None:
    """Keeps a copy of the model that a version is made from, as what serves it on a GPU is made of that.

    Args:
        model: the folder that SentenceTransformer.save() wrote.
        repository: Triton's model repository.
        sha256: of the weights, as in the version's manifest.

    Raises:
        PublishError: It cannot be written; nothing of it is there.
    """
    target = repository / TEXT_ENCODER / SOURCES / sha256
    if target.is_dir():
        return
    with staging(repository) as aside:
        try:
            shutil.copytree(model, aside, ignore=shutil.ignore_patterns(*_NO_WEIGHTS), dirs_exist_ok=True)
            for path in [*aside.rglob("*"), aside]:
                os.chmod(path, 0o755 if path.is_dir() else 0o644)
                sync(path)
            target.parent.mkdir(exist_ok=True)
            os.rename(aside, target)
            sync(target.parent)
        except OSError as error:
            raise PublishError(f"{model} cannot be kept as {target}: {error.strerror or error}.") from error


def next_version(repository: Path) -> int:
    """One more than the highest version there is, so that a number is never used for a second encoder.

    The pointer counts too: a promoted version whose folder was deleted must not come back as another encoder.
    """
    model = repository / TEXT_ENCODER
    taken = [int(entry.name) for entry in model.iterdir() if entry.name.isascii() and entry.name.isdigit()]
    return max([0, *taken, promoted_version(model) or 0]) + 1


def publish(staged: Path, repository: Path, version: int, project_model: Path = PROJECT_MODEL) -> PublishedVersion:
    """Makes the staged folder a version.

    Raises:
        PublishError: That version is there already, as another export was faster, or something cannot be written.
    """
    model = repository / TEXT_ENCODER
    target = model / str(version)
    try:
        os.chmod(staged, 0o755)
        for path in staged.iterdir():
            os.chmod(path, 0o644)
            sync(path)
        sync(staged)
        if model.resolve() != project_model.resolve():
            replace_file(model / CONFIG, (project_model / CONFIG).read_bytes())
        # Fails where that version is there already: a rename replaces no folder but an empty one.
        os.rename(staged, target)
        sync(model)
        first = promoted_version(model) is None
        if first:
            replace_file(model / POINTER, f"{version}\n".encode())
    except OSError as error:
        raise PublishError(
            f"version {version} cannot be published in {model}: {error.strerror}. Nothing of it is there; "
            "make room or rights and export again."
        ) from error
    return PublishedVersion(version, target, first)


def promoted_version(model: Path) -> int | None:
    """The number in the pointer; None where nothing was promoted, 0 where it is no number."""
    try:
        text = (model / POINTER).read_text().strip()
    except FileNotFoundError:
        return None
    return int(text) if text.isascii() and text.isdigit() else 0
