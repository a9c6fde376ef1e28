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
from hashlib import blake2b
from pathlib import Path
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
_MERGE_AFTER = 65_536


def text_digest(text: str) -> bytes:
    """The 16 bytes a text's embedding is kept under."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class EmbeddingStore:
    """The vectors one encoder has made, by the digest of their text. One process at a time may have it open.

    A vector's *position* is its number in the files; it never changes.
    """

    def __init__(self, directory: Path, dim: int) -> None:
        """Opens or makes the store and cuts off what a killed process left half written.

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
            self._entries = self._recovered()
        except BaseException:
            self.close()
            raise
        self._count = len(self._entries)
        self._recent: dict[bytes, int] = {}
        self._recent_entries: list[NDArray[np.void]] = []
        self._sort()

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
        """Where the vectors of these texts are, int64 [n]; -1 where there is none."""
        found = np.full(len(digests), _MISSING, np.int64)
        if not digests:
            return found
        wanted = np.frombuffer(b"".join(digests), "<u8").reshape(-1, 2)
        at = np.searchsorted(self._heads, wanted[:, 0])
        for i in np.flatnonzero(at < len(self._heads)):
            place = at[i]
            # Digests that share their first half are neighbours; there is practically never more than one.
            while place < len(self._heads) and self._heads[place] == wanted[i, 0]:
                if self._entries["tail"][self._order[place]] == wanted[i, 1]:
                    found[i] = self._order[place]
                    break
                place += 1
        for missing in np.flatnonzero(found == _MISSING).tolist():
            found[missing] = self._recent.get(digests[missing], _MISSING)
        return found

    def append(self, digests: Sequence[bytes], vectors: Vectors) -> NDArray[np.int64]:
        """Adds vectors [n, dim] of new texts and returns their positions; safe against a kill once it returns.

        Raises:
            OSError: they cannot be written.
        """
        halves = np.ascontiguousarray(vectors, np.float16)
        if halves.shape != (len(digests), self.dim):
            raise ValueError(f"{len(digests)} digests, vectors of shape {halves.shape}, dimension {self.dim}")
        entries = np.empty(len(digests), _ENTRY)
        keys = np.frombuffer(b"".join(digests), "<u8").reshape(-1, 2)
        entries["head"], entries["tail"] = keys[:, 0], keys[:, 1]
        entries["crc"] = [zlib.crc32(half) for half in halves]
        self._vectors.write(halves.data)
        self._vectors.flush()
        self._keys.write(entries.data)
        self._keys.flush()
        first, self._count = self._count, self._count + len(digests)
        self._recent.update(zip(digests, range(first, self._count), strict=True))
        self._recent_entries.append(entries)
        if len(self._recent) >= _MERGE_AFTER:
            self._sort()
        return np.arange(first, self._count)

    def vectors(self, positions: NDArray[np.int64]) -> Vectors:
        """The vectors at these positions, float32 [n, dim]."""
        if len(positions) and positions.max() >= len(self._mapped):
            self._mapped = np.memmap(self._vectors_path, np.float16, "r", shape=(self._count, self.dim))
        return self._mapped[positions].astype(np.float32)

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

    def _sort(self) -> None:
        if self._recent_entries:
            self._entries = np.concatenate([self._entries, *self._recent_entries])
            self._recent_entries.clear()
            self._recent.clear()
        self._order = np.argsort(self._entries["head"], kind="stable").astype(np.uint32)
        self._heads = self._entries["head"][self._order]
