"""Push files to a bucket: those that it lacks, then their description, then the pointer to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from akin.bundles.bundle import BUNDLES, FILES, LATEST, Bundle, FileRecord, latest, read_bundle
from akin.bundles.places import Place
from akin.errors import BucketError
from akin.storage.digest import file_digest

AT_ONCE = 4
"""Files that are transferred at the same time."""

Say = Callable[[str], None]


def push(place: Place, kind: str, name: str, files: Mapping[str, Path], say: Say = lambda _: None) -> Bundle:
    """Push files as a bundle and return it. What the bucket has is not sent again.

    Args:
        place: Address of the bundles.
        kind: What the files are.
        name: Name of the set.
        files: Path in the bundle, and the file on this machine, which must not change meanwhile.
        say: Called with messages of progress.

    Raises:
        BucketError: A file cannot be read, or the bucket cannot be written. Nothing that was pushed before is changed.
    """
    if not place.lists:
        raise BucketError(f"{place.address}: files are pushed to gs://, s3://, az:// or file:///, not to a web server.")
    if not files:
        raise BucketError(f"there is nothing to push to {place.address}.")
    try:
        records = {path: FileRecord(file_digest(file), file.stat().st_size) for path, file in files.items()}
        bundle = Bundle(kind, name, records)
        Bundle.decode(bundle.encode(), f"the bundle {name}")  # a path that could not be fetched is not pushed
        there = place.sizes(FILES)
        missing = {each.sha256: files[path] for path, each in records.items() if there.get(each.sha256) != each.size}
        if missing:
            say(f"pushing {len(missing):,} of {len(files):,} files to {place.address}")
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda each: place.upload(f"{FILES}/{each[0]}", each[1]), missing.items()))
    except OSError as error:
        raise BucketError(f"{error.filename} cannot be read: {error.strerror}.") from error
    place.write(f"{BUNDLES}/{bundle.digest}.json", bundle.encode())
    place.write(LATEST, f"{bundle.digest}\n".encode())
    return bundle


def prune(place: Place, keep: tuple[str, ...] = ()) -> int:
    """Delete all bundles but the latest one and those to keep, and the files that only they had; return their number.

    A fetch of a deleted bundle fails, so nothing that runs may be pinned to it. No push may run at the same time.

    Raises:
        NothingThere: Nothing was pushed there.
        BucketError: Something cannot be read or deleted.
    """
    kept = {latest(place), *keep}
    needed = {each.sha256 for digest in kept for each in read_bundle(place, digest).files.values()}
    others = [name for name in place.sizes(BUNDLES) if name.removesuffix(".json") not in kept]
    # Descriptions first: while one is there, its files are.
    place.delete([f"{BUNDLES}/{name}" for name in others])
    place.delete([f"{FILES}/{name}" for name in place.sizes(FILES) if name not in needed])
    return len(others)
