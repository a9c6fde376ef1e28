"""Check the inputs of a run before it starts, so that no stage fails after hours of training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from akin.relevance import format_of
from akin.relevance.collection import CORPUS, QRELS, QUERIES
from training.data import cross_encoder_filter
from training.data.config import HybridNegativesConfig
from training.data.pairs import NOT_OF_ONE_PAPER
from training.errors import ConfigurationError
from training.fit import losses, models
from training.pipeline.configuration import Configuration
from training.registry import publish


def check(configuration: Configuration) -> None:
    """Check that everything the configuration names exists. Nothing large is read and nothing is written.

    Raises:
        ConfigurationError: A file is missing, the pairs do not match the loss or the mining, or no paper is left to
            train on; the message names the key.
        SourceError: A model does not exist.
        PublishError: The model repository cannot be written into.
    """
    for key, path in _files(configuration):
        if path.is_dir():
            raise ConfigurationError(f"{key}: {path} is a folder. Name a file in it.")
        if not path.is_file():
            raise ConfigurationError(f"{key}: there is no file {path}.")
    data = configuration.data
    if data.held_out_share + data.validation_share >= 1:
        raise ConfigurationError(
            f"data.held_out_share and data.validation_share ({data.held_out_share:g} and {data.validation_share:g}) "
            "leave no paper to train on: their sum must be below 1."
        )
    models.check(configuration.model.source, pooling=configuration.model.pooling)
    kinds = [kind for kind, share in configuration.pairs.shares.items() if share > 0]
    losses.check_kinds(
        configuration.loss,
        configuration.losses,
        kinds,
        configuration.pairs.labelled,
        streaming=configuration.trainer.streaming,
    )
    if isinstance(configuration.mine, HybridNegativesConfig) and (others := sorted(NOT_OF_ONE_PAPER & set(kinds))):
        raise ConfigurationError(
            f"mine=hybrid needs pairs that are parts of one paper, and pairs.shares.{others[0]} gives others: set it "
            "to 0, or choose another `mine`."
        )
    if isinstance(configuration.mine, HybridNegativesConfig) and configuration.mine.filter is not None:
        cross_encoder_filter.check(configuration.mine.filter)
    named = {"loss": configuration.loss, **{f"losses.{kind}": loss for kind, loss in configuration.losses.items()}}
    for name, loss in named.items():
        for key, source in loss.other_models().items():
            models.check(source, f"{name}.{key}")
    publish.check_writable(Path(configuration.paths.repository))


def _files(configuration: Configuration) -> Iterator[tuple[str, Path]]:
    """Yield the files that must exist, with the keys that name them."""
    if configuration.data.papers != "sample":
        yield "data.papers", Path(configuration.data.papers).expanduser()
    if configuration.pairs.citations:
        yield "pairs.citations", Path(configuration.pairs.citations).expanduser()
    if configuration.pairs.feedback:
        yield "pairs.feedback", Path(configuration.pairs.feedback).expanduser()
    if configuration.compress.calibration:
        yield "compress.calibration", Path(configuration.compress.calibration).expanduser()
    for folder in map(Path, configuration.evaluation.sets):
        if format_of(folder.expanduser()) in (None, "BEIR"):
            for file in (CORPUS, QUERIES, QRELS):
                yield "evaluation.sets", folder.expanduser() / file
