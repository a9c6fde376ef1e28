"""Join tokens of queries and passages into the pairs that a cross-encoder reads.

Each text is tokenised once, however many pairs it is in. The pairs of a batch are put together on the device, so that a
training step waits for no tokenizer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from training.errors import UnsupportedModel

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_AT_ONCE = 20_000
_MULTIPLE = 8

Indexes = NDArray[np.signedinteger[Any]]


@dataclass(frozen=True)
class PairTemplate:
    """Special tokens of a pair.

    Attributes:
        before: tokens before the query.
        between: tokens between query and passage.
        after: tokens after the passage.
        types: True if the model gets token types: 1 from the passage on, 0 before it.
        pad: token that fills a row.
    """

    before: tuple[int, ...]
    between: tuple[int, ...]
    after: tuple[int, ...]
    types: bool
    pad: int

    @property
    def extra(self) -> int:
        """Number of special tokens in a pair."""
        return len(self.before) + len(self.between) + len(self.after)


def pair_template(tokenizer: PreTrainedTokenizerBase) -> PairTemplate:
    """Return the template by which a tokenizer joins two texts.

    Raises:
        UnsupportedModel: The tokenizer is not a fast one, or joins texts in another way.
    """
    if not tokenizer.is_fast:
        raise UnsupportedModel("the model has no fast tokenizer (tokenizer.json), which a reranker needs.")
    encoded: Any = tokenizer("a", "b")
    ids, sides = encoded["input_ids"], encoded.sequence_ids(0)
    if sorted({side for side in sides if side is not None}) != [0, 1] or sides.index(0) > sides.index(1):
        raise UnsupportedModel("the model's tokenizer does not put the first text before the second.")
    first, second = [[at for at, side in enumerate(sides) if side == wanted] for wanted in (0, 1)]
    types = encoded.get("token_type_ids")
    return PairTemplate(
        before=tuple(ids[: first[0]]),
        between=tuple(ids[first[-1] + 1 : second[0]]),
        after=tuple(ids[second[-1] + 1 :]),
        types=bool(types) and types[second[0]] == 1,
        pad=int(tokenizer.pad_token_id or 0),
    )


class Tokens:
    """Tokens of many texts in one row on a device."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], most: int, device: str) -> None:
        """Tokenise texts without special tokens; each keeps its first `most` tokens."""
        parts, lengths = [], []
        for start in range(0, len(texts), _AT_ONCE):
            encoded = tokenizer(
                list(texts[start : start + _AT_ONCE]),
                add_special_tokens=False,
                truncation=True,
                max_length=most,
                return_attention_mask=False,
                return_token_type_ids=False,
            )["input_ids"]
            lengths += [len(ids) for ids in encoded]
            parts.append(np.fromiter(chain.from_iterable(encoded), np.int32))
        self.lengths = np.array(lengths, dtype=np.int64)
        self.starts = np.cumsum(self.lengths) - self.lengths
        # One more token, so that the place after the last text can be read.
        row = np.concatenate([*parts, np.zeros(1, dtype=np.int32)])
        self.row = torch.from_numpy(row).to(device)


class Pairs:
    """Pairs of a query and a passage by their numbers, as input of a cross-encoder."""

    def __init__(self, queries: Tokens, texts: Tokens, template: PairTemplate, max_length: int) -> None:
        """Take the tokens of both sides, the template, and the most tokens of a pair."""
        self._queries, self._texts, self._template = queries, texts, template
        self._room = max_length - template.extra

    def lengths(self, query: Indexes, text: Indexes) -> tuple[Indexes, Indexes]:
        """Return how many tokens of each query and each passage are read: the longer one of a pair is cut first."""
        ours, theirs = self._queries.lengths[query], self._texts.lengths[text]
        shorter = np.minimum(np.minimum(ours, theirs), self._room // 2)
        longer = np.minimum(np.maximum(ours, theirs), self._room - shorter)
        is_longer = ours > theirs
        return np.where(is_longer, longer, shorter), np.where(is_longer, shorter, longer)

    def inputs(self, query: Indexes, text: Indexes) -> dict[str, torch.Tensor]:
        """Return the model's inputs for pairs, padded to the longest one."""
        ours, theirs = self.lengths(query, text)
        template, device = self._template, self._texts.row.device
        width = int((ours + theirs).max()) + template.extra
        width += -width % _MULTIPLE
        table = np.stack([ours, theirs, self._queries.starts[query], self._texts.starts[text]])
        ours_, theirs_, query_start, text_start = torch.from_numpy(table).to(device, non_blocking=True)[:, :, None]
        place = torch.arange(width, device=device)[None, :]
        middle = len(template.before) + ours_
        second = middle + len(template.between)
        end = second + theirs_
        rows = torch.full((len(query), width), template.pad, dtype=torch.long, device=device)
        for start, stop, first, source in (
            (len(template.before), middle, query_start, self._queries.row),
            (second, end, text_start, self._texts.row),
        ):
            inside = (place >= start) & (place < stop)
            found = source[torch.where(inside, place - start + first, 0)]
            rows = torch.where(inside, found, rows)
        for start, special in ((middle * 0, template.before), (middle, template.between), (end, template.after)):
            for offset, token in enumerate(special):
                rows.scatter_(1, start + offset, token)
        inputs = {"input_ids": rows, "attention_mask": (place < end + len(template.after)).long()}
        if template.types:
            inputs["token_type_ids"] = ((place >= second) & (place < end + len(template.after))).long()
        return inputs
