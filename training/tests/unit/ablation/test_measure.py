"""Dense and hybrid search are measured over lists of the service's lexical index."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from training.ablation.measure import TestSet as Set
from training.ablation.measure import measure, read_sets
from training.ablation.run import SETS

from ..conftest import WORDS


class Lookup:
    """Model that gives word n the unit vector n, or for `wrong` queries the next one."""

    def __init__(self, wrong: int) -> None:
        self.wrong = wrong
        self.encoded = 0

    def encode_document(self, texts: list[str], **_: object) -> torch.Tensor:
        self.encoded += len(texts)
        return torch.eye(len(WORDS))[[WORDS.index(text.split()[0].strip(".")) for text in texts]]

    def encode_query(self, texts: list[str], **_: object) -> torch.Tensor:
        vectors = torch.eye(len(WORDS))[[WORDS.index(text) for text in texts]]
        vectors[: self.wrong] = vectors[: self.wrong].roll(1, dims=1)
        return vectors


def test_the_lists_are_those_of_the_lexical_index(prepared: Callable[[str], Path]) -> None:
    (found,) = read_sets(prepared("[{name: base, train: false}]") / SETS)
    assert isinstance(found, Set)
    # Each word is in its own paper, twice, and in the next one.
    for number, (rows, scores, bounds) in enumerate(zip(found.rows, found.scores, found.bounds, strict=True)):
        assert rows.tolist() == [number, (number + 1) % len(WORDS)]
        assert bounds is not None
        assert bounds[0] < scores[1] < scores[0] <= bounds[1]


def test_each_mode_has_the_values_of_its_ranking(prepared: Callable[[str], Path]) -> None:
    sets = read_sets(prepared("[{name: base, train: false}]") / SETS)
    model = Lookup(wrong=4)
    found = {(mode, metric): values for _, mode, metric, values in measure(model, [*sets, *sets], batch_size=4)}
    assert model.encoded == len(WORDS)  # the passages of the second set are known
    assert found["lexical", "MRR@10"].tolist() == [1.0] * 10
    # For the wrong queries the right paper is one of nine without a similarity.
    assert (found["dense", "MRR@10"] < 1).sum() == 4
    assert found["dense", "MRR@10"][4:].tolist() == [1.0] * 6
    assert found["dense", "nDCG@10"].mean() < found["hybrid", "nDCG@10"].mean()
    assert np.all(found["hybrid", "MRR@10"][:4] >= 0.5)


def test_hybrid_search_reads_the_words_of_the_query_in_the_texts(prepared: Callable[[str], Path]) -> None:
    """Rank a paper with the phrase before one that only mentions the word, which both halves rank as high."""
    (found,) = read_sets(prepared("[{name: base, train: false}]") / SETS)
    query = " ".join(WORDS[:2])
    judged = {"q0": {"p1": 1}}  # its title and abstract begin with words 1 and 0
    phrase = Set(
        replace(found.collection, queries={"q0": query}, qrels=judged),
        found.ids,
        [(title, f"{text} {query}" if row == 1 else text) for row, (title, text) in enumerate(found.texts)],
        [None],
        [np.array([0, 1])],
        [np.array([1.01, 1.0])],
    )

    class Even:
        def encode_document(self, texts: list[str], **_: object) -> torch.Tensor:
            return torch.ones(len(texts), 1)

        encode_query = encode_document

    values = {(mode, metric): value for _, mode, metric, value in measure(Even(), [phrase], batch_size=4)}
    assert values["lexical", "MRR@10"].tolist() == [0.5]
    assert values["hybrid", "MRR@10"].tolist() == [1.0]
