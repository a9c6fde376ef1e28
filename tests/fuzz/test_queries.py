"""Ids, queries and fusion: nothing that a client writes raises anything but an error in words."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from akin.papers import bare_doi, parse_arxiv_id
from retrieval_service.errors import RetrievalError
from retrieval_service.ports import Hits
from retrieval_service.search.fusion import FUSIONS, append_deeper, fuse
from retrieval_service.search.named_papers import named_papers
from retrieval_service.search.operators import parse_query
from tests.fuzz.budget import examples

WORDS = st.sampled_from(
    [
        "graph", "neuro*", "wom?n", "AND", "OR", "ANDNOT", "NOT", "(", ")", '"', '"dark matter"', "-", "-ti:x", "ti:",
        "ti:graph", 'au:"P. Erdős"', "au:", "cat:cs.*", "cat:cs.LG,math", "id:2101.00001", "all:x", "abs:y*", "+",
        "submittedDate:[2020 TO 2021]", "submittedDate:[", "TO", "]", "cites:2101.00001", "ti: x", "TI:x", "“a”",
        ":", "*", "%28",
    ]
)  # fmt: skip
QUERIES = st.lists(WORDS | st.text(max_size=6), max_size=14).map(" ".join) | st.text(max_size=80)


@examples(150, 5000)
@given(QUERIES)
def test_a_query_is_read_or_refused_in_words(text: str) -> None:
    try:
        found = parse_query(text)
    except RetrievalError:
        return
    assert len(found.words) <= len(text) + 1
    # Nothing is both searched for and a condition, and what is shown as read is read in the same way again.
    for operator in found.operators:
        if operator.text.startswith(("AND", "OR", "NOT")):
            continue  # a sign needs what stands before it
        again = parse_query(operator.text)
        assert [each.condition for each in again.operators] == [operator.condition]
    if not found.operators and not found.notes:
        assert parse_query(found.words).words == found.words


@examples(150, 5000)
@given(
    st.text(max_size=40)
    | st.from_regex(r"(arxiv:|https://arxiv\.org/(abs|pdf)/)?(\d{4}\.\d{4,5}|[a-z-]+(\.[A-Z]{2})?/\d{7})(v\d{1,2})?")
)
def test_the_id_of_an_id_is_itself(text: str) -> None:
    found = parse_arxiv_id(text)
    if found is not None:
        again = parse_arxiv_id(found.id)
        assert again is not None
        assert (again.id, again.version) == (found.id, None)
        assert found.id.isascii()
        assert found.id.isprintable()
    doi = bare_doi(text)
    assert doi is None or bare_doi(doi) == doi
    named_papers(text)


@st.composite
def hits(draw: st.DrawFn) -> Hits:
    rows = draw(st.lists(st.integers(0, 40), unique=True, max_size=20))
    scores = sorted(
        draw(st.lists(st.floats(-1e3, 1e3, width=32), min_size=len(rows), max_size=len(rows))), reverse=True
    )
    return Hits(np.asarray(rows, np.int64), np.asarray(scores, np.float32))


@examples(60, 2000)
@given(hits(), hits(), hits(), st.sampled_from(sorted(FUSIONS)), st.integers(1, 30))
def test_every_fusion_ranks_each_paper_once_between_0_and_1(
    dense: Hits, lexical: Hits, deeper: Hits, name: str, pool: int
) -> None:
    fused = fuse(dense, lexical, FUSIONS[name], pool)
    rows = fused.rows.tolist()
    assert len(set(rows)) == len(rows)
    assert set(rows) <= {*dense.rows.tolist(), *lexical.rows.tolist()}
    assert {*dense.rows[:pool].tolist(), *lexical.rows[:pool].tolist()} <= set(rows)
    assert np.isfinite(fused.scores).all()
    assert (np.diff(fused.scores) <= 1e-12).all()
    assert ((fused.scores >= -1e-9) & (fused.scores <= 1 + 1e-9)).all()
    joined = append_deeper(fused, fuse(deeper, lexical, FUSIONS[name], pool))
    assert joined.rows[: len(rows)].tolist() == rows
    assert len(set(joined.rows.tolist())) == len(joined.rows)
