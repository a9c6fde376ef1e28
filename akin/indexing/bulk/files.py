"""Write and read Parquet files of embeddings, and the manifest of a folder of them.

A file has the columns `paper` (id), `text` (digest of the text, the key of the embedding store), `encoder` (digest) and
`vector` (float32, of unit length). Its name and content depend only on the source, its place in it and the encoder.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from akin.indexing.bulk.folder import Folder, open_folder
from akin.indexing.bulk.shards import Shard
from akin.indexing.embedding_store import EmbeddingStore
from akin.papers import PASSAGE_TEXT_VERSION
from retrieval_service.corpus.manifest import EncoderRecord
from retrieval_service.errors import SnapshotError
from retrieval_service.ports import Vectors

if TYPE_CHECKING:
    import pyarrow

MANIFEST = "embeddings.json"
FORMAT = 1
SUFFIX = ".parquet"
_CONTENT, _ENCODER = b"akin.content", b"akin.encoder"


class FileRecord(msgspec.Struct, frozen=True):
    """Finished file of a folder.

    Attributes:
        papers: Number of its papers.
        bytes: Its size.
        sha256: Digest of its bytes.
    """

    papers: int
    bytes: int
    sha256: str


class EmbeddingManifest(msgspec.Struct, frozen=True):
    """Description of a folder of embeddings, `embeddings.json`.

    Attributes:
        format: Version of this layout.
        encoder: The encoder that made the vectors.
        passage_text_version: Rules that made the texts of papers.
        complete: True if all sources are embedded; False from the start of a command until its end.
        papers: Number of papers.
        embedded: Papers that the last command embedded; the others were there.
        sources: Names of the sources.
        rejected: Records that were not taken, by reason.
        files: The files by name.
    """

    format: int
    encoder: EncoderRecord
    passage_text_version: int
    complete: bool = False
    papers: int = 0
    embedded: int = 0
    sources: tuple[str, ...] = ()
    rejected: dict[str, int] = {}
    files: dict[str, FileRecord] = {}


class Embedded(NamedTuple):
    """Papers of one file, with their vectors.

    Attributes:
        papers: Ids.
        texts: Digests of their texts.
        vectors: float32 [papers, dim].
    """

    papers: list[str]
    texts: list[bytes]
    vectors: Vectors


def require_pyarrow() -> None:
    """Import what reads and writes Parquet.

    Raises:
        SnapshotError: It is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise SnapshotError(
            "embeddings are in Parquet files, which need pyarrow: install akin with the extra `scale`."
        ) from error


def write_parquet(shard: Shard, vectors: Vectors, encoder: str) -> bytes:
    """Return the Parquet file of a shard: the same bytes for the same papers and vectors."""
    import pyarrow as pa
    from pyarrow import parquet

    count, dim = vectors.shape
    flat = pa.array(np.ascontiguousarray(vectors, np.float32).ravel())
    table = pa.table(
        {
            "paper": pa.array(shard.ids, pa.string()),
            "text": pa.array(shard.digests, pa.binary(16)),
            "encoder": pa.array([encoder] * count, pa.string()),
            "vector": pa.FixedSizeListArray.from_arrays(flat, dim),
        },
        metadata={_CONTENT: shard.content.encode(), _ENCODER: encoder.encode()},
    )
    written = io.BytesIO()
    parquet.write_table(
        table,
        written,
        compression="zstd",
        use_dictionary=["encoder"],
        write_page_checksum=True,
        write_statistics=False,
    )
    return written.getvalue()


def read_content(content: bytes | None, encoder: str) -> str | None:
    """Return the digest of the papers of a whole Parquet file by an encoder; None if it is damaged or by another."""
    try:
        table = _read(content or b"")
    except (OSError, ValueError):  # those of pyarrow are kinds of these
        return None
    metadata = table.schema.metadata or {}
    return metadata.get(_CONTENT, b"").decode() if metadata.get(_ENCODER) == encoder.encode() else None


def describe(content: bytes, papers: int) -> FileRecord:
    """Return the record of a file."""
    return FileRecord(papers, len(content), hashlib.sha256(content).hexdigest())


def read_manifest(folder: Folder) -> EmbeddingManifest | None:
    """Return the manifest of a folder; None if it has none.

    Raises:
        SnapshotError: It cannot be read, or is of another release.
    """
    content = folder.read(MANIFEST)
    if content is None:
        return None
    try:
        found = msgspec.json.decode(content, type=EmbeddingManifest)
    except msgspec.DecodeError as error:
        raise SnapshotError(
            f"{folder.address}/{MANIFEST} is damaged ({error}): remove it and repeat akin embed, which keeps the files."
        ) from error
    if found.format != FORMAT or found.passage_text_version != PASSAGE_TEXT_VERSION:
        raise SnapshotError(
            f"{folder.address} has embeddings of another release (format {found.format}, texts "
            f"{found.passage_text_version}): make them again with akin embed, in an empty folder."
        )
    return found


def write_manifest(folder: Folder, manifest: EmbeddingManifest) -> None:
    """Write the manifest of a folder."""
    folder.write(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")


class EmbeddingFolder:
    """Complete folder of the embeddings of one encoder, for reading.

    Attributes:
        address: Its path or address.
        manifest: Its manifest.
    """

    def __init__(self, address: str, encoder: str) -> None:
        """Open a folder and compare the size of every file with the manifest; digests are compared when files are read.

        Args:
            address: Path or address of the folder.
            encoder: Digest of the encoder whose vectors are needed.

        Raises:
            SnapshotError: There are no embeddings, not all, some are missing or cut off, or another encoder made them.
        """
        require_pyarrow()
        self._folder = open_folder(address)
        self.address = self._folder.address
        manifest = read_manifest(self._folder)
        if manifest is None:
            raise SnapshotError(
                f"{self.address} has no {MANIFEST}: make embeddings there with akin embed SOURCE --to {self.address}"
            )
        self.manifest = manifest
        made_by = manifest.encoder
        if made_by.digest != encoder:
            raise SnapshotError(
                f"{self.address} has vectors of encoder {made_by.digest[:12]} (version {made_by.version}), and "
                f"{encoder[:12]} is in use: embed the papers with this one into another folder (akin embed), or "
                "promote the other (akin encoder list)."
            )
        if not manifest.complete:
            raise SnapshotError(
                f"{self.address} is not complete: repeat the akin embed that made it; finished files are kept."
            )
        if self._folder.lists:
            there = self._folder.sizes()
            for name, record in manifest.files.items():
                if there.get(name) != record.bytes:
                    raise self._unusable(name, missing=name not in there)

    def __iter__(self) -> Iterator[Embedded]:
        """Yield the papers and vectors of one file after the other.

        Raises:
            SnapshotError: A file is damaged.
        """
        for name in self.manifest.files:
            table = _read(self._read(name))
            vectors: NDArray[Any] = table["vector"].combine_chunks().values.to_numpy()
            dim = self.manifest.encoder.dim
            yield Embedded(table["paper"].to_pylist(), table["text"].to_pylist(), vectors.reshape(-1, dim))

    def copy_to(self, store: EmbeddingStore, wanted: NDArray[np.void]) -> int:
        """Append the vectors of wanted texts that are not stored yet to the embedding store; return their number.

        Args:
            store: Where to append them.
            wanted: Digests of texts, `V16` [n].

        Raises:
            SnapshotError: A file is damaged; the vectors of those before it are stored.
        """
        # As texts of 16 bytes they can be sorted; one that ends in zeros loses them, and is still like no other.
        known = np.sort(np.ascontiguousarray(wanted).view("S16"))
        copied = 0
        for part in self:
            texts = np.array(part.texts, "S16")
            at = np.minimum(np.searchsorted(known, texts), len(known) - 1)
            needed = np.flatnonzero((known[at] == texts) & (store.positions(part.texts) < 0))
            _, first = np.unique(texts[needed], return_index=True)
            rows = needed[first]
            if not len(rows):
                continue
            store.append([part.texts[row] for row in rows.tolist()], part.vectors[rows])
            copied += len(rows)
        store.sync()
        return copied

    def _read(self, name: str) -> bytes:
        content = self._folder.read(name)
        record = self.manifest.files[name]
        if content is None or describe(content, record.papers) != record:
            raise self._unusable(name, missing=content is None)
        return content

    def _unusable(self, name: str, *, missing: bool) -> SnapshotError:
        return SnapshotError(
            f"{self.address}/{name} is {'missing' if missing else 'damaged'}: repeat the akin embed that made the "
            "folder; it makes this file again."
        )


def _read(content: bytes) -> pyarrow.Table:
    from pyarrow import parquet

    return parquet.read_table(io.BytesIO(content), page_checksum_verification=True)
