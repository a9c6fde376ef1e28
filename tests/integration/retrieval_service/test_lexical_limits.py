"""Limits on what a long query reads of the lexical index."""

from __future__ import annotations

from typing import Any

import pytest

from akin.papers import passage_text
from retrieval_service.adapters import tantivy_index


def test_a_limit_on_entries_drops_the_least_informative_terms(corpus: Any) -> None:
    snapshot = corpus.open()
    text = passage_text(corpus.papers[0])
    index = snapshot.lexical
    everything = index._weigh(text, ("", 0.0))

    def entries(terms: Any) -> list[int]:
        return [index._searcher.doc_freq("text", term) for term, *_ in terms]

    index._postings = sum(entries(everything)) // 3
    chosen = index._weigh(text, ("", 0.0))
    assert 6 <= len(chosen) < len(everything)
    assert sum(entries(chosen)) <= index._postings
    assert [term for term in everything if term in chosen] == chosen
    assert index.search(text, 1).rows.tolist() == [0]
    # The first six terms are used at any cost.
    index._postings = 1
    assert index._weigh(text, ("", 0.0)) == everything[:6]
    snapshot.close()


def test_an_expensive_query_leaves_out_its_least_informative_terms(
    corpus: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = corpus.open()
    text = passage_text(corpus.papers[0])
    everything = snapshot.lexical._weigh(text, ("", 0.0))
    monkeypatch.setattr(tantivy_index, "_CHEAP_POSTINGS", 1)
    shares = {}
    for share in (0.5, 0.95):
        monkeypatch.setattr(tantivy_index, "_ENOUGH", share)
        shares[share] = snapshot.lexical._weigh(text, ("", 0.0))
    assert 6 <= len(shares[0.5]) < len(shares[0.95]) < len(everything)
    assert everything[: len(shares[0.95])] == shares[0.95]
    snapshot.close()
