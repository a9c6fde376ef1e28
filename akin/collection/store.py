"""A folder of Parquet files: each one complete or absent after a crash, and deleted by age and by the folder's size.

The name of a file has the moment of its first search, so that its age is known without opening it. Several processes
may write to the folder at once.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from akin.storage.durable import make_folder, publish_file, sync

if TYPE_CHECKING:
    import pyarrow

_NAME = re.compile(r"queries-(\d{8}T\d{4}Z)-[0-9a-f]{8}\.parquet")
_TIME = "%Y%m%dT%H%MZ"
_ASIDE = ".parquet.aside"
_ABANDONED = timedelta(hours=1)


class CollectionError(Exception):
    """Collected searches that cannot be read or stored; the message names the file, the reason and the next step."""


@dataclass(frozen=True)
class CollectedSearch:
    """One search of the collection.

    Attributes:
        time: Moment of the search, in whole minutes.
        query: Words that ranked.
        mode: Halves of the search that answered.
        tokens: Length of the query as the encoder counts it; None if it was not embedded.
        unknown: Share of the query's terms that no paper of the corpus has; None without a term.
        ids: Papers of the first page, by rank.
        scores: Their scores.
        category: Primary category of the first paper; None without one.
        total_ms: Time of the search.
        embed_ms: Time until the vector was there.
        vectors_ms: Time of the search by vectors.
        lexical_ms: Time of the search by words.
        snapshot: The snapshot that was searched.
        encoder: Digest of the encoder.
        embedding: Unit vector of the query, in half precision; None if it was not embedded.
    """

    time: datetime
    query: str
    mode: str
    tokens: int | None
    unknown: float | None
    ids: Sequence[str]
    scores: Sequence[float]
    category: str | None
    total_ms: float
    embed_ms: float
    vectors_ms: float
    lexical_ms: float
    snapshot: str
    encoder: str
    embedding: NDArray[np.float16] | None


@dataclass(frozen=True)
class Stored:
    """Number of searches that are stored, of files, their bytes, and the moments of the first and the last file."""

    searches: int
    files: int
    bytes: int
    first: str | None
    last: str | None


class CollectionStore:
    """Collected searches in a folder."""

    def __init__(
        self, folder: Path, *, days: int, most_bytes: int, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Take a folder, which need not exist yet.

        Args:
            folder: Folder of the files.
            days: Days after which a search is deleted.
            most_bytes: Size that all files together may have; the oldest are deleted first.
            now: Returns the present moment, in UTC.
        """
        self.folder, self.days, self.most_bytes = folder, days, most_bytes
        self._now = now

    def time(self) -> datetime:
        """Return the present moment as records have it: in whole minutes, so that searches are harder to connect."""
        return self._now().replace(second=0, microsecond=0)

    def write(self, searches: Sequence[CollectedSearch]) -> None:
        """Store searches as a new file, durably, and delete what is too old or too much.

        Raises:
            CollectionError: The file cannot be written; nothing is left of it.
        """
        if searches:
            self._publish(searches)
        self.expire()

    def read(self, since: str = "", before: str = "") -> Iterator[CollectedSearch]:
        """Yield the searches of some days (`2026-01-31`), the oldest file first; those that are too old are left out.

        Raises:
            CollectionError: A file cannot be read.
        """
        oldest = self._oldest()
        for path in self._files():
            for row in self._rows(path):
                day = row["time"].strftime("%Y-%m-%d")
                if row["time"] >= oldest and since <= day and (not before or day < before):
                    yield _search(row)

    def stored(self) -> Stored:
        """Return what is stored, in numbers.

        Raises:
            CollectionError: A file cannot be read.
        """
        parquet = _parquet()
        files = self._files()
        rows = size = 0
        for path in files:
            with _errors(path, "cannot be read"):
                rows += parquet.read_metadata(path).num_rows
                size += path.stat().st_size
        moments = [f"{_moment(path):%Y-%m-%d %H:%M}" for path in files]
        return Stored(rows, len(files), size, min(moments, default=None), max(moments, default=None))

    def delete(self, *, before: str = "", query: str | None = None) -> int:
        """Delete the searches before a day, or those of one query, or all; return how many.

        Raises:
            CollectionError: A file cannot be read or written.
        """
        gone = 0
        for path in self._files():
            rows = list(self._rows(path))
            kept = [
                row
                for row in rows
                if (query is not None and row["query"] != query)
                or (before and row["time"].strftime("%Y-%m-%d") >= before)
            ]
            if len(kept) == len(rows):
                continue
            if kept:
                self._publish([_search(row) for row in kept])
            with _errors(path, "cannot be deleted"):
                path.unlink(missing_ok=True)
                sync(self.folder)
            gone += len(rows) - len(kept)
        return gone

    def expire(self) -> int:
        """Delete the files that are too old, the oldest of too many bytes, and half-written ones; return how many.

        Raises:
            CollectionError: A file cannot be deleted.
        """
        gone, oldest, files = 0, self._oldest(), self._files()
        with _errors(self.folder, "cannot be cleaned"):
            sizes = {path: path.stat().st_size for path in files}
            total = sum(sizes.values())
            for path in files:
                if _moment(path) >= oldest and total <= self.most_bytes:
                    break
                path.unlink(missing_ok=True)
                total -= sizes[path]
                gone += 1
            for path in self.folder.glob(f".*{_ASIDE}"):
                if path.stat().st_mtime < (self._now() - _ABANDONED).timestamp():
                    path.unlink(missing_ok=True)
        return gone

    def _publish(self, searches: Sequence[CollectedSearch]) -> None:
        table, first = _table(searches), min(each.time for each in searches)
        name = f"queries-{first:{_TIME}}-{secrets.token_hex(4)}.parquet"
        aside = self.folder / f".{name.removesuffix('.parquet')}{_ASIDE}"
        with _errors(self.folder / name, "cannot be written"):
            make_folder(self.folder, 0o700)
            try:
                aside.touch(mode=0o600)
                _parquet().write_table(table, aside, compression="zstd")
                publish_file(aside, self.folder / name)
            except BaseException:
                aside.unlink(missing_ok=True)
                raise

    def _files(self) -> list[Path]:
        with _errors(self.folder, "cannot be read"):
            if not self.folder.exists():
                return []
            found = [path for path in self.folder.iterdir() if _NAME.fullmatch(path.name)]
        return sorted(found, key=lambda path: (_moment(path), path.name))

    def _rows(self, path: Path) -> Iterator[dict[str, Any]]:
        parquet = _parquet()
        with _errors(path, "cannot be read"):
            try:
                table = parquet.read_table(path, partitioning=None)
            except FileNotFoundError:
                return  # another process has deleted it meanwhile
        lacking = {field.name for field in fields(CollectedSearch)} - set(table.column_names)
        if lacking:
            raise CollectionError(f"{path} has no column {min(lacking)}: delete the file, or move it elsewhere.")
        for batch in table.to_batches(max_chunksize=1000):
            yield from batch.to_pylist()

    def _oldest(self) -> datetime:
        return self._now() - timedelta(days=self.days)


class _errors:
    """Raise a CollectionError in place of errors of the disk and of Parquet."""

    def __init__(self, path: Path, what: str) -> None:
        self._path, self._what = path, what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError | ValueError):  # those of pyarrow are kinds of these
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise CollectionError(f"{self._path} {self._what}: {reason}.") from error


def require_parquet() -> None:
    """Check that Parquet files can be written.

    Raises:
        CollectionError: The package for it is not installed.
    """
    _parquet()


def _parquet() -> Any:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise CollectionError(
            "collected searches are Parquet files, which need pyarrow: install akin with the extra `collection`."
        ) from error
    return parquet


def _table(searches: Sequence[CollectedSearch]) -> pyarrow.Table:
    import pyarrow as pa

    types = {
        "time": pa.timestamp("s", "UTC"),
        "query": pa.string(),
        "mode": pa.dictionary(pa.int8(), pa.string()),
        "tokens": pa.int32(),
        "unknown": pa.float32(),
        "ids": pa.list_(pa.string()),
        "scores": pa.list_(pa.float32()),
        "category": pa.string(),
        **dict.fromkeys(("total_ms", "embed_ms", "vectors_ms", "lexical_ms"), pa.float32()),
        "snapshot": pa.string(),
        "encoder": pa.string(),
        "embedding": pa.list_(pa.float16()),
    }
    columns = {name: [getattr(each, name) for each in searches] for name in types}
    # A lone half of a surrogate pair is no text in UTF-8.
    columns["query"] = [text.encode("utf-8", "replace").decode("utf-8") for text in columns["query"]]
    return pa.table({name: pa.array(columns[name], kind) for name, kind in types.items()})


def _search(row: dict[str, Any]) -> CollectedSearch:
    embedding = row["embedding"]
    values = {field.name: row[field.name] for field in fields(CollectedSearch)}
    values["embedding"] = None if embedding is None else np.asarray(embedding, np.float16)
    return CollectedSearch(**values)


def _moment(path: Path) -> datetime:
    found = _NAME.fullmatch(path.name)
    assert found is not None
    return datetime.strptime(found[1], _TIME).replace(tzinfo=UTC)


def as_records(searches: Iterable[CollectedSearch], *, embeddings: bool) -> Iterator[dict[str, Any]]:
    """Yield searches as values for JSON, on request with their vectors."""
    for each in searches:
        record = {field.name: getattr(each, field.name) for field in fields(each)}
        record["time"] = each.time.strftime("%Y-%m-%dT%H:%MZ")
        del record["embedding"]
        if embeddings:
            record["embedding"] = None if each.embedding is None else each.embedding.astype(float).tolist()
        yield record
