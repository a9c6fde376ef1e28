"""Take the version of a run into the registry of this machine, as its next version."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from akin.bundles import Place, fetch_files, read_bundle
from akin.errors import BucketError, EncoderError
from akin.registry.packaged import check_files
from akin.registry.versions import (
    CONFIG,
    EVALUATIONS,
    MANIFEST,
    MODEL,
    SOURCES,
    folder_numbers,
    promoted_number,
    set_promoted_version,
    versions,
)
from akin.storage.durable import replace_file, sync_folder
from akin.storage.locks import hold_lock


def take_version(address: str, repository: Path, say: Callable[[str], None]) -> int:
    """Fetch a version and publish it as the next one; return its number. Only the very first is promoted.

    Raises:
        AkinError: It cannot be fetched, is damaged, or the repository cannot be written.
    """
    place = Place(address)
    bundle = read_bundle(place, kind="version")
    busy = BucketError(f"another process takes a version into {repository}: wait for its end.")
    try:
        (repository / MODEL).mkdir(parents=True, exist_ok=True)
        with hold_lock(repository / ".fetch.lock", 600.0, busy):
            staging = Path(tempfile.mkdtemp(prefix=".taking-", dir=repository))
            try:
                fetch_files(place, bundle, staging)
                return _publish(staging / MODEL, repository, place, say)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise BucketError(f"cannot write {error.filename or repository}: {error.strerror or error}.") from error


def _publish(fetched: Path, repository: Path, place: Place, say: Callable[[str], None]) -> int:
    numbers = list(folder_numbers(fetched))
    if len(numbers) != 1:
        raise BucketError(f"{place.address} holds {len(numbers)} versions, not one: was it written by another tool?")
    folder = fetched / str(numbers[0])
    try:
        manifest = check_files(folder)
    except EncoderError as error:
        reason = str(error.__cause__ or "a file is another than its manifest says")
        raise BucketError(f"the version in {place.address} is damaged ({reason}): train it again.") from error
    model = repository / MODEL
    for known in versions(repository):
        if known.digest == manifest["digest"]:
            say(f"version {known.number} is this one already")
            return known.number
    number = max([0, *folder_numbers(model), promoted_number(repository) or 0]) + 1
    content = json.dumps({**manifest, "version": number}, indent=2, ensure_ascii=False) + "\n"
    (folder / MANIFEST).write_text(content, "utf-8")
    for kind in (EVALUATIONS, SOURCES):
        for each in (fetched / kind).glob("*"):
            if not (model / kind / each.name).exists():
                (model / kind).mkdir(exist_ok=True)
                each.rename(model / kind / each.name)
    if not (model / CONFIG).is_file():
        replace_file(model / CONFIG, (fetched / CONFIG).read_bytes())
    sync_folder(folder)
    folder.rename(model / str(number))
    if promoted_number(repository) is None:
        set_promoted_version(repository, number)
    say(f"version {number} ({manifest['digest'][:12]}); compare it with: akin evaluate")
    return number
