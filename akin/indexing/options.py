"""Options of a build and of an update, and the progress report. Light to import: no NumPy, no FAISS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

EXACT_BELOW = 50_000
"""Papers. A smaller corpus gets an exact index: comparing every vector takes only a few milliseconds."""


@dataclass(frozen=True)
class Progress:
    """Progress of making a snapshot.

    Attributes:
        stage: "read", "copy", "embed", "index", "tune" or "publish"; "references" (bytes) and "sort" of an import.
        done: papers that have passed this stage.
        total: papers in all, estimated while the source is read; None if unknown.
        embedded: texts embedded so far; the vectors of the others were stored already.
        note: the present step, for stages that have several.
    """

    stage: str
    done: int
    total: int | None
    embedded: int
    note: str = ""


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class BuildOptions:
    """Options of a build or an update.

    Attributes:
        batch: texts per request to the encoder.
        in_flight: requests sent at the same time.
        exact_below: corpora of fewer papers get an exact index.
        recall_target: recall@10 that an approximate index must reach, against exact search.
        memory_mb: most megabytes for the index of a build; None for no limit. An update keeps the kind of index.
        use: make the new snapshot the live one.
        steps: shares of the papers, 0 to 1, with whose vectors a build publishes a partial snapshot, after one without
            any vector; empty for no partial snapshot, None for steps that suit the corpus.
        word_weights: file of learned weights that a build ranks words by; None for BM25.
        embeddings: folder or address of vectors that `akin embed` made, which a build takes; None for none.
    """

    batch: int = 64
    in_flight: int = 4
    exact_below: int = EXACT_BELOW
    recall_target: float = 0.95
    memory_mb: float | None = None
    use: bool = True
    steps: tuple[float, ...] | None = ()
    word_weights: Path | None = None
    embeddings: str | None = None
