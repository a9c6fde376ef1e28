"""Decide how a model is served: check that a version can do what the model does, and settle its prompts and lengths.

The prompts are those for retrieval: sentence-transformers' `encode_query` and `encode_document` use them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.errors import SourceError, UnsupportedModel
from training.progress import log_progress
from training.registry.manifest import given_prompts
from training.registry.recipes import Recipe

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

USUAL_LENGTH = 512
"""Most tokens that a version reads of a text unless asked for more; an abstract has about 200."""

LONGEST = 8192
# Names that `encode_document` of sentence-transformers looks for, in its order.
_PASSAGE_NAMES = ("document", "passage", "corpus")
_MODULES = frozenset({"Transformer", "StaticEmbedding", "Pooling", "Dense", "LayerNorm", "Dropout", "Normalize"})
_NAMES_OF_HUB_CODE = {
    "n_embd": "hidden_size",
    "n_layer": "num_hidden_layers",
    "n_head": "num_attention_heads",
    "n_inner": "intermediate_size",
}
_REASONS = {
    "Router": "sends queries and passages through different modules, and a version has one graph. Save one of the two "
    "as a model of its own",
    "CLIPModel": "reads images",
}


def require_supported(model: SentenceTransformer, name: str) -> None:
    """Check that a version can do what the model does.

    Raises:
        UnsupportedModel: It cannot; the message says what and why.
    """
    for module in model:
        kind = type(module).__name__
        if kind not in _MODULES or (type(module).__module__.split(".")[0] != "sentence_transformers"):
            reason = _REASONS.get(kind, f"cannot be served. Modules that can: {', '.join(sorted(_MODULES))}")
            raise UnsupportedModel(f"{name} has the module {kind}, which {reason}.")
    modalities = [each for each in getattr(model[0], "modalities", ["text"]) if each != "text"]
    if modalities:
        raise UnsupportedModel(f"{name} reads {', '.join(map(str, modalities))} as well as text; only text is served.")
    if is_static(model):
        return
    transformer: Any = model[0]
    require_read(transformer.auto_model.config, name)
    if not any(type(module).__name__ == "Pooling" for module in model):
        raise UnsupportedModel(f"{name} has no module Pooling: it makes a vector for each token, and not one a text.")
    if not getattr(model.tokenizer, "is_fast", False):
        raise UnsupportedModel(
            f"{name} has no fast tokenizer (tokenizer.json), which serving needs. Convert it with transformers "
            "(AutoTokenizer.from_pretrained(…, use_fast=True)) and save the model again, or choose another model."
        )


def require_read(config: Any, name: str) -> None:
    """Check that transformers read the sizes of a model that was saved for code of its repository.

    Such a configuration has names of its own, which transformers ignores: it takes its default sizes instead, and
    random weights for what the file lacks.

    Args:
        config: configuration of the transformer, as transformers read it.
        name: name of the model.

    Raises:
        UnsupportedModel: A size differs, or the layers hold experts.
    """
    for own, read in _NAMES_OF_HUB_CODE.items():
        saved, used = getattr(config, own, None), getattr(config, read, None)
        if None not in (saved, used) and saved != used:
            raise UnsupportedModel(
                f"{name} was saved for code of its repository, which is never run: transformers reads {read}={used} "
                f"where its configuration has {own}={saved}. Choose a model that transformers itself saved."
            )
    if config.model_type == "nomic_bert" and getattr(config, "num_experts", 0):
        raise UnsupportedModel(
            f"{name} has layers of several experts, which transformers' own {config.model_type} has not. "
            "Choose another model: akin encoder recipes"
        )


def is_static(model: SentenceTransformer) -> bool:
    """Return True if the model looks up a vector for each token and averages them, without a transformer."""
    return type(model[0]).__name__ == "StaticEmbedding"


def set_prompts(model: SentenceTransformer, location: str, recipe: Recipe | None, *, cached_only: bool = False) -> None:
    """Make `encode_query` and `encode_document` use the makers' prompts for retrieval.

    The model's own prompts are preferred; the recipe's are used if it has none. A model that has neither a prompt for
    queries nor one for passages uses its default prompt for both. sentence-transformers itself ignores a prompt named
    `passage` or a default prompt in these two functions if the saved model has no prompt named `document` or `query`.
    """
    query, passage = own_prompts(_saved_settings(location, cached_only))
    if not query and not passage and recipe is not None and (recipe.query or recipe.passage):
        query, passage = recipe.query, recipe.passage
        log_progress(f"prompts of the recipe {recipe.name}: {query!r} for queries, {passage!r} for passages")
    others = sorted(name for name, text in model.prompts.items() if text and text not in (query, passage))
    if others and not query and not passage:
        log_progress(f"the prompts {', '.join(others)} are for other tasks and are not used (see --query-prompt)")
    replace_prompts(model, query, passage)


def own_prompts(saved: Mapping[str, Any]) -> tuple[str, str]:
    """Return the prompts for queries and passages in a saved model's settings, `config_sentence_transformers.json`."""
    named = saved.get("prompts") or {}
    default = named.get(saved.get("default_prompt_name")) or ""
    passage = next((named[name] for name in _PASSAGE_NAMES if name in named), default)
    return named.get("query", default) or "", passage or ""


def replace_prompts(model: SentenceTransformer, query: str | None, passage: str | None) -> None:
    """Replace the prompts that are not None."""
    if query is not None:
        model.prompts["query"] = query
    if passage is not None:
        model.prompts["document"] = passage
    model.default_prompt_name = None


def prompts(model: SentenceTransformer) -> dict[str, str]:
    """Return the prompts by input type, as the manifest has them; empty if both are."""
    return given_prompts({"query": model.prompts.get("query") or "", "passage": model.prompts.get("document") or ""})


def model_digest(model: SentenceTransformer, weights_sha256: str) -> str:
    """Return a digest of what decides a model's vectors beside its length: the weights', alone or with the prompts."""
    found = prompts(model)
    return hashlib.sha256(json.dumps([weights_sha256, found]).encode()).hexdigest() if found else weights_sha256


def require_prompts(model: SentenceTransformer, length: int, name: str) -> None:
    """Check that the prompts can be served: half of the length is left for a text, and their tokens are pooled.

    Raises:
        UnsupportedModel: A prompt fills more than half of the length, or is left out of the pooling.
    """
    for kind, prompt in prompts(model).items():
        if prompt and any(getattr(module, "include_prompt", True) is False for module in model):
            raise UnsupportedModel(
                f"{name} leaves its prompt for a {kind} out of the pooling (include_prompt=False), which a version "
                "cannot do: its graph does not know where the prompt ends."
            )
        tokens = len(_token_ids(model, prompt))
        if prompt and tokens > length // 2:
            raise UnsupportedModel(
                f"the prompt for a {kind} has {tokens} tokens, and {name} reads {length} of a text: at least half must "
                "be left for the text. Give a shorter prompt or a larger --max-length."
            )


def max_length(model: SentenceTransformer, wanted: int | None = None) -> int:
    """Return how many tokens of a text the exported encoder reads.

    Args:
        model: the loaded model.
        wanted: the number that the user asks for; None is the model's own, at most `USUAL_LENGTH`.

    Raises:
        UnsupportedModel: The model has fewer positions than the user asks for.
    """
    most = _positions(model)
    if wanted is not None:
        if not 1 <= wanted <= most:
            raise UnsupportedModel(
                f"the model reads at most {most:,} tokens of a text: --max-length is from 1 to {most}."
            )
        return wanted
    return int(min(model.max_seq_length or most, most, USUAL_LENGTH))


def limit_length(model: SentenceTransformer, length: int) -> None:
    """Make the model read at most so many tokens of a text, as the exported encoder does."""
    if is_static(model):
        tokenizer: Any = model.tokenizer
        tokenizer.enable_truncation(length)
    else:
        model.max_seq_length = length


def require_dimensions(model: SentenceTransformer, wanted: int | None, recipe: Recipe | None) -> None:
    """Check that vectors can be cut to a number of dimensions.

    Raises:
        SourceError: The model's vectors are not longer.
    """
    have = model.get_embedding_dimension()
    if wanted is None:
        return
    if have is not None and not 1 <= wanted <= have:
        raise SourceError(f"the model's vectors have {have} dimensions: --dimensions is from 1 to {have}.")
    if wanted != have and not (recipe and wanted in recipe.dimensions):
        log_progress(
            f"cutting vectors to {wanted} dimensions costs relevance, unless the model was trained for it (Matryoshka)"
        )


def _positions(model: SentenceTransformer) -> int:
    """Return the longest text that the model has positions for."""
    if is_static(model):
        return LONGEST
    first: Any = model[0]
    config = first.auto_model.config
    found = getattr(config, "max_position_embeddings", None) or LONGEST
    # These count positions from the padding's id on.
    offset = config.pad_token_id + 1 if config.model_type in {"roberta", "xlm-roberta", "camembert", "mpnet"} else 0
    return int(min(found - offset, LONGEST))


def _token_ids(model: SentenceTransformer, text: str) -> list[int]:
    tokenizer: Any = model.tokenizer
    if is_static(model):
        return list(tokenizer.encode(text, add_special_tokens=False).ids)
    return list(tokenizer(text, truncation=False)["input_ids"])


def _saved_settings(location: str, cached_only: bool) -> dict[str, Any]:
    from sentence_transformers.util import load_file_path

    path = load_file_path(location, "config_sentence_transformers.json", local_files_only=cached_only)
    found: dict[str, Any] = json.loads(Path(path).read_bytes()) if path else {}
    return found
