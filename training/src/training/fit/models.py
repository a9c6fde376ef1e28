"""Model to fine-tune, as the configuration describes it, and the device and precision that it runs with."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from storage.cpu import cpu_features
from training.errors import SourceError
from training.registry import source as sources

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from training.fit.config import ModelConfig

Precision = Literal["fp32", "bf16", "fp16"]
_NATIVE_BF16 = frozenset({"avx512_bf16", "amx_bf16", "bf16"})


def load(settings: ModelConfig, device: str = "cpu", *, key: str = "model.source") -> SentenceTransformer:
    """Return a model to fine-tune: a sentence-transformers model, or an encoder with pooling added.

    It reads as many tokens as its source; training itself cuts texts to `max_length`.

    Args:
        settings: description of the model.
        device: `cpu` or `cuda`.
        key: configuration key that names the model, for the error message.

    Raises:
        SourceError: The model cannot be loaded.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    found, is_bare_encoder = _find(settings.source, key)
    model: SentenceTransformer
    arguments = {} if settings.dropout is None else _dropout(settings.dropout)
    try:
        if is_bare_encoder:
            bottom = Transformer(found.location, config_kwargs=arguments)
            pooling = Pooling(bottom.get_embedding_dimension(), pooling_mode=settings.pooling)
            model = SentenceTransformer(modules=[bottom, pooling, Normalize()], device=device)
        else:
            model = SentenceTransformer(found.location, device=device, config_kwargs=arguments)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise SourceError(
            f"{key}: {found.location} cannot be loaded: {first} "
            "Give a model's folder, or a hub id while the hub can be reached."
        ) from error
    if settings.freeze_embeddings:
        encoder: Any = model[0]
        for parameter in encoder.auto_model.get_input_embeddings().parameters():
            parameter.requires_grad = False
    return model


def load_unchanged(source: str | None, key: str, device: str = "cpu") -> SentenceTransformer:
    """Return a model that is used but not trained: a guide or a teacher.

    Raises:
        SourceError: The model cannot be loaded; the message starts with the key.
    """
    from training.fit.config import ModelConfig

    settings = ModelConfig(source=source, max_length=512, pooling="mean", freeze_embeddings=False, dropout=None)
    return load(settings, device, key=key)


def describe(source: str | None, model: SentenceTransformer) -> dict[str, str]:
    """Return the origin of a model that was just loaded, and the SHA-256 of its weights."""
    found, _ = _find(source)
    return {"source": found.origin, "weights_sha256": sources.weights_sha256(model, found)}


def check(source: str | None, key: str = "model.source") -> None:
    """Check that a model exists, without loading it. A hub id is not checked.

    Raises:
        SourceError: The model does not exist; the message starts with the key.
    """
    _find(source, key)


def choose_device(wanted: Literal["auto", "cpu"]) -> str:
    """Return `cuda` if a GPU is requested and available, else `cpu`."""
    import torch

    return "cuda" if wanted == "auto" and torch.cuda.is_available() else "cpu"


def choose_precision(wanted: Literal["auto", "fp32", "bf16", "fp16"], device: str) -> Precision:
    """Return the precision to train in. `auto` is bf16 only on devices that multiply it natively: others are slower."""
    import torch

    if wanted != "auto":
        return wanted
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    return "bf16" if cpu_features() & _NATIVE_BF16 else "fp32"


def autocast(precision: Precision, device: str) -> AbstractContextManager[Any]:
    """Return a context in which matrices are multiplied in that precision."""
    import torch

    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device, dtype=torch.bfloat16 if precision == "bf16" else torch.float16)


def _find(source: str | None, key: str = "model.source") -> tuple[sources.ModelSource, bool]:
    """Return where a model is, and True if it is an encoder without pooling."""
    folder = Path(source).expanduser() if source is not None else None
    if folder and (folder / "config.json").is_file() and not (folder / "modules.json").is_file():
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        name = folder.resolve().name
        return sources.ModelSource(name, str(folder), f"folder {name}"), True
    try:
        found = sources.resolve(source)
    except SourceError as error:
        raise SourceError(f"{key}: {error}") from error
    # sentence-transformers itself adds mean pooling to a hub model that has none.
    return found, False


def _dropout(share: float) -> dict[str, float]:
    names = ("hidden_dropout_prob", "attention_probs_dropout_prob", "attention_dropout", "mlp_dropout")
    return dict.fromkeys(names, share)
