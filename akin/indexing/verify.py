"""Verify a published snapshot: its rows against its papers and their embeddings, its index against exact search.

The text of a paper in the catalogue gives a digest. It must equal the row's digest in `digests.bin`, and the row of the
vector index must hold the code of the embedding that is stored under this digest.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from akin.indexing.embedding_store import StoredEmbeddings, text_digest
from akin.indexing.faiss_writer import CHUNK, codes_match
from akin.indexing.recall import exact_nearest, measure
from akin.indexing.snapshot_parts import fetch_papers, load_digests
from akin.papers import PASSAGE_TEXT_VERSION, passage_text
from retrieval_service.adapters.faiss_index import FaissIndex
from retrieval_service.adapters.sqlite_catalogue import SqliteCatalogue
from retrieval_service.corpus.digests import DIGESTS
from retrieval_service.corpus.manifest import CATALOGUE, VECTORS, read_manifest
from retrieval_service.corpus.snapshot import read_covered, verify_snapshot
from retrieval_service.errors import EmbeddingsMissing, SnapshotInvalid
from retrieval_service.ports import Rows

_ROWS_NAMED = 5


@dataclass
class Verification:
    """Result of verifying a snapshot.

    Attributes:
        snapshot: id of the snapshot.
        damage: the faults that were found.
        rows: result of the comparison of rows; None if files are damaged.
        recall: recall of its index; None if it was not measured.
    """

    snapshot: str
    damage: list[SnapshotInvalid]
    rows: RowCheck | None = None
    recall: RecallMeasurement | None = None

    @property
    def whole(self) -> bool:
        """True if no fault was found and vectors were compared, unless the format allows no comparison."""
        return not self.damage and not (self.rows and self.rows.unproven)

    def as_json(self) -> dict[str, Any]:
        """Return the result for programs."""
        found: dict[str, Any] = {"snapshot": self.snapshot}
        if self.rows and (self.rows.texts or self.rows.vectors or self.rows.unproven):
            found["rows"] = {"all": self.rows.papers, "texts": self.rows.texts, "vectors": self.rows.vectors}
            found["not_compared"] = self.rows.not_compared
        found["damage"] = [problem.detail for problem in self.damage]
        if self.recall:
            found |= {"recall_at_10": self.recall.recall_at_10, "ms": self.recall.ms}
        return found


def verify(
    directory: Path, data: Path, *, rows: int | None, queries: int | None, say: Callable[[str], None]
) -> Verification:
    """Compare a snapshot's files with their digests, then its rows, then measure the recall of its index.

    Args:
        directory: the snapshot.
        data: the data directory, which holds the embeddings.
        rows: number of rows to compare; None for all.
        queries: number of papers to measure recall with; None to leave that out.
        say: called with the result of each step.

    Raises:
        SnapshotInvalid: the manifest, or a part that must be read, cannot be read.
    """
    manifest = read_manifest(directory)
    result = Verification(manifest.id, verify_snapshot(directory))
    if manifest.partial:
        say(f"{manifest.id} is partial: {manifest.with_vectors:,} of {manifest.papers:,} papers have vectors")
    if not result.damage:
        say(f"{manifest.id}: {len(manifest.files)} files are as published")
        result.rows = check_rows(directory, data, rows=rows)
        result.damage = result.rows.damage
        say(result.rows.summary)
        if result.rows.unproven:
            say(f"{manifest.id}: no row's vector could be compared, so it cannot be called whole")
    for problem in result.damage:
        say(str(problem))
    if queries is not None and not result.damage:
        try:
            result.recall = measure_recall(directory, data, queries=queries)
            say(result.recall.summary)
        except EmbeddingsMissing as error:
            say(f"recall was not measured: {error}")
    return result


@dataclass(frozen=True)
class RowCheck:
    """Result of a comparison of rows.

    Attributes:
        papers: number of rows of the snapshot.
        texts: number of rows whose digest was compared with their paper's text.
        vectors: number of rows whose vector was compared with the stored embedding of their text.
        damage: the faults that were found.
        not_compared: reasons why some rows were not compared.
        unreadable: True if no vector can be compared in a snapshot of this version or with an index of this kind.
        without_vectors: True if the snapshot is partial and has no vector at all.
    """

    papers: int
    texts: int
    vectors: int
    damage: list[SnapshotInvalid] = field(default_factory=list)
    not_compared: list[str] = field(default_factory=list)
    unreadable: bool = False
    without_vectors: bool = False

    @property
    def unproven(self) -> bool:
        """True if no vector was compared although the format allows it: the snapshot is not proven whole."""
        return not (self.vectors or self.unreadable or self.without_vectors)

    @property
    def summary(self) -> str:
        """The numbers of rows compared, and the reasons why others were not, in one line."""
        compared = (
            f"of {self.papers:,} rows, {self.texts:,} were compared with their papers' texts and {self.vectors:,} with "
            "the stored embeddings of these"
        )
        return "; ".join([compared, *self.not_compared])


def check_rows(directory: Path, data: Path, *, rows: int | None, seed: int | None = None) -> RowCheck:
    """Compare rows of a snapshot, spread evenly over it, with their papers' texts and the embeddings of these texts.

    Args:
        directory: the snapshot.
        data: the data directory, which holds the embeddings.
        rows: number of rows to compare; None for all.
        seed: seed of the choice of rows; None for another choice each time.

    Raises:
        SnapshotInvalid: a part cannot be read at all.
    """
    manifest = read_manifest(directory)
    chosen = _spread(manifest.papers, rows, seed)
    if DIGESTS not in manifest.files:
        return RowCheck(manifest.papers, 0, 0, [], ["the snapshot is of a version that kept no digests of texts"], True)
    texts = load_digests(directory, manifest)["text"]
    if manifest.passage_text_version > PASSAGE_TEXT_VERSION:
        compared, damage, why = 0, [], [f"papers' texts are of version {manifest.passage_text_version}"]
    else:
        wrong = _find_wrong_texts(directory, chosen, texts)
        compared, damage, why = len(chosen), _describe_damage(directory / DIGESTS, "is of another text", wrong), []
    index = FaissIndex.open(directory / VECTORS, nprobe=manifest.index.nprobe, k_factor=manifest.index.k_factor)
    if not index.readable:
        why.append(f"the rows of an index {manifest.index.recipe} cannot be read back")
        return RowCheck(manifest.papers, compared, 0, damage, why, True)
    folder = data / "embeddings" / manifest.encoder.digest
    own = chosen
    if manifest.partial:
        covered = read_covered(directory, manifest)
        chosen = chosen[np.isin(chosen, covered)]
        own = np.searchsorted(covered, chosen)
        why.append(f"{manifest.papers - len(covered):,} papers have no vector yet")
        if not len(covered):
            return RowCheck(manifest.papers, compared, 0, damage, why, without_vectors=True)
    vectors, found, more = _compare_vectors(index, directory, folder, chosen, own, texts)
    return RowCheck(manifest.papers, compared, vectors, [*damage, *found], [*why, *more])


def _spread(papers: int, rows: int | None, seed: int | None) -> Rows:
    """Return one random row from each of `rows` equal parts of the snapshot, so that no long run of rows is missed."""
    if rows is None or rows >= papers:
        return np.arange(papers)
    edges = np.arange(rows + 1) * papers // rows
    return np.asarray(np.random.default_rng(seed).integers(edges[:-1], edges[1:]), np.int64)


def _find_wrong_texts(directory: Path, rows: Rows, texts: NDArray[np.void]) -> Rows:
    try:
        with closing(SqliteCatalogue(directory / CATALOGUE)) as catalogue:
            papers = fetch_papers(catalogue, rows.tolist())
            pairs = zip(papers, texts[rows], strict=True)
            right = [text_digest(passage_text(paper)) == text.tobytes() for paper, text in pairs]
    except KeyError as error:
        raise SnapshotInvalid(directory / CATALOGUE, f"has no paper in row {error}") from error
    return rows[~np.asarray(right, np.bool_)]


def _compare_vectors(
    index: FaissIndex, directory: Path, folder: Path, rows: Rows, own: Rows, texts: NDArray[np.void]
) -> tuple[int, list[SnapshotInvalid], list[str]]:
    """Return the number of vectors compared, the faults, and the reasons why other vectors were not compared.

    Args:
        index: the vector index.
        directory: the snapshot.
        folder: the stored embeddings.
        rows: the rows to compare.
        own: the number of each row's vector in the index.
        texts: the digest of every row's text.
    """
    if not folder.is_dir():
        return 0, [], [f"{folder} is missing"]
    store = StoredEmbeddings(folder, index.dim)
    wrong: list[Rows] = [rows[:0]]
    compared = lost = damaged = 0
    with store:
        for at in range(0, len(rows), CHUNK):
            some, places = rows[at : at + CHUNK], own[at : at + CHUNK]
            positions = store.positions(texts[some].tolist())
            there = positions >= 0
            torn = sum(text in store.torn for text in texts[some[~there]].tolist())
            damaged += torn
            lost += int(np.count_nonzero(~there)) - torn
            some, places, positions = some[there], places[there], positions[there]
            whole = store.match_checksums(positions)
            damaged += int(np.count_nonzero(~whole))
            some, places, positions = some[whole], places[whole], positions[whole]
            compared += len(some)
            wrong.append(some[~codes_match(index, places, store.vectors(positions))])
    why = [f"{folder} lacks the embeddings of {lost:,}, which were not compared"] if lost else []
    damage = _describe_damage(
        directory / VECTORS, "holds another vector than its text's", np.concatenate([*wrong, rows[:0]])
    )
    if damaged:
        why.append(f"{folder} has damaged embeddings of {damaged:,}")
        kept = f"holds damaged embeddings of {damaged:,} of the rows compared: move {folder} away and build again"
        damage.append(SnapshotInvalid(folder / "vectors.f16", kept))
    return compared, damage, why


def _describe_damage(path: Path, what: str, rows: Rows) -> list[SnapshotInvalid]:
    if not len(rows):
        return []
    named = ", ".join(f"{row:,}" for row in rows[:_ROWS_NAMED].tolist()) + (", …" if len(rows) > _ROWS_NAMED else "")
    each = f"row {named} {what}" if len(rows) == 1 else f"each of {len(rows):,} rows ({named}) {what}"
    return [SnapshotInvalid(path, f"{each}: build it again (nothing is embedded twice)")]


@dataclass(frozen=True)
class RecallMeasurement:
    """Recall of a snapshot's index.

    Attributes:
        recall_at_10: share of the ten nearest papers that are found.
        ms: milliseconds per query, on one thread.
        queries: number of papers used as queries.
        published: the recall@10 in the manifest, measured with other queries; None for an exact index.
    """

    recall_at_10: float
    ms: float
    queries: int
    published: float | None

    @property
    def summary(self) -> str:
        """The recall, the time and the queries, in one line."""
        published = f"; published {self.published:.3f}, with other queries" if self.published is not None else ""
        return (
            f"recall@10 {self.recall_at_10:.3f} against exact search, {self.ms:.2f} ms a query "
            f"({self.queries:,} of its own papers, each without itself{published})"
        )


def measure_recall(directory: Path, data: Path, *, queries: int = 256, seed: int = 0) -> RecallMeasurement:
    """Measure the recall of a snapshot's index with vectors of a random sample of its papers, each without its paper.

    The index is searched as the service searches it. Exact search compares the stored embeddings. No text is embedded.

    Args:
        directory: the snapshot.
        data: the data directory, which holds the embeddings.
        queries: number of papers to use as queries.
        seed: seed of the sample.

    Raises:
        SnapshotInvalid: the index or the digests are damaged.
        EmbeddingsMissing: embeddings of its papers are not in the data directory.
    """
    manifest = read_manifest(directory)
    digests = load_digests(directory, manifest)
    if manifest.partial:
        digests = digests[read_covered(directory, manifest)]
    if not len(digests):
        raise EmbeddingsMissing(f"{manifest.id} has no vectors yet.")
    folder = data / "embeddings" / manifest.encoder.digest
    if not folder.is_dir():
        raise EmbeddingsMissing(f"{folder}: is missing; recall is measured against the stored embeddings.")
    with StoredEmbeddings(folder, manifest.encoder.dim) as store:
        positions = store.positions(digests["text"].tolist())
        if missing := int(np.count_nonzero(positions < 0)):
            raise EmbeddingsMissing(f"{folder}: lacks the embeddings of {missing:,} papers of {manifest.id}.")
        papers = len(digests)
        count = min(queries, papers)
        own: Rows = np.sort(np.random.default_rng(seed).choice(papers, count, replace=False))
        corpus = store.by_row(positions)
        sample = exact_nearest(corpus(own), own, papers, corpus)
    index = FaissIndex.open(directory / VECTORS, nprobe=manifest.index.nprobe, k_factor=manifest.index.k_factor)
    recall, ms = measure(index, sample)
    used = manifest.index
    points = [p for p in used.curve if (p.recipe or used.recipe) == used.recipe and p.nprobe == used.nprobe]
    published = next((p.recall_at_10 for p in points if p.k_factor in (used.k_factor, 1.0)), None)
    return RecallMeasurement(recall, ms, count, published)
