"""The embeddings kept outside snapshots: no text is ever embedded twice by the same encoder.

Two files that only grow, in `data/embeddings/<encoder digest>/`: `vectors.f16`, and `keys.bin` with an entry for every
vector, the 16-byte digest of its text and the CRC-32 of its bytes. A vector is written before its entry, so whatever
breaks off a writing process, the entries that are whole and check out are good, and what follows them is cut off.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from retrieval_service.errors import BuildInProgress, SnapshotInvalid
from retrieval_service.ports import Vectors

_ENTRY = np.dtype([("head", "<u8"), ("tail", "<u8"), ("crc", "<u4")])
_MISSING = -1
# A power failure may lose any write since the last sync: so many of the newest entries are checked against vectors.
_CHECKED = 8192
MERGE_AFTER = 65_536
"""Vectors that are kept in a dictionary before they are sorted in among the others."""


def text_digest(text: str) -> bytes:
    """The 16 bytes a text's embedding is kept under."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


@dataclass(frozen=True)
class _Keys:
    """The positions of all stored vectors, by the digests of their texts.

    Complete at every moment: entries are sorted in by making another `_Keys`, and a reader that still has this one
    finds in it whatever was stored when it took it.

    Attributes:
        entries: those that are sorted in, in the order of their positions.
        order: their positions, in the order of `heads`.
        heads: the first halves of their digests, ascending.
        recent: positions of the newest vectors by digest; it only grows.
    """

    entries: NDArray[np.void]
    order: NDArray[np.uint32]
    heads: NDArray[np.uint64]
    recent: dict[bytes, int] = field(default_factory=dict)

    @classmethod
    def sorted_in(cls, entries: NDArray[np.void]) -> _Keys:
        """Return keys with all entries sorted in."""
        order = np.argsort(entries["head"], kind="stable").astype(np.uint32)
        return cls(entries, order, entries["head"][order])

    def positions(self, digests: Sequence[bytes]) -> NDArray[np.int64]:
        """Return the position of each digest's vector, int64 [n]; -1 where there is none."""
        found = np.full(len(digests), _MISSING, np.int64)
        if not digests:
            return found
        wanted = np.frombuffer(b"".join(digests), "<u8").reshape(-1, 2)
        at = np.searchsorted(self.heads, wanted[:, 0])
        for i in np.flatnonzero(at < len(self.heads)):
            place = at[i]
            # Digests that share their first half are neighbours; there is practically never more than one.
            while place < len(self.heads) and self.heads[place] == wanted[i, 0]:
                if self.entries["tail"][self.order[place]] == wanted[i, 1]:
                    found[i] = self.order[place]
                    break
                place += 1
        for missing in np.flatnonzero(found == _MISSING).tolist():
            found[missing] = self.recent.get(digests[missing], _MISSING)
        return found


class EmbeddingStore:
    """The vectors one encoder has made, by the digest of their text. One process at a time may have it open.

    Any number of its threads may use it at once. A vector's *position* is its number in the files; it never changes.
    """

    def __init__(self, directory: Path, dim: int, *, merge_after: int = MERGE_AFTER) -> None:
        """Open or make the store and cut off what a killed process left half written.

        Args:
            directory: the store's.
            dim: length of the vectors.
            merge_after: new vectors after which their keys are sorted in.

        Raises:
            BuildInProgress: another process has it open.
            SnapshotInvalid: the files are of another kind.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self.dim = dim
        self._width = dim * 2
        self._vectors_path = directory / "vectors.f16"
        self._keys = (directory / "keys.bin").open("a+b")
        try:
            fcntl.flock(self._keys, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._keys.close()
            raise BuildInProgress(f"{directory}: another process is adding embeddings.") from error
        self._vectors = self._vectors_path.open("a+b")
        self._mapped = np.empty((0, dim), np.float16)
        try:
            entries = self._recovered()
        except BaseException:
            self.close()
            raise
        self._count = len(entries)
        self._merge_after = merge_after
        self._lock = Lock()
        self._broken = False
        self._known = _Keys.sorted_in(entries)
        self._recent_entries: list[NDArray[np.void]] = []

    def __len__(self) -> int:
        """Number of vectors."""
        return self._count

    def __enter__(self) -> Self:
        """The store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the store."""
        self.close()

    def positions(self, digests: Sequence[bytes]) -> NDArray[np.int64]:
        """Return where the vectors of these texts are, int64 [n]; -1 where there is none.

        Every text whose `append` returned before this was called has a position.
        """
        return self._known.positions(digests)

    def append(self, digests: Sequence[bytes], vectors: Vectors) -> NDArray[np.int64]:
        """Add vectors [n, dim] of new texts and return their positions; safe against a kill once it returns.

        Raises:
            OSError: they cannot be written, or an earlier call's could not be.
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
                # Part of what failed may be in the file: whatever followed would not be where its position says.
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
                self._known = _Keys.sorted_in(np.concatenate([self._known.entries, *self._recent_entries]))
                self._recent_entries.clear()
        return np.arange(first, first + len(digests))

    def vectors(self, positions: NDArray[np.int64]) -> Vectors:
        """Return the vectors at these positions, float32 [n, dim].

        Raises:
            SnapshotInvalid: there is no vector at one of them.
        """
        return self._halves(positions).astype(np.float32)

    def whole(self, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return for each of these positions, bool [n], if its vector has the checksum it was stored with.

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
            # A negative index would count from the end of the file: another text's vector.
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

    def sync(self) -> None:
        """Has the system bring everything to the disk."""
        os.fsync(self._vectors.fileno())
        os.fsync(self._keys.fileno())

    def close(self) -> None:
        """Closes the files, which gives the store free."""
        self._mapped = np.empty((0, self.dim), np.float16)
        for file in (self._vectors, self._keys):
            # What a full disk did not take is tried once more here; nobody was told that it is kept.
            with contextlib.suppress(OSError):
                file.close()

    def _recovered(self) -> NDArray[np.void]:
        whole = min(
            os.fstat(self._keys.fileno()).st_size // _ENTRY.itemsize,
            os.fstat(self._vectors.fileno()).st_size // self._width,
        )
        entries = np.fromfile(self._keys.name, _ENTRY, whole)
        start = max(0, whole - _CHECKED)
        self._vectors.seek(start * self._width)
        for at in range(start, whole):
            if zlib.crc32(self._vectors.read(self._width)) != entries["crc"][at]:
                # Nothing good is expected before the damage either when all that was checked is bad.
                if at == start and start > 0:
                    raise SnapshotInvalid(self._vectors_path, "does not match its keys; remove its directory")
                whole = at
                break
        self._keys.truncate(whole * _ENTRY.itemsize)
        self._vectors.truncate(whole * self._width)
        return entries[:whole]
