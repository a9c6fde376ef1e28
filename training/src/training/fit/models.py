"""Model to fine-tune, as the configuration describes it, and the device and precision that it runs with."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.devices import Precision as Precision
from training.devices import autocast as autocast
from training.devices import choose_device as choose_device
from training.devices import choose_precision as choose_precision
from training.errors import SourceError
from training.registry import source as sources

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from training.fit.config import ModelConfig

_MODULES = "modules.json"
_POOLED = ("StaticEmbedding", "BoW", "CLIPModel")
"""Types of modules that give one vector for a text without pooling."""

_BARE_ENCODER = {
    "weights": ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin*"),
    "tokenizer": ("tokenizer.json", "tokenizer_config.json", "vocab.txt"),
}
_FLAGS = {
    "mean": "pooling_mode_mean_tokens",
    "cls": "pooling_mode_cls_token",
    "max": "pooling_mode_max_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}


def load(settings: ModelConfig, device: str = "cpu", *, key: str = "model.source") -> SentenceTransformer:
    """Return a model to fine-tune: a sentence-transformers model, or a bare encoder with pooling added.

    It reads as many tokens as its source; training itself cuts texts to `max_length`.

    Args:
        settings: description of the model.
        device: `cpu` or `cuda`.
        key: configuration key that names the model, for the error message.

    Raises:
        SourceError: The model cannot be loaded, or pools in another way than the settings say.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    found = _find(settings.source, key)
    is_bare_encoder = _check_pooling(found, settings.pooling, key)
    model: SentenceTransformer
    arguments = {} if settings.dropout is None else _dropout(settings.dropout)
    try:
        if is_bare_encoder:
            bottom = Transformer(found.location, config_kwargs=arguments)
            pooling = Pooling(bottom.get_embedding_dimension(), pooling_mode=settings.pooling or "mean")
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

    settings = ModelConfig(source=source, max_length=None, pooling=None, freeze_embeddings=False, dropout=None)
    return load(settings, device, key=key)


def describe(source: str | None, model: SentenceTransformer) -> dict[str, str]:
    """Return the origin of a model that was just loaded, and the SHA-256 of its weights."""
    found = _find(source)
    return {"source": found.origin, "weights_sha256": sources.weights_sha256(model, found)}


def check(source: str | None, key: str = "model.source", pooling: str | None = None) -> None:
    """Check that a model exists and can be trained, without loading it. A hub that cannot be reached is not asked.

    Raises:
        SourceError: The model does not exist, is incomplete, or pools in another way than requested; the message starts
            with the key.
    """
    found = _find(source, key)
    is_bare_encoder = _check_pooling(found, pooling, key)
    folder = Path(found.location)
    if is_bare_encoder and folder.is_dir():
        for what, names in _BARE_ENCODER.items():
            if not any(any(folder.glob(name)) for name in names):
                raise SourceError(f"{key}: {folder} has no {what} ({' or '.join(names)}).")


def is_bare_encoder(source: str | None) -> bool:
    """Return True for an encoder without modules of sentence-transformers, such as pooling."""
    return _check_pooling(_find(source), None, "model.source")


def _find(source: str | None, key: str = "model.source") -> sources.ModelSource:
    folder = Path(source).expanduser() if source is not None else None
    if folder and (folder / "config.json").is_file() and not (folder / _MODULES).is_file():
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        name = folder.resolve().name
        return sources.ModelSource(name, str(folder), f"folder {name}")
    try:
        return sources.resolve(source)
    except SourceError as error:
        raise SourceError(f"{key}: {error}") from error


def _check_pooling(found: sources.ModelSource, wanted: str | None, key: str) -> bool:
    """Return True for a bare encoder, to which pooling has to be added.

    Raises:
        SourceError: The model has modules, but none that pools, or one that pools in another way than `wanted`.
    """
    listed = _read_json(found.location, _MODULES)
    if listed is None:
        return True
    pools = [module for module in listed if str(module["type"]).endswith("Pooling")]
    makes_vectors = any(str(module["type"]).endswith(_POOLED) for module in listed)
    if listed and not pools and not makes_vectors:
        raise SourceError(
            f"{key}: {found.location} has {_MODULES}, but no module that pools. Remove that file to have model.pooling "
            "added to the encoder."
        )
    if not wanted or not pools:
        return False
    settings = _read_json(found.location, f"{pools[0]['path']}/config.json") or {}
    own = settings.get("pooling_mode") or next(
        (name for name, flag in _FLAGS.items() if settings.get(flag)), "another kind"
    )
    if own != wanted:
        raise SourceError(
            f"{key}: {found.location} pools by {own}, and model.pooling is {wanted}. Leave model.pooling out: it is "
            "for encoders without pooling."
        )
    return False


def _read_json(location: str, name: str) -> Any:
    """Return the content of a file of a folder or of the hub.

    Returns:
        None if the model has no such file; an empty list if the hub cannot be reached.
    """
    path = Path(location) / name
    if not Path(location).is_dir():
        import huggingface_hub
        from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

        try:
            path = Path(huggingface_hub.hf_hub_download(location, name))
        except LocalEntryNotFoundError:
            return []
        except EntryNotFoundError:
            return None
        except (HfHubHTTPError, OSError, ValueError):
            return []
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise SourceError(f"{path} is not JSON: {error}.") from error


def _dropout(share: float) -> dict[str, float]:
    names = ("hidden_dropout_prob", "attention_probs_dropout_prob", "attention_dropout", "mlp_dropout")
    return dict.fromkeys(names, share)
