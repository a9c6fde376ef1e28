"""What can go wrong while an encoder is made, as one tree.

TrainingError
├── ConfigurationError   a group, a key or a value of the configuration is not one
├── CorpusError          the papers to train on cannot be read, are too few, or do not make the pairs asked for
├── RunError             a run's folder cannot be written or read, or is another run's
├── SourceError          the model to export cannot be had, or is not the one expected
│   └── UnsupportedModel it can be loaded, and the encoder's contract has no place for what it does
├── CalibrationError     the papers to calibrate with cannot be read or are too few
├── QuantizationError    the graph has nothing to quantise, or gives no finite numbers
├── EvaluationError      a test collection cannot be read, or what is compared does not fit together
├── ParityError          the exported encoder is not true enough to its original: nothing is published
└── PublishError         the model repository cannot be written, or is not one
"""

from __future__ import annotations


class TrainingError(Exception):
    """Anything this package raises on purpose; its text is written for a person and names the next step."""


class ConfigurationError(TrainingError):
    """A group, a key or a value of the configuration is not one."""


class CorpusError(TrainingError):
    """The papers to train on cannot be read, are too few, or do not make the pairs that were asked for."""


class RunError(TrainingError):
    """A run's folder cannot be written or read, or what lies in it belongs to another run."""


class SourceError(TrainingError):
    """The model to export cannot be had, or is not the one expected."""


class UnsupportedModel(SourceError):
    """The model does something that a text_encoder version has no place for."""


class CalibrationError(TrainingError):
    """The papers to calibrate with cannot be read or are too few."""


class QuantizationError(TrainingError):
    """The graph cannot be quantised."""


class EvaluationError(TrainingError):
    """What is to be evaluated, or what it is evaluated on, cannot be read or does not fit together."""


class ParityError(TrainingError):
    """The exported encoder differs too much from its original, or its vectors depend on who shares the batch."""


class PublishError(TrainingError):
    """The version cannot be written into the model repository."""
