"""Compose Hydra's groups into a `Configuration`. An error names the key that is wrong."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hydra
import msgspec
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from training.errors import ConfigurationError
from training.pipeline.configuration import Configuration

CONFIGS = Path(__file__).resolve().parents[3] / "configs"
ROOT = CONFIGS.parents[1]


def compose(overrides: Sequence[str] = ()) -> Configuration:
    """Return the configuration made of the groups' defaults and these overrides, in Hydra's grammar.

    Raises:
        ConfigurationError: A group, a name in a group, a key or a value is wrong; the message names it.
    """
    try:
        with hydra.initialize_config_dir(config_dir=str(CONFIGS), version_base="1.3"):
            composed = hydra.compose("config", overrides=list(overrides))
        if missing := sorted(OmegaConf.missing_keys(composed)):
            raise ConfigurationError(f"{', '.join(missing)} must be given: {missing[0]}=VALUE.")
        plain = OmegaConf.to_container(composed, resolve=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigurationError(f"{_one_line(error)} See docs/training.md for the groups and their keys.") from error
    return parse_configuration(plain)


def parse_configuration(plain: Any) -> Configuration:
    """Return the configuration that plain dictionaries describe.

    Raises:
        ConfigurationError: A key is unknown or missing, or a value is out of bounds.
    """
    try:
        return msgspec.convert(plain, Configuration)
    except msgspec.ValidationError as error:
        reason = str(error).replace("`$.", "`").replace("`$`", "the top")
        raise ConfigurationError(f"the configuration is refused: {reason}.") from error


def groups() -> dict[str, list[str]]:
    """Return the names of each group."""
    return {
        folder.name: sorted(file.stem for file in folder.glob("[!_]*.yaml"))
        for folder in sorted(CONFIGS.iterdir())
        if folder.is_dir()
    }


def set_default_paths() -> None:
    """Set the folders that `akin` passes on to their defaults, for stages that DVC runs without `akin`."""
    os.environ.setdefault("AKIN_DATA", str(ROOT / "data"))
    os.environ.setdefault("AKIN_MODEL_REPOSITORY", str(ROOT / "model_repository"))


def _one_line(error: Exception) -> str:
    """Return the message of a Hydra error in one line, with the options that it lists."""
    lines = [line.strip() for line in str(error).splitlines()]
    kept = [line for line in lines if line and not line.startswith(("full_key:", "object_type", "Config search path"))]
    found = kept[:1] + [line for line in kept[1:] if not line.startswith(("provider=", "To append", "See "))]
    return f"{' '.join(found).rstrip('.')}."
