"""Make a model smaller before it is exported: remove layers or tokens.

Both change the vectors; an evaluation shows the loss. Fine-tuning the pruned model afterwards reduces it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from training.errors import UnsupportedModel
from training.registry.supported import is_static

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_LAYERS = ("encoder.layer", "transformer.layer", "layers")
"""Attributes that hold the layers in BERT and similar models, DistilBERT, and ModernBERT."""


@dataclass(frozen=True)
class Pruning:
    """Layers and tokens that are kept.

    Attributes:
        layers: number of layers that are kept; None keeps all.
        token_count: a token is kept if it occurs at least so often in the calibration papers; None keeps all tokens.
    """

    layers: int | None = None
    token_count: int | None = None


def prune(model: SentenceTransformer, pruning: Pruning, texts: Iterable[str]) -> dict[str, int]:
    """Prune a model in place.

    Args:
        model: a sentence-transformers model whose first module is a transformer.
        pruning: layers and tokens to keep.
        texts: texts in which tokens are counted.

    Returns:
        For the manifest: the numbers of `layers` and of `tokens` that are left, for each that was pruned.

    Raises:
        UnsupportedModel: The architecture or the tokenizer is not supported, or the model has too few layers.
    """
    left: dict[str, int] = {}
    if is_static(model) and pruning != Pruning():
        raise UnsupportedModel("a model of word vectors has no layers to prune, and its tokens are not pruned.")
    if pruning.layers is not None:
        keep_layers(model, pruning.layers)
        left["layers"] = pruning.layers
    if pruning.token_count is not None:
        left["tokens"] = keep_tokens(model, texts, pruning.token_count)
    return left


def keep_layers(model: SentenceTransformer, count: int) -> None:
    """Keep `count` layers, evenly spaced, including the first and the last.

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
        raise UnsupportedModel(
            f"{type(transformer).__name__} cannot be pruned: it has no layers under {', '.join(_LAYERS)}."
        )
    if not 1 <= count <= len(layers):
        raise UnsupportedModel(f"the model has {len(layers)} layers; {count} of them cannot be kept.")
    places = np.linspace(0, len(layers) - 1, count).round().astype(int) if count > 1 else [0]
    setattr(holder, last, torch.nn.ModuleList(layers[int(place)] for place in places))
    transformer.config.num_hidden_layers = count


def keep_tokens(model: SentenceTransformer, texts: Iterable[str], least: int) -> int:
    """Keep the tokens that occur at least `least` times, single characters, and special tokens.

    A word whose token was removed is split into the longest pieces that were kept, as WordPiece does with rare words.

    Returns:
        The number of tokens that are left.

    Raises:
        UnsupportedModel: The tokenizer is not a WordPiece. (Byte-pair merges need all tokens.)
    """
    import torch
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    old: Any = model.tokenizer
    definition = json.loads(old.backend_tokenizer.to_str())
    if definition["model"]["type"] != "WordPiece":
        raise UnsupportedModel(f"only a WordPiece vocabulary can be trimmed; this is a {definition['model']['type']}.")
    counter = Tokenizer.from_str(old.backend_tokenizer.to_str())
    counter.no_truncation()
    counts = Counter(token for text in texts for token in counter.encode(text, add_special_tokens=False).ids)
    prefix = definition["model"]["continuing_subword_prefix"]
    special = {token["content"] for token in definition["added_tokens"]}
    vocabulary: dict[str, int] = definition["model"]["vocab"]
    kept = [
        (token, place)
        for token, place in sorted(vocabulary.items(), key=lambda item: item[1])
        if counts[place] >= least or token in special or len(token.removeprefix(prefix)) == 1
    ]
    numbers = {token: number for number, (token, _) in enumerate(kept)}
    definition["model"]["vocab"] = numbers
    for token in definition["added_tokens"]:
        token["id"] = numbers[token["content"]]
    renumber(definition["post_processor"], numbers)
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
        tokenizer_object=Tokenizer.from_str(json.dumps(definition)),
        model_max_length=old.model_max_length,
        model_input_names=old.model_input_names,
        **names,
    )
    return len(kept)


def renumber(post_processor: dict[str, Any] | None, numbers: dict[str, int]) -> None:
    """Give the special tokens that are put around a text their new numbers."""
    if not post_processor:
        return
    for name in ("sep", "cls"):  # of BertProcessing: a pair of token and number
        if isinstance(post_processor.get(name), list):
            post_processor[name][1] = numbers[post_processor[name][0]]
    for token, place in (post_processor.get("special_tokens") or {}).items():  # of TemplateProcessing
        place["ids"] = [numbers[token]]
