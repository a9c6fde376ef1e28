"""What may be chosen about the making of a snapshot, and how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from indexing.faiss_recipe import EXACT_BELOW


@dataclass(frozen=True)
class Progress:
    """How far the making of a snapshot is.

    Attributes:
        stage: "copy", "embed", "index", "tune" or "publish".
        done: papers that are through this stage.
        total: papers there will be, estimated while the source is read; None when that cannot be told.
        embedded: texts embedded so far; the others were known.
        note: what exactly is being done, where a stage does several things.
    """

    stage: str
    done: int
    total: int | None
    embedded: int
    note: str = ""


Tell = Callable[[Progress], None]


@dataclass(frozen=True)
class BuildOptions:
    """What may be chosen about a build or an update.

    Attributes:
        batch: texts in one request to the encoder.
        in_flight: requests under way at once.
        exact_below: corpora of fewer papers get an exact index.
        recall_target: recall@10 of an approximate one against exact search.
        memory_mb: the megabytes a built one may take; None for any number. An update keeps the kind there is.
        use: make the snapshot the live one.
    """

    batch: int = 64
    in_flight: int = 4
    exact_below: int = EXACT_BELOW
    recall_target: float = 0.95
    memory_mb: float | None = None
    use: bool = True
