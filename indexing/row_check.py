"""Checking a snapshot row by row: each must be of the paper, and hold the vector, that it says.

A paper's text in the catalogue gives a digest, which must be the row's in `digests.bin`; under that digest the stored
embeddings have a vector, and the row of the vector index must hold its code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexing.embedding_store import StoredEmbeddings, text_digest
from indexing.faiss_coding import holds
from indexing.row_parts import take_digests
from papers import PASSAGE_TEXT_VERSION, passage_text
from retrieval_service.adapters.faiss_index import FaissIndex
from retrieval_service.adapters.sqlite_catalogue import SqliteCatalogue
from retrieval_service.corpus.digests import DIGESTS
from retrieval_service.corpus.manifest import CATALOGUE, VECTORS, read_manifest
from retrieval_service.errors import SnapshotInvalid
from retrieval_service.ports import Rows

ROWS = 100_000
"""Rows that are compared by default: any 2,048 wrong ones in a run are met in corpora of up to 100 million papers."""

_FETCHED = 900
_COMPARED = 16_384
_NAMED = 5


@dataclass(frozen=True)
class RowCheck:
    """The result of a comparison of rows.

    Attributes:
        papers: rows of the snapshot.
        texts: rows whose digest was compared with their paper's text.
        vectors: rows whose vector was compared with the stored embedding of their text.
        damage: what is wrong; empty where all that was compared is right.
        not_compared: why rows were not compared, in words; empty where every row asked for was.
        unreadable: the snapshot's version, or the kind of its index, lets no row's vector be compared at all.
    """

    papers: int
    texts: int
    vectors: int
    damage: list[SnapshotInvalid] = field(default_factory=list)
    not_compared: list[str] = field(default_factory=list)
    unreadable: bool = False

    @property
    def unproven(self) -> bool:
        """True where no row's vector was compared though its format allows it: this cannot be called whole."""
        return not (self.vectors or self.unreadable)


def check_rows(directory: Path, data: Path, *, rows: int | None = ROWS, seed: int | None = None) -> RowCheck:
    """Compare rows of a snapshot, spread evenly over it, with their papers' texts and those texts' embeddings.

    Args:
        directory: the snapshot.
        data: the data directory, where the embeddings are.
        rows: how many to compare; None for every one.
        seed: of the choice of rows; None for another choice each time.

    Raises:
        SnapshotInvalid: a part cannot be read at all.
    """
    manifest = read_manifest(directory)
    chosen = _spread(manifest.papers, rows, seed)
    if DIGESTS not in manifest.files:
        return RowCheck(manifest.papers, 0, 0, [], ["the snapshot is of a version that kept no digests of texts"], True)
    texts = take_digests(directory, manifest)["text"]
    if manifest.passage_text_version != PASSAGE_TEXT_VERSION:
        compared, damage, why = 0, [], [f"papers' texts are of version {manifest.passage_text_version}"]
    else:
        wrong = _wrong_texts(directory, chosen, texts)
        compared, damage, why = len(chosen), _described(directory / DIGESTS, "is of another text", wrong), []
    index = FaissIndex.open(directory / VECTORS, nprobe=manifest.index.nprobe, k_factor=manifest.index.k_factor)
    if not index.readable:
        why.append(f"the rows of an index {manifest.index.recipe} cannot be read back")
        return RowCheck(manifest.papers, compared, 0, damage, why, True)
    folder = data / "embeddings" / manifest.encoder.digest
    vectors, found, more = _vectors(index, directory, folder, chosen, texts)
    return RowCheck(manifest.papers, compared, vectors, [*damage, *found], [*why, *more])


def _spread(papers: int, rows: int | None, seed: int | None) -> Rows:
    """Return rows, ascending: one at random from each of as many equal parts, so that no long run is missed."""
    if rows is None or rows >= papers:
        return np.arange(papers)
    edges = np.arange(rows + 1) * papers // rows
    return np.asarray(np.random.default_rng(seed).integers(edges[:-1], edges[1:]), np.int64)


def _wrong_texts(directory: Path, rows: Rows, texts: NDArray[np.void]) -> Rows:
    catalogue = SqliteCatalogue(directory / CATALOGUE)
    try:
        right = [
            text_digest(passage_text(paper)) == text.tobytes()
            for some in _runs(rows, _FETCHED)
            for paper, text in zip(catalogue.papers(some.tolist()), texts[some], strict=True)
        ]
    except KeyError as error:
        raise SnapshotInvalid(directory / CATALOGUE, f"has no paper in row {error}") from error
    finally:
        catalogue.close()
    return rows[~np.asarray(right, np.bool_)]


def _vectors(
    index: FaissIndex, directory: Path, folder: Path, rows: Rows, texts: NDArray[np.void]
) -> tuple[int, list[SnapshotInvalid], list[str]]:
    """Return how many rows' vectors were compared, what is wrong, and why others were not compared."""
    if not folder.is_dir():
        return 0, [], [f"{folder} is missing"]
    store = StoredEmbeddings(folder, index.dim)
    wrong: list[Rows] = []
    compared = lost = damaged = 0
    with store:
        for some in _runs(rows, _COMPARED):
            positions = store.positions(texts[some].tolist())
            there = positions >= 0
            torn = sum(text in store.torn for text in texts[some[~there]].tolist())
            damaged += torn
            lost += int(np.count_nonzero(~there)) - torn
            some, positions = some[there], positions[there]
            whole = store.whole(positions)
            damaged += int(np.count_nonzero(~whole))
            some, positions = some[whole], positions[whole]
            held = holds(index, some, store.vectors(positions))
            assert held is not None, "rows of this index can be read back"
            compared += len(some)
            wrong.append(some[~held])
    why = [f"{folder} lacks the embeddings of {lost:,}, which were not compared"] if lost else []
    damage = _described(directory / VECTORS, "holds another vector than its text's", np.concatenate(wrong))
    if damaged:
        why.append(f"{folder} has damaged embeddings of {damaged:,}")
        kept = f"holds damaged embeddings of {damaged:,} of the rows compared: move {folder} away and build again"
        damage.append(SnapshotInvalid(folder / "vectors.f16", kept))
    return compared, damage, why


def _described(path: Path, what: str, rows: Rows) -> list[SnapshotInvalid]:
    if not len(rows):
        return []
    named = ", ".join(f"{row:,}" for row in rows[:_NAMED].tolist()) + (", …" if len(rows) > _NAMED else "")
    each = f"row {named} {what}" if len(rows) == 1 else f"each of {len(rows):,} rows ({named}) {what}"
    return [SnapshotInvalid(path, f"{each}: build it again (nothing is embedded twice)")]


def _runs(rows: Rows, length: int) -> Iterator[Rows]:
    return (rows[at : at + length] for at in range(0, len(rows), length))
