"""BM25 over a model's own tokens, calculated for the texts of a batch on the device that trains.

It stands for the lexical half of hybrid search in a loss. Tokens are parts of words and not stems, so the scores differ
from those of the service's lexical index; the order of the texts of a batch is mostly the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

K1 = 1.2
B = 0.75


def token_ids(tokenizer: Any, texts: Sequence[str], max_length: int) -> list[list[int]]:
    """Return the token ids of texts, cut to a length, without the special tokens around them."""
    found: list[list[int]] = tokenizer(list(texts), truncation=True, max_length=max_length, add_special_tokens=False)[
        "input_ids"
    ]
    return found


class TokenBm25(nn.Module):
    """BM25 of queries and passages that are given as token ids (Robertson and Zaragoza, 2009; idf as in Lucene)."""

    idf: Tensor

    def __init__(self, idf: Tensor, average_length: float) -> None:
        """Take the inverse document frequency of each token, float32 [vocabulary], and the mean length of a text."""
        super().__init__()
        self.register_buffer("idf", idf, persistent=False)
        self.average_length = average_length

    @classmethod
    def count(cls, tokenizer: Any, texts: Sequence[str], max_length: int, batch: int = 2_000) -> TokenBm25:
        """Return BM25 with the document frequencies of these texts; special tokens never count."""
        starts = range(0, len(texts), batch)
        found = (token_ids(tokenizer, texts[start : start + batch], max_length) for start in starts)
        return cls.count_tokens(tokenizer, (ids for part in found for ids in part))

    @classmethod
    def count_tokens(cls, tokenizer: Any, texts: Iterable[Sequence[int]]) -> TokenBm25:
        """Return the same for texts that are token ids already."""
        frequency = torch.zeros(len(tokenizer))
        special = set(tokenizer.all_special_ids)
        length = count = 0
        for ids in texts:
            count += 1
            length += sum(token not in special for token in ids)
            frequency[torch.tensor(sorted(set(ids)), dtype=torch.long)] += 1
        idf = torch.log1p((count - frequency + 0.5) / (frequency + 0.5))
        idf[torch.tensor(sorted(special))] = 0
        return cls(idf, max(length / max(count, 1), 1.0))

    def forward(self, queries: dict[str, Tensor], passages: Sequence[dict[str, Tensor]]) -> Tensor:
        """Return the score of each query for each passage of all groups, float32 [queries, passages].

        Args:
            queries: `input_ids` and `attention_mask` of the queries.
            passages: the same of each group of passages; the groups stand one behind another in the result.
        """
        wanted = (self._counts(queries) > 0).float()
        # Only the tokens of the queries can contribute.
        used = torch.nonzero(wanted.any(dim=0)).squeeze(1)
        columns = [self._weights(group)[:, used] for group in passages]
        return (wanted[:, used] * self.idf[used]) @ torch.cat(columns).T

    def _weights(self, texts: dict[str, Tensor]) -> Tensor:
        counts = self._counts(texts)
        # Only special tokens have no idf.
        length = (counts @ (self.idf > 0).float())[:, None] / self.average_length
        return counts * (K1 + 1) / (counts + K1 * (1 - B + B * length))

    def _counts(self, texts: dict[str, Tensor]) -> Tensor:
        """Return how often each text has each token, float32 [texts, vocabulary]."""
        ids, mask = texts["input_ids"], texts["attention_mask"].float()
        return torch.zeros(len(ids), len(self.idf), device=ids.device).scatter_add_(1, ids, mask)
