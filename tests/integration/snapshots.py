"""Change, open and damage the snapshots of a data directory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from akin.indexing.changes import ChangedPapers
from akin.indexing.faiss_recipe import parse_recipe
from akin.indexing.options import BuildOptions
from akin.indexing.tune import TuneOptions, tune_snapshot
from akin.indexing.update import update_snapshot
from akin.papers import Paper, passage_text
from retrieval_service.corpus import Manifest, Snapshot, SnapshotDirectory, open_snapshot
from retrieval_service.ports import Hits, Vectors
from tests.integration.generated import hashed


def update(
    papers: Iterable[Paper], encoder: Any, data: Path, *, options: BuildOptions | None = None, **source: Any
) -> Manifest:
    """Update the live snapshot and return the new manifest."""
    changed = ChangedPapers(papers, "changes", **source)
    return asyncio.run(update_snapshot(changed, encoder, data, options=options))


def tune(encoder: Any, data: Path, *factories: str, **wanted: Any) -> Manifest:
    """Tune the live snapshot and return the new manifest."""
    recipes = tuple(map(parse_recipe, factories)) or None
    return asyncio.run(tune_snapshot(TuneOptions(recipes=recipes, **wanted), encoder, data))


def opened(data: Path, manifest: Manifest) -> Snapshot:
    """Return a published snapshot, opened."""
    return open_snapshot(SnapshotDirectory(data).path(manifest.id))


def stored_vectors(papers: Sequence[Paper]) -> Vectors:
    """Return the vectors of papers, rounded to half precision as the store keeps them."""
    return np.stack([hashed(passage_text(paper)) for paper in papers]).astype(np.float16).astype(np.float32)


def score_by_row(hits: Hits) -> dict[int, float]:
    """Return the score of each row that was found."""
    return dict(zip(hits.rows.tolist(), hits.scores.tolist(), strict=True))


def flip(path: Path, at: int | None = None) -> None:
    """Flip a bit of a file, in the middle or at a place."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if at is None else at] ^= 0x10
    path.write_bytes(content)
