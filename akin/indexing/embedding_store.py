"""Store embeddings outside snapshots, so that the same encoder never embeds a text twice.

The store is two files that only grow, in `data/embeddings/<encoder digest>/`: `vectors.f16`, and `keys.bin` with one
entry per vector: the 16-byte digest of its text and the CRC-32 of its bytes. A vector is written before its entry. So
if a writing process is killed, every complete entry whose checksum is right is good. The next writer cuts off the bytes
after the last good entry, and nothing else; a reader changes nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import Self

import numpy as np
from numpy.typing import NDArray

from akin.storage.durable import make_folder, sync
from retrieval_service.errors import BuildInProgress, SnapshotInvalid
from retrieval_service.ports import Rows, Vectors

_ENTRY = np.dtype([("head", "<u8"), ("tail", "<u8"), ("crc", "<u4")])
_MISSING = -1
# A power failure may lose any write since the last sync: so many of the newest entries a reader checks. A writer checks
# all, as a disk may lose any: two seconds for a million vectors.
_CHECKED = 8192
MERGE_AFTER = 65_536
"""New vectors that are kept in a dictionary before they are merged into the sorted keys."""


def text_digest(text: str) -> bytes:
    """Return the 16 bytes that are the key of a text's embedding."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


@dataclass(frozen=True)
class _Keys:
    """Positions of all stored vectors, by the digests of their texts.

    A merge makes another `_Keys` and leaves this one complete: a thread that still uses it finds every vector that was
    stored when it took it.

    Attributes:
        entries: the merged entries, in the order of their positions.
        order: their positions, in the order of `heads`.
        heads: the first halves of their digests, ascending.
        recent: positions of the newest vectors by digest; it only grows.
    """

    entries: NDArray[np.void]
    order: NDArray[np.uint32]
    heads: NDArray[np.uint64]
    recent: dict[bytes, int] = field(default_factory=dict)

    @classmethod
    def merge(cls, entries: NDArray[np.void], damaged: Rows) -> _Keys:
        """Return sorted keys of all entries except those at the positions `damaged`."""
        order = np.argsort(entries["head"], kind="stable").astype(np.uint32)
        if len(damaged):
            order = order[~np.isin(order, damaged)]
        return cls(entries, order, entries["head"][order])

    def positions(self, digests: Sequence[bytes]) -> NDArray[np.int64]:
        """Return the position of each digest's vector, int64 [n]; -1 for a vector that is not stored."""
        found = np.full(len(digests), _MISSING, np.int64)
        if not digests:
            return found
        wanted = np.frombuffer(b"".join(digests), "<u8").reshape(-1, 2)
        at = np.searchsorted(self.heads, wanted[:, 0])
        for i in np.flatnonzero(at < len(self.heads)):
            place = at[i]
            # Digests with the same first half are neighbours; there is practically never more than one. Of several
            # entries of one text the newest counts: a text whose vector was damaged was embedded again.
            while place < len(self.heads) and self.heads[place] == wanted[i, 0]:
                if self.entries["tail"][self.order[place]] == wanted[i, 1]:
                    found[i] = self.order[place]
                place += 1
        for missing in np.flatnonzero(found == _MISSING).tolist():
            found[missing] = self.recent.get(digests[missing], _MISSING)
        return found


class StoredEmbeddings:
    """Vectors of one encoder by the digest of their text, for reading; nothing is locked or changed.

    A vector's *position* is its number in the files; it never changes. The vectors that are stored when the store is
    opened can be read even while another process appends: a writer cuts off nothing before the last good entry.

    Attributes:
        torn: digests of the entries at the end that do not match their vectors. They have no position, as the next
            writer cuts them off.
    """

    torn: frozenset[bytes]
    _width: int
    _vectors_path: Path
    _keys_path: Path
    _mapped: NDArray[np.float16]

    def __init__(self, directory: Path, dim: int) -> None:
        """Open the store up to its last good entry; a missing file counts as empty.

        Args:
            directory: the store's.
            dim: length of the vectors.
        """
        self._set_layout(directory, dim)
        kept = _read_entries(self._keys_path, self._vectors_path, self._width)
        start = max(0, len(kept) - _CHECKED)
        good = _check(kept, self._vectors_path, self._width, start)
        count = _end(start, good)
        self._set_entries(kept[:count], np.empty(0, np.int64))
        self.torn = frozenset(entry["head"].tobytes() + entry["tail"].tobytes() for entry in kept[count:])

    def _set_layout(self, directory: Path, dim: int) -> None:
        self.dim = dim
        self.torn = frozenset()
        self._width = dim * 2
        self._vectors_path = directory / "vectors.f16"
        self._keys_path = directory / "keys.bin"
        self._mapped = np.empty((0, dim), np.float16)
        self._lock = Lock()

    def _set_entries(self, entries: NDArray[np.void], damaged: Rows) -> None:
        self._count = len(entries)
        self._damaged = damaged
        self._known = _Keys.merge(entries, damaged)
        self._recent_entries: list[NDArray[np.void]] = []

    def __len__(self) -> int:
        """Return the number of vectors."""
        return self._count

    def __enter__(self) -> Self:
        """Return the store."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the store."""
        self.close()

    def positions(self, digests: Sequence[bytes]) -> NDArray[np.int64]:
        """Return the positions of the vectors of these texts, int64 [n]; -1 for a vector that is not stored.

        A vector is found as soon as the `append` that stored it has returned.
        """
        return self._known.positions(digests)

    def vectors(self, positions: NDArray[np.int64]) -> Vectors:
        """Return the vectors at these positions, float32 [n, dim].

        Raises:
            SnapshotInvalid: there is no vector at one of them.
        """
        return self._halves(positions).astype(np.float32)

    def by_row(self, positions: Rows) -> Callable[[Rows], Vectors]:
        """Return a function that returns the vectors of rows, whose positions are given in the order of rows."""
        return lambda rows: self.vectors(positions[rows])

    def match_checksums(self, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return for each of these positions, bool [n], True if its vector has the checksum it was stored with.

        Raises:
            SnapshotInvalid: there is no vector at one of them.
        """
        with self._lock:
            crc = np.concatenate([self._known.entries["crc"], *(some["crc"] for some in self._recent_entries)])
        found = (zlib.crc32(half) for half in np.ascontiguousarray(self._halves(positions)))
        return np.asarray(np.fromiter(found, "<u4", len(positions)) == crc[positions], np.bool_)

    def _halves(self, positions: NDArray[np.int64]) -> NDArray[np.float16]:
        count = self._count
        wrong = np.flatnonzero((positions < 0) | (positions >= count))
        if len(wrong):
            # A negative index would count from the end of the file and return another text's vector.
            raise SnapshotInvalid(
                self._vectors_path,
                f"has no vector at position {positions[wrong[0]]:,}, but {count:,} from 0 on: this is a bug, "
                "nothing was published",
            )
        mapped = self._mapped
        if len(positions) and positions.max() >= len(mapped):
            mapped = np.memmap(self._vectors_path, np.float16, "r", shape=(count, self.dim))
            self._mapped = mapped
        return mapped[positions]

    def close(self) -> None:
        """Close the files."""
        self._mapped = np.empty((0, self.dim), np.float16)


class EmbeddingStore(StoredEmbeddings):
    """Vectors of one encoder, for reading and appending; one process at a time, with any number of threads."""

    def __init__(self, directory: Path, dim: int, *, merge_after: int = MERGE_AFTER) -> None:
        """Open or create the store, and cut off the incomplete bytes that a killed process left at the end.

        A damaged vector that is followed by good ones stays in the file but is not found, so that its text is embedded
        again.

        Args:
            directory: the store's.
            dim: length of the vectors.
            merge_after: number of new vectors after which their keys are merged.

        Raises:
            BuildInProgress: another process has the store open for appending.
            SnapshotInvalid: the vectors do not match the keys.
        """
        make_folder(directory)
        self._set_layout(directory, dim)
        self._keys = self._keys_path.open("a+b")
        try:
            fcntl.flock(self._keys, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._keys.close()
            raise BuildInProgress(f"{directory}: another process is adding embeddings.") from error
        self._merge_after = merge_after
        self._broken = False
        with contextlib.ExitStack() as on_error:
            on_error.callback(self._keys.close)
            self._vectors = on_error.enter_context(self._vectors_path.open("a+b"))
            sync(directory)
            self._set_entries(*self._recover())
            on_error.pop_all()

    def append(self, digests: Sequence[bytes], vectors: Vectors) -> NDArray[np.int64]:
        """Append vectors [n, dim] of new texts and return their positions; a kill after the return loses nothing.

        Raises:
            OSError: the vectors, or those of an earlier call, could not be written.
        """
        halves = np.ascontiguousarray(vectors, np.float16)
        if halves.shape != (len(digests), self.dim):
            raise ValueError(f"{len(digests)} digests, vectors of shape {halves.shape}, dimension {self.dim}")
        entries = np.empty(len(digests), _ENTRY)
        keys = np.frombuffer(b"".join(digests), "<u8").reshape(-1, 2)
        entries["head"], entries["tail"] = keys[:, 0], keys[:, 1]
        entries["crc"] = [zlib.crc32(half) for half in halves]
        with self._lock:
            if self._broken:
                # A part of the failed write may be in the file: vectors after it would not be at their positions.
                raise OSError(f"{self._vectors_path}: an earlier write failed; start again.")
            self._broken = True
            self._vectors.write(halves.data)
            self._vectors.flush()
            self._keys.write(entries.data)
            self._keys.flush()
            self._broken = False
            first, self._count = self._count, self._count + len(digests)
            self._known.recent.update(zip(digests, range(first, self._count), strict=True))
            self._recent_entries.append(entries)
            if len(self._known.recent) >= self._merge_after:
                self._known = _Keys.merge(np.concatenate([self._known.entries, *self._recent_entries]), self._damaged)
                self._recent_entries.clear()
        return np.arange(first, first + len(digests))

    def sync(self) -> None:
        """Wait until the system has written everything to the disk."""
        os.fsync(self._vectors.fileno())
        os.fsync(self._keys.fileno())

    def close(self) -> None:
        """Close the files and release the lock."""
        super().close()
        for file in (self._vectors, self._keys):
            # `close` flushes again after a full disk. `append` has already raised that error.
            with contextlib.suppress(OSError):
                file.close()

    def _recover(self) -> tuple[NDArray[np.void], NDArray[np.int64]]:
        """Cut off the bytes after the last good entry; return the entries and the positions of damaged ones."""
        entries = _read_entries(self._keys_path, self._vectors_path, self._width)
        good = _check(entries, self._vectors_path, self._width, 0)
        # If none of the newest vectors is good, something else than a power failure has happened to all of them.
        if len(good) > _CHECKED and not good[-_CHECKED:].any():
            raise SnapshotInvalid(self._vectors_path, "does not match its keys; remove its directory")
        count = _end(0, good)
        self._keys.truncate(count * _ENTRY.itemsize)
        self._vectors.truncate(count * self._width)
        return entries[:count], np.flatnonzero(~good[:count])


def _read_entries(keys: Path, vectors: Path, width: int) -> NDArray[np.void]:
    """Return the entries whose vectors are complete in the file; none if a file is missing."""
    if not (keys.exists() and vectors.exists()):
        return np.empty(0, _ENTRY)
    # Keys first: a vector is written before its entry.
    count = keys.stat().st_size // _ENTRY.itemsize
    return np.fromfile(keys, _ENTRY, min(count, vectors.stat().st_size // width))


def _check(entries: NDArray[np.void], vectors: Path, width: int, start: int) -> NDArray[np.bool_]:
    """Return bool [n] for the entries from a position on: True if the vector is good."""
    good = np.zeros(len(entries) - start, np.bool_)
    if not len(good):
        return good
    crc = entries["crc"][start:].tolist()
    with vectors.open("rb") as file:
        file.seek(start * width)
        for first in range(0, len(crc), _CHECKED):
            block = memoryview(file.read(width * min(_CHECKED, len(crc) - first)))
            for at in range(len(block) // width):
                good[first + at] = zlib.crc32(block[at * width : (at + 1) * width]) == crc[first + at]
    return good


def _end(start: int, good: NDArray[np.bool_]) -> int:
    """Return the position after the last good entry."""
    found = np.flatnonzero(good)
    return start + (int(found[-1]) + 1 if len(found) else 0)
