"""BM25 over tokens: the numbers of a hand calculation, and those of the library bm25s."""

from collections.abc import Callable
from math import log
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from training.data.token_bm25 import K1, B, TokenBm25

PASSAGES = ["graph kernel graph", "quark", "lattice quark spin boson", "kernel spin"]


@pytest.fixture(scope="module")
def tokenizer(tiny_bert: Callable[..., Path]) -> Any:
    return AutoTokenizer.from_pretrained(tiny_bert(8))


def score(tokenizer: Any, queries: list[str], *groups: list[str]) -> torch.Tensor:
    def read(texts: list[str]) -> dict[str, torch.Tensor]:
        return dict(tokenizer(texts, padding=True, return_tensors="pt"))

    bm25 = TokenBm25.count(tokenizer, PASSAGES, 16)
    return bm25(read(queries), [read(texts) for texts in groups])


def test_a_score_is_that_of_a_hand_calculation(tokenizer: Any) -> None:
    # Of four passages two have `kernel`; ten words make a mean length of 2.5. The first passage has three.
    idf = log(1 + (4 - 2 + 0.5) / (2 + 0.5))
    expected = idf * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 3 / 2.5))
    assert score(tokenizer, ["kernel"], PASSAGES)[0, 0].item() == pytest.approx(expected, abs=1e-6)


def test_all_scores_are_those_of_bm25s(tokenizer: Any) -> None:
    queries = ["graph spin", "quark boson lattice", "kernel"]
    library = bm25s.BM25(k1=K1, b=B, method="lucene")
    library.index([text.split() for text in PASSAGES], show_progress=False)
    # The method `lucene` leaves out the constant factor k1 + 1.
    expected = np.stack([library.get_scores(query.split()) for query in queries]) * (K1 + 1)
    np.testing.assert_allclose(score(tokenizer, queries, PASSAGES).numpy(), expected, rtol=1e-5)


def test_groups_of_passages_stand_one_behind_another(tokenizer: Any) -> None:
    together = score(tokenizer, ["graph spin", "quark"], PASSAGES)
    torch.testing.assert_close(score(tokenizer, ["graph spin", "quark"], PASSAGES[:1], PASSAGES[1:]), together)


def test_special_and_unknown_tokens_never_count(tokenizer: Any) -> None:
    bm25 = TokenBm25.count(tokenizer, PASSAGES, 16)
    assert not bm25.idf[tokenizer.all_special_ids].any()
    assert bm25.average_length == 2.5
    assert TokenBm25.count(tokenizer, [f"{text} zzz" for text in PASSAGES], 16).average_length == 2.5
    assert not score(tokenizer, ["zzz yyy"], [*PASSAGES, "zzz"]).any()
    assert score(tokenizer, ["quark zzz"], PASSAGES).equal(score(tokenizer, ["quark"], PASSAGES))


def test_a_word_that_a_query_repeats_counts_once(tokenizer: Any) -> None:
    assert score(tokenizer, ["quark quark"], PASSAGES).equal(score(tokenizer, ["quark"], PASSAGES))
