"""Say in an answer that some papers have no vector yet: a build adds the vectors of a large corpus in steps."""

from __future__ import annotations

from retrieval_service.search.answer import Coverage


def hybrid_reason(coverage: Coverage) -> str:
    """Return why a hybrid answer is degraded."""
    return f"{_share(coverage)}; the others are found by their words alone."


def dense_note(coverage: Coverage) -> str:
    """Return the note of a dense search, which finds no paper without a vector."""
    return f"{_share(coverage)}, and only these were searched; mode hybrid searches all."


def _share(coverage: Coverage) -> str:
    return f"{coverage.with_vectors:,} of {coverage.papers:,} papers have a vector so far"
