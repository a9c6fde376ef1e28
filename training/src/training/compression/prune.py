"""A smaller model before it is exported: fewer layers, fewer tokens.

Both change what the model says; what they cost is for an evaluation to tell. Fine-tuning the pruned model wins some of
it back.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from training.errors import UnsupportedModel

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_LAYERS = ("encoder.layer", "transformer.layer", "layers")
"""Where architectures keep their layers: BERT and its like, DistilBERT, ModernBERT."""


@dataclass(frozen=True)
class Pruning:
    """What is left out.

    Attributes:
        layers: how many are kept; None is all of them.
        token_count: a token is kept when the calibration papers have it so often; None keeps all tokens.
    """

    layers: int | None = None
    token_count: int | None = None


def prune(model: SentenceTransformer, pruning: Pruning, texts: Iterable[str]) -> dict[str, int]:
    """Prunes a model in place.

    Args:
        model: a sentence-transformers model, its first module a transformer.
        pruning: what to leave out.
        texts: that tokens are counted in.

    Returns:
        For the manifest: `layers` and `tokens` that are left, where something was left out.

    Raises:
        UnsupportedModel: The architecture or the tokenizer is of another kind, or there are not so many layers.
    """
    left: dict[str, int] = {}
    if pruning.layers is not None:
        keep_layers(model, pruning.layers)
        left["layers"] = pruning.layers
    if pruning.token_count is not None:
        left["tokens"] = keep_tokens(model, texts, pruning.token_count)
    return left


def keep_layers(model: SentenceTransformer, count: int) -> None:
    """Keeps `count` layers, evenly spaced, the first and the last among them.

    Raises:
        UnsupportedModel: The layers are not found, or there are fewer.
    """
    import torch

    first: Any = model[0]
    transformer = first.auto_model
    for path in _LAYERS:
        *outer, last = path.split(".")
        holder = transformer
        for name in outer:
            holder = getattr(holder, name, None)
        layers = getattr(holder, last, None)
        if isinstance(layers, torch.nn.ModuleList):
            break
    else:
        raise UnsupportedModel(f"the layers of {type(transformer).__name__} are not where they are looked for.")
    if not 1 <= count <= len(layers):
        raise UnsupportedModel(f"the model has {len(layers)} layers; {count} of them cannot be kept.")
    places = np.linspace(0, len(layers) - 1, count).round().astype(int) if count > 1 else [0]
    setattr(holder, last, torch.nn.ModuleList(layers[int(place)] for place in places))
    transformer.config.num_hidden_layers = count


def keep_tokens(model: SentenceTransformer, texts: Iterable[str], least: int) -> int:
    """Keeps the tokens that occur `least` times, single characters, and the special ones.

    A word whose token went is written with the longest pieces that stayed, as WordPiece does with any rare word.

    Returns:
        How many tokens are left.

    Raises:
        UnsupportedModel: The tokenizer is not a WordPiece. (Byte pairs cannot lose tokens without their merges.)
    """
    import torch
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    old: Any = model.tokenizer
    described = json.loads(old.backend_tokenizer.to_str())
    if described["model"]["type"] != "WordPiece":
        raise UnsupportedModel(f"only a WordPiece vocabulary can be trimmed; this is a {described['model']['type']}.")
    counter = Tokenizer.from_str(old.backend_tokenizer.to_str())
    counter.no_truncation()
    counts = Counter(token for text in texts for token in counter.encode(text, add_special_tokens=False).ids)
    prefix = described["model"]["continuing_subword_prefix"]
    special = {token["content"] for token in described["added_tokens"]}
    vocabulary: dict[str, int] = described["model"]["vocab"]
    kept = [
        (token, place)
        for token, place in sorted(vocabulary.items(), key=lambda item: item[1])
        if counts[place] >= least or token in special or len(token.removeprefix(prefix)) == 1
    ]
    numbers = {token: number for number, (token, _) in enumerate(kept)}
    described["model"]["vocab"] = numbers
    for token in described["added_tokens"]:
        token["id"] = numbers[token["content"]]
    renumber(described["post_processor"], numbers)
    first: Any = model[0]
    transformer = first.auto_model
    weights = transformer.get_input_embeddings().weight.data[[place for _, place in kept]]
    pad = numbers.get(str(old.pad_token), 0)
    embeddings = torch.nn.Embedding(len(kept), weights.shape[1], padding_idx=pad)
    embeddings.weight.data.copy_(weights)
    transformer.set_input_embeddings(embeddings)
    transformer.config.vocab_size = len(kept)
    transformer.config.pad_token_id = pad
    names = {name: str(value) for name, value in old.special_tokens_map.items() if isinstance(value, str)}
    first.processor = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # it has no annotations
        tokenizer_object=Tokenizer.from_str(json.dumps(described)),
        model_max_length=old.model_max_length,
        model_input_names=old.model_input_names,
        **names,
    )
    return len(kept)


def renumber(post_processor: dict[str, Any] | None, numbers: dict[str, int]) -> None:
    """Gives the special tokens that are put around a text their new numbers."""
    if not post_processor:
        return
    for name in ("sep", "cls"):  # of BertProcessing: a pair of token and number
        if isinstance(post_processor.get(name), list):
            post_processor[name][1] = numbers[post_processor[name][0]]
    for token, place in (post_processor.get("special_tokens") or {}).items():  # of TemplateProcessing
        place["ids"] = [numbers[token]]
