"""Errors of this package, as one tree, and the translation of errors about writing.

TrainingError
├── ConfigurationError   a group, a key or a value of the configuration is wrong
├── CorpusError          the papers cannot be read, are too few, or do not give the requested pairs
├── RunError             a run's folder cannot be written or read, or belongs to another run
├── FitError             a training makes no step, or its loss or its weights are no finite numbers
├── SourceError          the model cannot be found or loaded, or is not the expected one
│   └── UnsupportedModel the model can be loaded, but a text_encoder version cannot do what it does
├── CalibrationError     the calibration papers cannot be read or are too few
├── QuantizationError    the graph has nothing to quantise, or gives numbers that are not finite
├── EvaluationError      a test collection cannot be read, or the systems to compare do not match
├── ParityError          the exported encoder differs too much from its original; nothing is published
└── PublishError         the model repository cannot be written, or is not a model repository
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# safetensors, torch and pyarrow write with code of their own: their errors are no OSError, but contain one of these.
_WRITE_FAILURES = ("no space left", "pytorchstreamwriter failed writing", "disk quota exceeded", "unexpected pos")


class TrainingError(Exception):
    """Base class of all errors that this package raises on purpose. The message names the next step."""


class ConfigurationError(TrainingError):
    """A group, a key or a value of the configuration is wrong."""


class CorpusError(TrainingError):
    """The papers to train on cannot be read, are too few, or do not give the requested pairs."""


class RunError(TrainingError):
    """A run's folder cannot be written or read, or its content belongs to another run."""


class FitError(TrainingError):
    """The training makes no step, or its loss or its weights are no finite numbers."""


class SourceError(TrainingError):
    """The model cannot be found or loaded, or is not the expected one."""


class UnsupportedModel(SourceError):
    """The model can be loaded, but a text_encoder version cannot do what it does."""


class CalibrationError(TrainingError):
    """The papers to calibrate with cannot be read or are too few."""


class QuantizationError(TrainingError):
    """The graph cannot be quantised."""


class EvaluationError(TrainingError):
    """A test collection or a report cannot be read or written, or the systems to compare do not match."""


class ParityError(TrainingError):
    """The exported encoder differs too much from its original, or its vectors depend on the other texts of a batch."""


class PublishError(TrainingError):
    """The version cannot be written into the model repository."""


@contextmanager
def translate_write_errors(folder: Path) -> Iterator[None]:
    """Raise a RunError instead of the errors that libraries raise when they cannot write into a folder.

    Raises:
        RunError: Something could not be written.
    """
    try:
        yield
    except TrainingError:
        raise
    except OSError as error:
        raise RunError(f"cannot write {error.filename or folder}: {error.strerror or error}.") from error
    except Exception as error:
        if not any(failure in str(cause).casefold() for cause in _causes(error) for failure in _WRITE_FAILURES):
            raise
        raise RunError(f"cannot write {folder}: no space left on the device. Make room and resume.") from error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
