"""Rank test collections as the service does: by words, by vectors, by both together, and by these with a reranker.

The passages are indexed by `indexing` and searched by `retrieval_service`, with default settings, in this process. So a
figure is that of the search that users have: query language, fusion, equal scores and folded duplicates are the same.
Nothing is fitted to a collection: an index gets vectors and texts of the passages only, never queries or judgements.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Lock

import numpy as np

from akin.indexing.in_process import DEEPEST, default_settings, index_corpus, rank_queries
from akin.indexing.options import Progress
from akin.papers import Paper
from akin.papers.text import clean_abstract, clean_text
from akin.relevance import Collection, RelevanceError, scores_of_order
from retrieval_service.errors import RetrievalError
from retrieval_service.ports import EmbeddingBatch, EncoderIdentity, InputType
from retrieval_service.search.request import Mode
from training.arrays import Floats
from training.encoders import version_scorer
from training.errors import EvaluationError
from training.evaluation.systems import System, system_description
from training.evaluation.vectors import Vectors, encode_checked, vectors_identity
from training.sparse import SparseWords

WORDS = "lexical"
"""Name of the search by words alone, which is the same for every encoder."""

MODES: dict[Mode, str] = {Mode.DENSE: "dense", Mode.HYBRID: "hybrid"}
"""Modes that depend on the encoder, with the word that follows the encoder's name in a report.

A further way of searching needs a line here, and its request in `akin.indexing.in_process`.
"""

RERANKED = "reranked"
"""Hybrid search whose best results a reranker puts in order."""

_KNOWN_ITEM_DEPTH = 100
_SECONDS_BETWEEN_REPORTS = 10

Run = dict[str, dict[str, float]]
"""Scores by the ids of query and passage, which keep the order of the ranking."""


def served_name(encoder: str, mode: Mode) -> str:
    """Return the name in reports of the search with an encoder in a mode."""
    return WORDS if mode is Mode.LEXICAL else f"{encoder} {MODES[mode]}"


def reranked_name(encoder: str) -> str:
    """Return the name in reports of hybrid search with an encoder and the reranker."""
    return f"{encoder} {RERANKED}"


def settings_of_answers() -> dict[str, object]:
    """Return the settings of the service that decide rankings, for the report."""
    return default_settings().of_answers


def depth_of(collection: Collection) -> int:
    """Return the number of ranks to measure: 1,000, or 100 where no query has a second relevant passage."""
    most = max(len(gains) for gains in collection.qrels.values())
    return DEEPEST if most > 1 else _KNOWN_ITEM_DEPTH


class ServedReranker:
    """Version of the reranker, run by its own code, as the service's reranker.

    Attributes:
        rerank: number of best results that it puts in order.
        description: description for the report.
    """

    def __init__(self, folder: Path, rerank: int, runtime: str = "auto") -> None:
        """Load the version.

        Raises:
            EvaluationError: The folder is not a version that runs here, or the service would not rerank so many.
        """
        most = default_settings().rerank_most
        if not 1 <= rerank <= most:
            raise EvaluationError(f"--rerank {rerank} cannot be measured: the service reranks 1 to {most} results.")
        try:
            manifest = json.loads((folder / "manifest.json").read_bytes())
            self._score = version_scorer(folder, runtime)
            self.description: dict[str, object] = {
                "reranker": manifest["digest"],
                "reranker version": manifest["version"],
                "reranker name": manifest["name"],
                "rerank": rerank,
            }
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise EvaluationError(f"{folder} cannot be run as a version of the reranker: {error}.") from error
        self.rerank = rerank
        self._alone = Lock()

    async def is_ready(self) -> bool:
        """Return True: it is loaded."""
        return True

    async def score(self, query: str, passages: Sequence[str], seconds: float) -> Floats:
        """Return the score of each passage, however long that takes.

        Raises:
            EvaluationError: A score is not finite.
        """
        return await asyncio.to_thread(self._scores, query, passages)

    def _scores(self, query: str, passages: Sequence[str]) -> Floats:
        with self._alone:
            found = self._score([(query, passage) for passage in passages])
        if not np.isfinite(found).all():
            raise EvaluationError(f"the reranker gives no finite scores for {query[:80]!r}: export it again.")
        return found


class ServedSearch:
    """The service's search with encoders of this package, over indexes that are kept in a folder.

    An index is made once for each corpus and encoder. Collections with the same passages share it.
    """

    def __init__(
        self, folder: Path, vectors: Vectors, progress: Callable[[str], None], sparse: SparseWords | None = None
    ) -> None:
        """Keep indexes and the passages' vectors in `folder`; take the queries' vectors from `vectors`.

        With `sparse`, words are ranked by its weights instead of BM25.
        """
        self._folder = folder
        self._sparse = sparse
        self._vectors = vectors
        self._progress = progress
        self._digested = "", ""

    def rank(
        self,
        system: System,
        name: str,
        collection: Collection,
        modes: Sequence[Mode],
        reranker: ServedReranker | None = None,
    ) -> dict[str, Run]:
        """Return the rankings of a collection's queries to `depth_of` the collection, by their names in reports.

        There is one in each mode, and one that is reranked if there is a reranker.

        Raises:
            EvaluationError: The passages cannot be read or indexed, or the vectors cannot be used.
        """
        label = f"{collection.name}, {name}"
        encoder = _EncoderPort(system, label, self._vectors, next(iter(collection.queries.values())))
        with ExitStack() as stack:
            folder = self._folder
            if not system_description(system).get("digest"):
                # The vectors of a model in training change, so that its index must not be found again.
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="akin-evaluation-")))
            try:
                snapshot = index_corpus(
                    cleaned_papers(collection),
                    encoder,
                    folder,
                    name=f"passages {self._digest(collection)}" + (f", {self._sparse.digest}" if self._sparse else ""),
                    progress=_reporter(label, self._progress),
                    word_weights=self._word_weights(collection),
                )
                started = time.monotonic()
                search = partial(rank_queries, snapshot, encoder, collection.queries, depth=depth_of(collection))
                found = {served_name(name, mode): rankings for mode, rankings in search(modes).items()}
                if reranker is not None:
                    reranked = search([Mode.HYBRID], reranker=reranker, rerank=reranker.rerank)
                    found[reranked_name(name)] = reranked[Mode.HYBRID]
            except (RelevanceError, RetrievalError) as error:
                raise EvaluationError(f"{label}: {error}") from error
        self._progress(f"  {label}: searched for {len(collection.queries):,} in {time.monotonic() - started:.1f} s")
        return {
            ranked: {query: scores_of_order(passages) for query, passages in rankings.items()}
            for ranked, rankings in found.items()
        }

    def _word_weights(self, collection: Collection) -> Path | None:
        """Return the file of the passages' weights, which is made only once."""
        if self._sparse is None:
            return None
        path = self._folder / "word-weights" / self._sparse.digest / f"{self._digest(collection)}.jsonl"
        if not path.exists():
            self._progress(f"  {collection.name}: weights of words by {self._sparse.name} …")
            self._sparse.write(cleaned_papers(collection), path)
        return path

    def _digest(self, collection: Collection) -> str:
        """Return the SHA-256 of a collection's passages, by which collections share an index."""
        if self._digested[0] != collection.digest:
            digest = hashlib.sha256()
            for paper in collection.papers():
                digest.update(json.dumps([paper.id, paper.title, paper.abstract]).encode())
            self._digested = collection.digest, digest.hexdigest()
        return self._digested[1]


def cleaned_papers(collection: Collection) -> Iterator[Paper]:
    """Yield the passages of a collection as papers whose texts are cleaned as those of a user's file."""
    for paper in collection.papers():
        yield Paper(id=paper.id, title=clean_text(paper.title), abstract=clean_abstract(paper.abstract))


class _EncoderPort:
    """System of an evaluation as an encoder of the service."""

    def __init__(self, system: System, label: str, vectors: Vectors, example: str) -> None:
        description = system_description(system)
        stored = json.dumps(vectors_identity(description), sort_keys=True)
        self.identity = EncoderIdentity(
            version=description.get("version", 0),
            digest=hashlib.sha256(stored.encode()).hexdigest(),
            dim=encode_checked(system.encode_queries, [example], label).shape[1],
            max_length=description.get("max_length"),
        )
        self._system = system
        self._label = label
        self._vectors = vectors
        self._alone = Lock()

    async def embed_queries(self, texts: Sequence[str], input_type: InputType = "query") -> EmbeddingBatch:
        """Return the vectors of texts in a request."""
        return await asyncio.to_thread(self._encode, texts, input_type)

    async def embed_passages(self, texts: Sequence[str], input_type: InputType = "passage") -> EmbeddingBatch:
        """Return the vectors of many texts."""
        return await asyncio.to_thread(self._encode, texts, input_type)

    def _encode(self, texts: Sequence[str], input_type: InputType) -> EmbeddingBatch:
        run = self._queries if input_type == "query" else self._passages
        # Neither a version's runtime nor a torch model may run in two threads.
        with self._alone:
            return EmbeddingBatch(run(list(texts)), np.zeros(len(texts), np.int32))

    def _queries(self, texts: list[str]) -> Floats:
        return self._vectors.queries(self._system, texts, f"{self._label}: queries")

    def _passages(self, texts: list[str]) -> Floats:
        return encode_checked(self._system.encode_passages, texts, f"{self._label}: passages")


def _reporter(label: str, progress: Callable[[str], None]) -> Callable[[Progress], None]:
    reported = time.monotonic()

    def report(made: Progress) -> None:
        nonlocal reported
        now = time.monotonic()
        if now - reported >= _SECONDS_BETWEEN_REPORTS:
            reported = now
            total = f" of {made.total:,}" if made.total else ""
            progress(f"  {label}: {made.done:,}{total} passages, stage {made.stage}")

    return report
