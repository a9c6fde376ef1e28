"""Whole configuration of a run: the sections that belong to other folders, and those that only the pipeline reads.

`training.pipeline.composition` composes the files in `training/configs/` and checks them with these types. A key that
is not defined is refused with its name, whether it comes from a file or from the command line.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from training.data.config import DataConfig, MiningConfig
from training.data.pairs import PairsConfig
from training.fit.config import ModelConfig, TrainerConfig
from training.fit.losses import LossConfig
from training.schema import AtLeast0, Count, Positive, Section, Share, explain
from training.tracking.config import TrackingConfig

Layers = Annotated[Positive | None, explain("layers to keep, evenly spaced; `null` keeps all")]
TokenCount = Annotated[
    Positive | None, explain("drop tokens that the calibration papers contain less often than this; `null` keeps all")
]
Calibration = Annotated[
    str | None, explain("papers for calibration and for the parity check; `null` is the training part")
]


class Paths(Section, frozen=True):
    """Folders of the machine."""

    data: Annotated[str, explain("folder to write to; by default the setting AKIN_DATA")]
    repository: Annotated[str, explain("Triton's model repository; by default the setting AKIN_MODEL_REPOSITORY")]


class Int8(Section, tag="int8", tag_field="precision", frozen=True):
    """Static INT8 graph. `training.compression.quantize` explains the choices."""

    layers: Layers
    token_count: TokenCount
    calibration: Calibration
    texts: Annotated[Positive, explain("calibration texts on which ranges are measured")]
    smoothing: Annotated[
        list[Share], Meta(min_length=1), explain("strengths of smoothing to choose from, for each layer; 0 is none")
    ]
    damping: Annotated[AtLeast0, explain("damping of the compensation of rounding errors")]


class Fp16(Section, tag="fp16", tag_field="precision", frozen=True):
    """FP16 graph that computes what a GPU computes, for an index that is built on a CPU."""

    layers: Layers
    token_count: TokenCount
    calibration: Calibration


class EvaluationConfig(Section, frozen=True):
    """Evaluation of the version, in addition to the held-out sets of the run."""

    sets: Annotated[list[str], explain("further collections: folders in BEIR's layout")]
    fp32: Annotated[
        bool,
        explain(
            "also evaluate the base and the model before compression, which takes several times as long and which a "
            "promotion needs"
        ),
    ]
    subjects: Annotated[bool, explain("also measure subject agreement and a linear probe on held-out papers")]
    resamples: Annotated[Positive, explain("resamples of the bootstrap")]


class Dimension(Section, frozen=True):
    """Parameter of a sweep: `values`, or a range from `low` to `high`."""

    values: list[float | int | str | bool] | None = None
    low: float | int | None = None
    high: float | int | None = None
    log: bool = False


class SweepConfig(Section, frozen=True):
    """Search for parameters with `akin train sweep`."""

    name: Annotated[str, explain("name of the study")]
    trials: Annotated[Positive, explain("trials in total, over all calls of the command; failed trials do not count")]
    space: Annotated[
        dict[str, Dimension],
        explain("parameters by key: `values`, or `low`, `high` and `log`; between two whole numbers only whole ones"),
    ]
    warmup_looks: Annotated[Count, explain("evaluations in a trial before it may be pruned")]
    startup_trials: Annotated[Count, explain("first trials, which are never pruned")]


class Configuration(Section, frozen=True):
    """Whole configuration of a run."""

    name: Annotated[str, explain("name of the experiment")]
    seed: Annotated[Count, explain("seed of every random choice")]
    matryoshka: Annotated[list[Positive] | None, explain("dimensions of a Matryoshka loss, such as `[384,128,64]`")]
    paths: Paths
    data: DataConfig
    pairs: PairsConfig
    mine: MiningConfig
    model: ModelConfig
    loss: LossConfig
    losses: Annotated[
        dict[str, LossConfig],
        explain("losses of single kinds of pairs instead of `loss`, such as `+loss@losses.halves=gist`"),
    ]
    trainer: TrainerConfig
    tracking: TrackingConfig
    compress: Int8 | Fp16
    evaluation: EvaluationConfig
    sweep: SweepConfig

    def loss_of(self, kind: str) -> LossConfig:
        """Return the loss of a kind of pairs."""
        return self.losses.get(kind, self.loss)
