"""Pairs are made as the model's own tokenizer makes them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from training.reranker.pair_tokens import Pairs, Tokens, pair_template

QUERIES = ["baran cesel", "", "baran " * 40, "ditin"]
TEXTS = ["fovox gusel haran", "jetin " * 50, "kivox baran", "cesel " * 9]


@pytest.mark.parametrize("max_length", [64, 24])
def test_equal_to_the_tokenizers_pairs(encoder: Path, max_length: int) -> None:
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    template = pair_template(tokenizer)
    assert template.types
    assert template.extra == 3
    most = max_length - template.extra
    pairs = Pairs(Tokens(tokenizer, QUERIES, most, "cpu"), Tokens(tokenizer, TEXTS, most, "cpu"), template, max_length)
    query, text = (each.ravel() for each in np.meshgrid(np.arange(len(QUERIES)), np.arange(len(TEXTS))))
    made = pairs.inputs(query, text)
    assert made["input_ids"].shape[1] % 8 == 0
    for row, (q, t) in enumerate(zip(query, text, strict=True)):
        own = tokenizer(QUERIES[q], TEXTS[t], truncation="longest_first", max_length=max_length, return_tensors="pt")
        length = int(made["attention_mask"][row].sum())
        assert length == len(own["input_ids"][0])
        assert made["attention_mask"][row, :length].all()
        for name in ("input_ids", "token_type_ids"):
            assert torch.equal(made[name][row, :length], own[name][0]), (name, QUERIES[q], TEXTS[t])
