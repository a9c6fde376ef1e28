"""What a run is refused for before its first minute, as its stages would come upon it only after the training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from relevance.collection import CORPUS, QRELS, QUERIES
from training.errors import ConfigurationError, SourceError
from training.fit import models
from training.pipeline.configuration import Configuration, Distillation, Guided, Model
from training.registry import publish


def check(configuration: Configuration) -> None:
    """Looks whether all that the configuration names is there; reads nothing large and writes nothing.

    Raises:
        ConfigurationError: A file is missing, or pairs and loss do not go together; the message names the key.
        SourceError: The model is not there.
        PublishError: The model repository cannot be written into.
    """
    for key, path in _named(configuration):
        if not path.is_file():
            raise ConfigurationError(f"{key}: there is no file {path}.")
    models.check(configuration.model)
    loss = configuration.loss
    teacher = loss.guide if isinstance(loss, Guided) else loss.teacher if isinstance(loss, Distillation) else None
    if teacher is not None:
        key = "loss.guide" if isinstance(loss, Guided) else "loss.teacher"
        try:
            models.check(Model(source=teacher, max_length=512, pooling="mean", freeze_embeddings=False, dropout=None))
        except SourceError as error:
            raise SourceError(str(error).replace("model.source", key)) from error
    # Only now, as it brings torch.
    from training.fit import losses

    losses.check(loss, configuration.pairs.labelled)
    publish.check_writable(Path(configuration.paths.repository))


def _named(configuration: Configuration) -> Iterator[tuple[str, Path]]:
    """Files that must be there, by the key that names them."""
    if configuration.data.papers != "sample":
        yield "data.papers", Path(configuration.data.papers).expanduser()
    if configuration.pairs.citations:
        yield "pairs.citations", Path(configuration.pairs.citations).expanduser()
    if configuration.compress.calibration:
        yield "compress.calibration", Path(configuration.compress.calibration).expanduser()
    for folder in configuration.evaluation.sets:
        for file in (CORPUS, QUERIES, QRELS):
            yield "evaluation.sets", Path(folder).expanduser() / file
