"""Save a model's tokenizer for serving, and tokenize texts for calibration."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import Tokenizer

from training.compression.linear_layers import Feed
from training.registry.supported import is_static

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def save_tokenizer(model: SentenceTransformer, path: Path) -> int:
    """Write the tokenizer without truncation and padding, which serving sets itself, and return the padding's id."""
    if is_static(model):
        # Such a model reads the tokens of the text alone, without [CLS] and [SEP].
        static: Any = model.tokenizer
        settings = json.loads(static.to_str())
        tokenizer = Tokenizer.from_str(json.dumps({**settings, "post_processor": None}))
        pad = None
    else:
        tokenizer = Tokenizer.from_str(model.tokenizer.backend_tokenizer.to_str())
        pad = model.tokenizer.pad_token_id
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.save(str(path))
    return int(pad) if pad is not None else 0


def feeds(tokenizer_file: Path, texts: Sequence[str], inputs: Sequence[str], max_length: int) -> Iterator[Feed]:
    """Yield the graph's inputs for one text after another, each [1, tokens] without padding."""
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.enable_truncation(max_length)
    for text in texts:
        encoding = tokenizer.encode(text)
        columns = {
            "input_ids": encoding.ids,
            "attention_mask": encoding.attention_mask,
            "token_type_ids": encoding.type_ids,
        }
        yield {name: np.array([columns[name]], dtype=np.int64) for name in inputs}
