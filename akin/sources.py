"""Push models and snapshots to a bucket, and fetch them from it: whole, or not at all.

`python -m akin.start` does this in containers before their server. It must import no more than a container of Triton
has: `retrieval_service` is imported only for snapshots.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from akin.bundles import Bundle, Place, fetch_files, parse_source, push, read_bundle
from akin.errors import BucketError
from akin.messages import counted, megabytes
from akin.registry.versions import (
    CONFIG,
    EVALUATIONS,
    HISTORY,
    MANIFEST,
    MODEL,
    POINTER,
    RERANKER,
    find,
    manifest,
    promoted_number,
    promoted_version,
)
from akin.storage.digest import file_digest
from akin.storage.durable import replace_file, sync, sync_folder
from akin.storage.locks import hold_lock

Say = Callable[[str], None]

_STAGING = ".fetching"


def push_models(repository: Path, address: str, numbers: tuple[int, ...], say: Say) -> Bundle:
    """Push the promoted versions of the encoder and of the reranker, and further versions of the encoder.

    Args:
        repository: Triton's model repository.
        address: Address of the bundles.
        numbers: Further versions of the encoder, such as one to be evaluated before it serves.
        say: Called with messages.

    Raises:
        EncoderError: Nothing is promoted, or there is no such version.
        BucketError: The bucket cannot be written.
    """
    place, files = Place(address), {}
    promoted = promoted_version(repository)
    for number in sorted({promoted.number, *numbers}):
        version = find(repository, number)
        files.update(files_below(repository, f"{MODEL}/{number}"))
        files.update(files_below(repository, f"{MODEL}/{EVALUATIONS}/{version.digest}"))
        # The model that runs the graph on a GPU has the same numbers (`akin encoder gpu`).
        files.update(files_below(repository, f"encoder/{number}"))
    if (reranker := promoted_number(repository, RERANKER)) is not None:
        files.update(files_below(repository, f"{RERANKER}/{reranker}"))
    for model in {path.split("/")[0] for path in files}:
        for name in (CONFIG, POINTER, HISTORY):
            if (path := repository / model / name).is_file():
                files[f"{model}/{name}"] = path
    bundle = push(place, "models", f"{MODEL}-{promoted.number}", files, say)
    say(f"encoder version {promoted.number}, {counted(len(files), 'file')}, {megabytes(bundle.size)}, in {address}")
    return bundle


def push_snapshot(data: Path, address: str, snapshot: str | None, say: Say) -> Bundle:
    """Push a snapshot, by default the live one, with its map if it has one.

    Raises:
        BucketError: There is no such snapshot, it is damaged, or the bucket cannot be written.
    """
    from retrieval_service.corpus.directory import SnapshotDirectory
    from retrieval_service.corpus.manifest import MANIFEST, read_manifest
    from retrieval_service.corpus.snapshot import verify_snapshot
    from retrieval_service.errors import RetrievalError

    place, snapshots = Place(address), SnapshotDirectory(data)
    try:
        name = snapshot or snapshots.current()
        if name is None:
            raise BucketError(f"there is no snapshot in {data}: run `akin index build sample` first.")
        folder = snapshots.path(name)
        for damage in verify_snapshot(folder):
            raise damage
        own = [MANIFEST, *read_manifest(folder).files]
    except RetrievalError as error:
        raise BucketError(str(error)) from error
    # As the manifest lists them: the lexical index has files whose names begin with a dot.
    files = {f"snapshot/{path}": folder / path for path in own}
    files |= {f"map/{path}": file for path, file in files_below(data / "maps" / name, "").items()}
    bundle = push(place, "snapshot", name, files, say)
    say(f"snapshot {name}, {megabytes(bundle.size)}, is in {address}")
    return bundle


def fetch_models(repository: Path, source: str, say: Say, *, older: bool = False) -> Bundle:
    """Fetch models into a repository. A version appears when it is complete, and the pointers to them last.

    Args:
        repository: Triton's model repository.
        source: Address of the bundles, or of one of them.
        say: Called with messages.
        older: True to go back to models whose history of promotions is the beginning of the one here, which stays.

    Raises:
        BucketError: The models cannot be fetched, the repository cannot be written, or it has another version of the
            same number. What served before still does.
    """
    place, bundle = _open(source, "models")
    busy = BucketError(f"another process fetches models into {repository}: wait for its end.")
    try:
        repository.mkdir(parents=True, exist_ok=True)
        with hold_lock(repository / ".fetch.lock", 600.0, busy):
            _check_versions(repository, place, bundle, older)
            staging = repository / _STAGING
            shutil.rmtree(staging, ignore_errors=True)
            try:
                wanted = [path for path in bundle.files if not _is_there(repository, path, bundle)]
                if wanted:
                    say(f"fetching {counted(len(wanted), 'file')} of models from {place.address}")
                    fetch_files(place, bundle, staging, wanted)
                    sync_folder(staging)
                    _publish_models(staging, repository)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise BucketError(
            f"cannot write {error.filename or repository}: {error.strerror or error}. AKIN_MODEL_REPOSITORY moves it."
        ) from error
    say(f"models of bundle {bundle.digest[:12]} are in {repository}")
    return bundle


def fetch_snapshot(data: Path, source: str, say: Say, *, live: bool = True) -> Bundle:
    """Fetch a snapshot and make it the live one; one that is there already is not fetched again.

    Args:
        data: The data folder.
        source: Address of the bundles, or of one of them.
        say: Called with messages.
        live: False to leave the live snapshot as it is.

    Raises:
        BucketError: It cannot be fetched or written. The live snapshot stays the same.
    """
    from retrieval_service.corpus.directory import SnapshotDirectory
    from retrieval_service.errors import RetrievalError

    place, bundle = _open(source, "snapshot")
    snapshots = SnapshotDirectory(data)
    own = {path: path.removeprefix("snapshot/") for path in bundle.files if path.startswith("snapshot/")}
    if own.keys() != {path for path in bundle.files if not path.startswith("map/")} or not own:
        raise BucketError(f"{place.address} holds no snapshot: push it again with `akin push snapshot`.")
    folder = snapshots.root / bundle.name
    try:
        snapshots.root.mkdir(parents=True, exist_ok=True)
        if folder.is_dir():
            _check_sizes(folder, bundle, own)
            say(f"snapshot {bundle.name} is here already")
        else:
            say(f"fetching snapshot {bundle.name}, {megabytes(bundle.size)}, from {place.address}")
            with snapshots.new_build(bundle.name) as building:
                fetch_files(place, bundle, building, own)
                _lift(building / "snapshot", building)
                snapshots.publish(building)
        _fetch_map(data, place, bundle)
        if live:
            snapshots.use(bundle.name)
    except RetrievalError as error:
        raise BucketError(str(error)) from error
    except OSError as error:
        raise BucketError(
            f"cannot write {error.filename or data}: {error.strerror or error}. AKIN_DATA moves it."
        ) from error
    say(f"snapshot {bundle.name} is {'live' if live else 'here'}")
    return bundle


def _open(source: str, kind: str) -> tuple[Place, Bundle]:
    parsed = parse_source(source)
    place = Place(parsed.address)
    return place, read_bundle(place, parsed.digest, kind)


def files_below(root: Path, folder: str) -> dict[str, Path]:
    """Return the files below a folder by their paths from the root; none of which a name begins with a dot."""

    def paths() -> Iterator[Path]:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts):
                yield path

    skipped = {"__pycache__"}
    return {path.relative_to(root).as_posix(): path for path in paths() if not skipped & set(path.parts)}


def _is_there(repository: Path, path: str, bundle: Bundle) -> bool:
    """Return True for a file of a version that is published, as versions never change."""
    parts = path.split("/")
    return len(parts) > 2 and (parts[1].isdigit() or parts[1] == EVALUATIONS) and (repository / path).is_file()


def _check_versions(repository: Path, place: Place, bundle: Bundle, older: bool) -> None:
    """Check that no version here has a number of the bundle and another content, and that no history would be lost.

    Raises:
        BucketError: It is so.
    """
    for path in bundle.files:
        parts = path.split("/")
        if len(parts) < 2 or parts[0].startswith("."):
            raise BucketError(f"{place.address} holds no models ({path!r}): push them again with `akin push models`.")
        if len(parts) == 3 and parts[0] == MODEL and parts[2] == MANIFEST and (repository / path).is_file():
            here = manifest(repository, int(parts[1])).get("digest")
            there = json.loads(place.read(f"files/{bundle.files[path].sha256}")).get("digest")
            if here != there:
                raise BucketError(
                    f"{repository} has another version {parts[1]} ({str(here)[:12]}) than {place.address} "
                    f"({str(there)[:12]}): fetch into another AKIN_MODEL_REPOSITORY."
                )
        history = repository / path
        if parts[-1] == HISTORY and history.is_file():
            known, pushed = history.read_bytes(), place.read(f"files/{bundle.files[path].sha256}")
            if not (pushed.startswith(known) or (older and known.startswith(pushed))):
                raise BucketError(
                    f"{history} has promotions that {place.address} does not have: fetch into another "
                    "AKIN_MODEL_REPOSITORY, or push this one."
                )


def _publish_models(staging: Path, repository: Path) -> None:
    """Move complete folders of versions into the repository, then its plain files, and the pointers last."""
    for model in sorted(staging.iterdir()):
        target = repository / model.name
        target.mkdir(exist_ok=True)
        folders = [each for each in model.iterdir() if each.is_dir() and each.name != EVALUATIONS]
        for folder in [*folders, *(model / EVALUATIONS).glob("*")]:
            to = target / folder.relative_to(model)
            to.parent.mkdir(exist_ok=True)
            if to.is_dir():  # a report that got new files; a version never does
                for file in folder.iterdir():
                    os.replace(file, to / file.name)
            else:
                folder.rename(to)
            sync(to.parent)
    for name in (HISTORY, CONFIG, POINTER):
        for file in sorted(staging.glob(f"*/{name}")):
            target, content = repository / file.parent.name / name, file.read_bytes()
            if name == HISTORY and target.is_file() and target.read_bytes().startswith(content):
                continue  # an older bundle: what was promoted since stays known
            replace_file(target, content)


def _check_sizes(folder: Path, bundle: Bundle, own: dict[str, str]) -> None:
    """Check that a snapshot that was published here has the files of the bundle.

    Raises:
        BucketError: It has others.
    """
    for path, name in own.items():
        file = folder / name
        record = bundle.files[path]
        # The manifest has the digests of all other files, which the service verifies.
        other = name == "manifest.json" and file.is_file() and file_digest(file) != record.sha256
        if not file.is_file() or file.stat().st_size != record.size or other:
            raise BucketError(f"{folder} is another snapshot of the same id ({name}): remove it, then fetch again.")


def _fetch_map(data: Path, place: Place, bundle: Bundle) -> None:
    """Fetch the map of a snapshot if the bundle has one and it is not here."""
    paths = [path for path in bundle.files if path.startswith("map/")]
    target = data / "maps" / bundle.name
    if not paths or target.exists():
        return
    staging = data / "maps" / f"{_STAGING}-{bundle.name}"
    shutil.rmtree(staging, ignore_errors=True)
    try:
        fetch_files(place, bundle, staging, paths)
        (staging / "map").rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _lift(inner: Path, folder: Path) -> None:
    """Move all that a folder has into the folder that it lies in."""
    for each in list(inner.iterdir()):
        each.rename(folder / each.name)
    inner.rmdir()
