"""Say in an answer that some papers have no vector yet: a build adds the vectors of a large corpus in steps."""

from __future__ import annotations

from retrieval_service.search.answer import Coverage
from retrieval_service.search.sentences import Sentence, sentence


def hybrid_reason(coverage: Coverage) -> Sentence:
    """Return why a hybrid answer is degraded."""
    return sentence("rest_by_words", with_vectors=coverage.with_vectors, papers=coverage.papers)


def dense_note(coverage: Coverage) -> Sentence:
    """Return the note of a dense search, which finds no paper without a vector."""
    return sentence("covered_only", with_vectors=coverage.with_vectors, papers=coverage.papers)
