"""Negatives that hybrid search finds: never a right answer, and of the form of the positive."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from training.data.hybrid_negatives import _search, write_negatives
from training.errors import CorpusError
from training.pipeline.composition import compose

from ..conftest import WORDS

PAPERS = 10


@pytest.fixture(scope="module")
def model(tiny_bert: Callable[..., Path]) -> SentenceTransformer:
    return SentenceTransformer(str(tiny_bert(8)), device="cpu")


def make_pairs(*, group: Callable[[int], int] = lambda number: number) -> list[dict[str, Any]]:
    """Return two kinds of pairs of each paper. Neighbours share a word; a kind's passages have a mark of it."""
    pairs = []
    for number, word in enumerate(WORDS):
        text = f"{word} {word} {WORDS[(number + 1) % PAPERS]}"
        pairs.append({"kind": "title", "anchor": word, "positive": f"{text} T{number}", "groups": [group(number)]})
        pairs.append({"kind": "claim", "anchor": word, "positive": f"{text} C{number}", "groups": [group(number)]})
    return pairs


def mine(
    folder: Path, model: SentenceTransformer, pairs: list[dict[str, Any]], seed: int = 0, **changes: Any
) -> list[dict[str, Any]]:
    settings = msgspec.structs.replace(
        compose(["mine=hybrid"]).mine, **{"range_max": 5, "largest_ratio": 1.0} | changes
    )
    (folder / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    write_negatives(folder / "pairs.jsonl", folder / "mined.jsonl", settings, model, seed)
    return [json.loads(line) for line in (folder / "mined.jsonl").read_text().splitlines()]


def test_a_negative_has_the_form_of_the_positive_and_is_of_another_paper(
    tmp_path: Path, model: SentenceTransformer
) -> None:
    pairs = make_pairs()
    mined = mine(tmp_path, model, pairs, negatives=3)
    assert len(mined) == len(pairs)
    for pair, found in zip(pairs, mined, strict=True):
        assert {name: found[name] for name in ("kind", "anchor", "positive")} == {
            name: pair[name] for name in ("kind", "anchor", "positive")
        }
        negatives = [found[f"negative_{number}"] for number in (1, 2, 3)]
        assert len(set(negatives)) == 3
        assert pair["positive"] not in negatives
        assert {text.split()[-1][0] for text in negatives} == {pair["kind"][0].upper()}
        # Batches keep pairs of the negatives' papers apart.
        assert found["groups"] == sorted({*pair["groups"], *(int(text.split()[-1][1:]) for text in negatives)})


def test_a_passage_with_words_of_the_query_is_a_negative(tmp_path: Path, model: SentenceTransformer) -> None:
    """Find the neighbour before a paper, the second best by words; with a cosine bound of 1, vectors do not decide."""
    mined = mine(tmp_path, model, make_pairs(), range_max=1, duplicate_cosine=1.0)
    hard = [
        found["negative_1"].split()[-1][1:] == str((number // 2 - 1) % PAPERS) for number, found in enumerate(mined)
    ]
    assert sum(hard) > len(hard) / 2


def test_near_duplicates_are_never_negatives(tmp_path: Path, model: SentenceTransformer) -> None:
    # Papers 0 and 1 are near-duplicates, as are 2 and 3, …
    for found in mine(tmp_path, model, make_pairs(group=lambda number: number // 2), negatives=3, range_max=4):
        own = int(found["positive"].split()[-1][1:]) // 2
        assert all(int(found[f"negative_{number}"].split()[-1][1:]) // 2 != own for number in (1, 2, 3))


def find(model: SentenceTransformer, **changes: Any) -> tuple[list[list[int]], Any]:
    """Return the papers that may become negatives of each title, and the cosines of all passages."""
    pairs = make_pairs()[::2]
    passages = [pair["positive"] for pair in pairs]
    settings = msgspec.structs.replace(
        compose(["mine=hybrid"]).mine, **{"range_max": 5, "largest_ratio": 1.0} | changes
    )
    found = _search(model, [pair["anchor"] for pair in pairs], passages, np.arange(PAPERS), settings)
    vectors = model.encode(passages, normalize_embeddings=True)
    return [row.tolist() for row in found], vectors @ vectors.T


def test_a_passage_that_is_too_near_or_scores_too_high_is_not_hard(model: SentenceTransformer) -> None:
    every, cosines = find(model, duplicate_cosine=1.0)
    bound = float(np.median([cosines[own, other] for own, row in enumerate(every) for other in row]))
    kept = [[other for other in row if cosines[own, other] < bound] for own, row in enumerate(every)]
    assert find(model, duplicate_cosine=bound)[0] == kept != every
    lower, _ = find(model, duplicate_cosine=1.0, largest_ratio=0.5)
    assert all(set(few) <= set(row) for few, row in zip(lower, every, strict=True))
    assert sum(map(len, lower)) < sum(map(len, every))
    assert not any(find(model, duplicate_cosine=1.0, largest_ratio=1e-9)[0])
    # The nearest are skipped on request.
    skipped, _ = find(model, duplicate_cosine=1.0, range_min=2)
    assert 0 < sum(map(len, skipped)) < sum(map(len, every))


def test_the_choice_is_seeded(tmp_path: Path, model: SentenceTransformer) -> None:
    assert mine(tmp_path, model, make_pairs(), seed=4) == mine(tmp_path, model, make_pairs(), seed=4)
    assert mine(tmp_path, model, make_pairs(), seed=4) != mine(tmp_path, model, make_pairs(), seed=5)


def test_too_few_papers_and_pairs_of_two_papers_are_refused(tmp_path: Path, model: SentenceTransformer) -> None:
    with pytest.raises(CorpusError, match=r"mine\.range_max is 10, .* only 10 different papers: lower it"):
        mine(tmp_path, model, make_pairs(), range_max=10)
    claims = [pair for pair in make_pairs() if pair["kind"] == "title" or pair["groups"] == [0]]
    with pytest.raises(CorpusError, match="of the kind claim to give 1 negatives"):
        mine(tmp_path, model, claims)
    with pytest.raises(CorpusError, match="parts of one paper"):
        mine(tmp_path, model, [pair | {"groups": [1, 2]} for pair in make_pairs()])


def test_a_negative_that_the_filter_takes_for_an_answer_is_replaced(
    tmp_path: Path, model: SentenceTransformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Judge:
        """Filter that takes every passage of the next paper for an answer."""

        def __init__(self, source: str, margin: float, **_: object) -> None:
            assert (source, margin) == ("judge", 0.5)

        def choose(self, queries: Any, positives: Any, candidates: Any, count: int) -> list[list[int]]:
            assert queries == [pair["anchor"] for pair in pairs]
            assert positives == [pair["positive"] for pair in pairs]
            following = [(int(text.split()[-1][1:]) + 1) % PAPERS for text in positives]
            return [
                [place for place, text in enumerate(texts) if int(text.split()[-1][1:]) != other][:count]
                for texts, other in zip(candidates, following, strict=True)
            ]

    pairs = make_pairs()

    def following(**changes: Any) -> int:
        mined = mine(tmp_path, model, pairs, duplicate_cosine=1.0, **changes)
        numbers = [[int(found[name].split()[-1][1:]) for name in ("positive", "negative_1")] for found in mined]
        assert all(own != other for own, other in numbers)
        return sum((own + 1) % PAPERS == other for own, other in numbers)

    monkeypatch.setattr("training.data.hybrid_negatives.CrossEncoderFilter", Judge)
    assert following() > 2 * following(filter="judge", filter_margin=0.5)
