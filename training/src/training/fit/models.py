"""The model that is fine-tuned, as the configuration describes it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.errors import SourceError
from training.pipeline.configuration import Model
from training.registry import source

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def load(settings: Model, device: str = "cpu") -> SentenceTransformer:
    """A model to fine-tune: a sentence-transformers one, or an encoder that gets pooling on top.

    It reads as many tokens as its source; training cuts to `max_length` itself.

    Raises:
        SourceError: It cannot be loaded; the message names `model.source`.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    found, bare = _location(settings)
    where = found.location
    model: SentenceTransformer
    arguments = {} if settings.dropout is None else _dropout(settings.dropout)
    try:
        if bare:
            bottom = Transformer(where, config_kwargs=arguments)
            pooling = Pooling(bottom.get_embedding_dimension(), pooling_mode=settings.pooling)
            model = SentenceTransformer(modules=[bottom, pooling, Normalize()], device=device)
        else:
            model = SentenceTransformer(where, device=device, config_kwargs=arguments)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise SourceError(
            f"model.source: {where} cannot be loaded: {first} "
            "Give a model's folder, or a hub id while the hub can be reached."
        ) from error
    if settings.freeze_embeddings:
        encoder: Any = model[0]
        for parameter in encoder.auto_model.get_input_embeddings().parameters():
            parameter.requires_grad = False
    return model


def describe(settings: Model, model: SentenceTransformer) -> dict[str, str]:
    """Where a model that `load` just gave came from, and the SHA-256 of its weights."""
    found, _ = _location(settings)
    return {"source": found.origin, "weights_sha256": source.weights_sha256(model, found)}


def check(settings: Model) -> None:
    """Looks whether the model is there, without loading it; a hub id is taken at its word.

    Raises:
        SourceError: It is not; the message names `model.source`.
    """
    _location(settings)


def _location(settings: Model) -> tuple[source.ModelSource, bool]:
    """Where the model is, and whether it is an encoder without pooling."""
    folder = Path(settings.source).expanduser() if settings.source is not None else None
    if folder and (folder / "config.json").is_file() and not (folder / "modules.json").is_file():
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        name = folder.resolve().name
        return source.ModelSource(name, str(folder), f"folder {name}"), True
    try:
        found = source.resolve(settings.source)
    except SourceError as error:
        raise SourceError(f"model.source: {error}") from error
    if Path(found.location).is_dir():
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    # A hub id says itself what it is: sentence-transformers puts mean pooling on what has none.
    return found, False


def _dropout(share: float) -> dict[str, float]:
    names = ("hidden_dropout_prob", "attention_probs_dropout_prob", "attention_dropout", "mlp_dropout")
    return dict.fromkeys(names, share)
