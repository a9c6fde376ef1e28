"""Rows of an ablation: each is a name and the changes of the configuration that make it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from akin.storage.durable import replace_file
from training.errors import ConfigurationError
from training.pipeline.configuration import Configuration

ROWS_FILE = "rows.json"


class Row(msgspec.Struct, frozen=True):
    """Row: a training, the mean of the weights of other rows, or the model as it is.

    Attributes:
        name: name in the table.
        configuration: configuration of the training.
        train: False for the model as it is.
        soup: names of earlier rows whose weights are averaged instead of a training (Wortsman et al., 2022).
    """

    name: str
    configuration: Configuration
    train: bool = True
    soup: list[str] = []


class _Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    overrides: list[str] = []
    train: bool = True
    soup: list[str] = []


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    common: list[str]
    rows: list[_Written]


def compose_rows(overrides: Sequence[str] = (), path: Path | None = None) -> list[Row]:
    """Return the rows of a file (by default `configs/ablation.yaml`), with further changes to all of them.

    Raises:
        ConfigurationError: The file or a change cannot be read, two rows have the same name, or a
            row averages one that does not stand before it.
    """
    # Imported here, because a machine that only runs composed rows has no Hydra.
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError  # type: ignore[import-untyped]

    from training.pipeline.composition import CONFIGS, compose

    path = path or CONFIGS / "ablation.yaml"
    try:
        written = msgspec.convert(OmegaConf.to_container(OmegaConf.load(path), resolve=False), _File)
    except (OSError, YAMLError, OmegaConfBaseException, msgspec.ValidationError) as error:
        raise ConfigurationError(f"{path} cannot be read as rows of an ablation: {error}.") from error
    if len({row.name for row in written.rows}) < len(written.rows):
        raise ConfigurationError(f"{path}: two rows have the same name. Give each its own.")
    for place, row in enumerate(written.rows):
        if unknown := sorted(set(row.soup) - {earlier.name for earlier in written.rows[:place]}):
            raise ConfigurationError(f"{path}: {row.name} averages {unknown[0]}, which is no earlier row.")
    return [
        Row(row.name, compose([*written.common, *overrides, *row.overrides]), row.train and not row.soup, row.soup)
        for row in written.rows
    ]


def write_rows(folder: Path, rows: Sequence[Row]) -> None:
    """Write the composed rows, so that a machine without Hydra can run them."""
    replace_file(folder / ROWS_FILE, msgspec.json.format(msgspec.json.encode(rows)) + b"\n")


def read_rows(folder: Path) -> list[Row]:
    """Return the rows that `write_rows` wrote.

    Raises:
        ConfigurationError: They cannot be read.
    """
    try:
        return msgspec.json.decode((folder / ROWS_FILE).read_bytes(), type=list[Row])
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigurationError(f"{folder / ROWS_FILE} cannot be read ({error}): compose the rows again.") from error
