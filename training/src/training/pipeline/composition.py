"""Hydra's groups compose into a `Configuration`; whatever is wrong with them is told by the key's name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hydra
import msgspec
from hydra import initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from training.errors import ConfigurationError
from training.pipeline.configuration import Configuration

CONFIGS = Path(__file__).resolve().parents[3] / "configs"


def compose(overrides: Sequence[str] = (), configs: Path = CONFIGS) -> Configuration:
    """The configuration that the groups' defaults and these overrides make, in Hydra's grammar.

    Raises:
        ConfigurationError: A group, a name in it, a key or a value is not one; the message names it.
    """
    try:
        with initialize_config_dir(config_dir=str(configs), version_base="1.3"):
            made = hydra.compose("config", overrides=list(overrides))
        if missing := sorted(OmegaConf.missing_keys(made)):
            raise ConfigurationError(f"{', '.join(missing)} must be given: {missing[0]}=VALUE.")
        plain = OmegaConf.to_container(made, resolve=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigurationError(f"{_flat(error)} See docs/training.md for the groups and their keys.") from error
    return parse_configuration(plain)


def parse_configuration(plain: Any) -> Configuration:
    """Plain dictionaries as a configuration.

    Raises:
        ConfigurationError: A key is unknown or missing, or a value is out of bounds.
    """
    try:
        return msgspec.convert(plain, Configuration)
    except msgspec.ValidationError as error:
        where = str(error).replace("`$.", "`").replace("`$`", "the top")
        raise ConfigurationError(f"the configuration is refused: {where}.") from error


def groups(configs: Path = CONFIGS) -> dict[str, list[str]]:
    """The names to choose from in each group."""
    return {
        folder.name: sorted(file.stem for file in folder.glob("[!_]*.yaml"))
        for folder in sorted(configs.iterdir())
        if folder.is_dir()
    }


def _flat(error: Exception) -> str:
    """An error of these libraries in one line, its options kept."""
    lines = [line.strip() for line in str(error).splitlines()]
    kept = [line for line in lines if line and not line.startswith(("full_key:", "object_type", "Config search path"))]
    return " ".join(kept[:1] + [line for line in kept[1:] if not line.startswith(("provider=", "To append", "See "))])


def set_default_paths() -> None:
    """Gives the paths that `akin` passes on their defaults, where the stages run without it (DVC)."""
    root = CONFIGS.parents[1]
    os.environ.setdefault("AKIN_DATA", str(root / "data"))
    os.environ.setdefault("AKIN_MODEL_REPOSITORY", str(root / "model_repository"))
