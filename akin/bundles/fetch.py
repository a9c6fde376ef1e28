"""Fetch the files of a bundle into a folder and check every byte."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from akin.bundles.bundle import FILES, Bundle, FileRecord
from akin.bundles.places import NothingThere, Place
from akin.bundles.push import AT_ONCE
from akin.errors import BucketError
from akin.messages import megabytes

_SPARE = 16 << 20
"""Bytes that stay free on the disk."""


def fetch_files(place: Place, bundle: Bundle, folder: Path, paths: Iterable[str] | None = None) -> None:
    """Fetch a bundle's files, or some of them, into a folder that the caller removes if this fails.

    Raises:
        BucketError: A file is missing or damaged in the bucket, the transfer broke off, or the disk is full.
    """
    wanted = {path: bundle.files[path] for path in (bundle.files if paths is None else paths)}
    needed = sum(record.size for record in wanted.values())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if free < needed + _SPARE:
            raise BucketError(
                f"{bundle.kind} {bundle.name} needs {megabytes(needed)}, and {folder} has {megabytes(free)} free: free "
                "space there, or set AKIN_DATA or AKIN_MODEL_REPOSITORY to a larger disk."
            )
        for path in wanted:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda each: _fetch(place, each[1], folder / each[0], each[0]), wanted.items()))
    except OSError as error:
        raise BucketError(f"cannot write {error.filename or folder}: {error.strerror or error}.") from error


def _fetch(place: Place, record: FileRecord, target: Path, path: str) -> None:
    digest, size = hashlib.sha256(), 0
    name = f"{FILES}/{record.sha256}"
    try:
        with target.open("xb") as file:
            for part in place.stream(name):
                size += len(part)
                if size > record.size:
                    break
                digest.update(part)
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
    except NothingThere as error:
        raise BucketError(
            f"{place.address} lacks the content of {path}: the bundle was pruned or is incomplete. Push it again."
        ) from error
    if size != record.size or digest.hexdigest() != record.sha256:
        found = f"more than {record.size:,}" if size > record.size else f"{size:,} of {record.size:,}"
        reason = "its digest is another" if size == record.size else f"{found} bytes arrived"
        raise BucketError(f"{place.address}/{name} ({path}) is damaged: {reason}. Push it again.")
