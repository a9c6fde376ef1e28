from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from akin.relevance import Collection
from benchmarks.fusion import (
    DEFAULT,
    Halves,
    best,
    known_item_sets,
    learn,
    read_halves,
    score_choices,
    score_texts,
    write_halves,
)
from retrieval_service.ports import Hits


def half(*rows: int) -> Hits:
    return Hits(np.asarray(rows, np.int64), np.linspace(1, 0.5, len(rows)).astype(np.float32))


def collection(name: str, good: str, queries: int = 10) -> tuple[Collection, dict[str, Halves]]:
    """Return queries whose relevant paper is first in the `good` results and tenth in the others."""
    wanted = {str(number): {"right": 1} for number in range(queries)}
    order = [half(0, *range(2, 11)), half(*range(1, 10), 0)]
    dense, lexical = order if good == "dense" else order[::-1]
    ids = ["right", *(f"p{number}" for number in range(1, 11))]
    return (
        Collection(Path(name), dict.fromkeys(wanted, "words"), wanted),
        dict.fromkeys(wanted, Halves(dense, lexical, ids)),
    )


def scores(*kinds: str) -> dict[str, Any]:
    return {f"{kind}{at}": score_choices(*collection(f"{kind}{at}", kind)) for at, kind in enumerate(kinds)}


def test_the_better_half_gets_the_weight() -> None:
    for good, right in (("dense", 1.0), ("lexical", 0.0)):
        way, weight = best(list(scores(good, good).values()))
        assert abs(weight - right) < 0.5
        assert scores(good)[f"{good}0"][(way, weight)][0] == pytest.approx(1.0)


def test_a_choice_is_robust_only_if_it_helps_on_every_collection() -> None:
    rows, verdict = learn(scores("dense", "dense", "dense"))
    assert "not robust" not in verdict
    elsewhere = [row.value for row in rows if (row.system, row.metric) == ("learned on the others", "nDCG@10")]
    assert elsewhere == [1.0, 1.0, 1.0]
    assert "not robust" in learn(scores("dense", "dense", "lexical"))[1]


def test_the_default_wins_ties() -> None:
    assert best([{choice: [0.5] for choice in scores("dense")["dense0"]}]) == DEFAULT


def test_the_query_of_a_known_item_is_not_part_of_its_passage(tmp_path: Path) -> None:
    paper = (
        '{{"id": "2001.0000{n}", "title": "Title {n}", "abstract": "First {n}. Middle {n}. Last {n}.", "authors": "A"}}'
    )
    lines = [paper.format(n=n) for n in range(3)]
    source = tmp_path / "papers.jsonl"
    source.write_text("\n".join(lines))
    titles, lasts = known_item_sets(str(source), 2, tmp_path / "sets")
    assert titles.queries == {"2001.00000": "Title 0", "2001.00001": "Title 1"}
    assert lasts.queries["2001.00001"] == "Last 1."
    assert "Title" not in titles.corpus.read_text().replace('"title"', "")
    assert "Last" not in lasts.corpus.read_text()
    assert lasts.qrels["2001.00000"] == {"2001.00000": 1}


def test_kept_lists_are_read_as_they_were(tmp_path: Path) -> None:
    ids = [f"p{number}" for number in range(9)]
    found = {
        "one": Halves(half(3, 1, 2)._replace(bounds=(0.1, 1.0)), half(4)._replace(bounds=(0.0, 31.5)), ids),
        "two": Halves(half(8, 7), half(), ids),
    }
    write_halves(tmp_path / "lists.npz", found)
    again = read_halves(tmp_path / "lists.npz")
    assert list(again) == ["one", "two"]
    for query, halves in found.items():
        for before, after in zip(halves[:2], again[query][:2], strict=True):
            assert after.rows.tolist() == before.rows.tolist()
            assert after.scores.tolist() == before.scores.tolist()
            assert after.bounds == before.bounds
        assert list(again[query].ids) == ids


def test_texts_are_measured_beside_the_default(tmp_path: Path) -> None:
    papers = [
        {"_id": "gas", "title": "Gas", "text": "dust and gas"},
        {"_id": "dust", "title": "A dust network", "text": ""},
    ]
    (tmp_path / "corpus.jsonl").write_text("\n".join(map(json.dumps, papers)))
    found = {"q": Halves(half(0, 1), half(0, 1), ["gas", "dust"])}
    collection = Collection(tmp_path, {"q": "dust network"}, {"q": {"dust": 1}})
    assert score_choices(collection, found)[DEFAULT] == [pytest.approx(0.63, abs=0.01)]
    close = {"q": Halves(half(0, 1)._replace(scores=np.asarray([0.9, 0.89], np.float32)), half(0, 1), ["gas", "dust"])}
    assert score_texts(collection, close) == [1.0]


def test_papers_without_a_vector_are_ranked_by_their_words(tmp_path: Path) -> None:
    ids = [f"p{number}" for number in range(40)]
    (tmp_path / "corpus.jsonl").write_text(
        "\n".join(json.dumps({"_id": name, "title": "Gas", "text": "dust"}) for name in ids)
    )
    wanted = {name: {name: 1} for name in ids}
    collection = Collection(tmp_path, dict.fromkeys(ids, "words"), wanted)
    found = {
        name: Halves(half(*(row for row in range(40) if row != at)), half(at, (at + 1) % 40), ids)
        for at, name in enumerate(ids)
    }
    # The dense half finds every paper but the wanted one, which is first by words.
    assert score_texts(collection, found, 0.2) > score_texts(collection, found)
    dense_only = {name: Halves(half(at), half(), ids) for at, name in enumerate(ids)}
    assert 0 < sum(score_texts(collection, dense_only, 0.2)) < 20
