"""Configuration of the group `tracking`."""

from __future__ import annotations

from typing import Annotated, Literal

from training.schema import Section, explain

MODEL = "akin-encoder"

Weights = Annotated[bool, explain("store the files of the exported version as well, not only its report and card")]


class NoTracking(Section, tag="none", tag_field="kind", frozen=True):
    """Only the run's own files."""


class MLflowConfig(Section, tag="mlflow", tag_field="kind", frozen=True):
    """MLflow, in a database of SQLite or on a server."""

    folder: Annotated[str | None, explain("folder of `mlflow.db` and its files; `null` is `mlruns` in the data folder")]
    experiment: Annotated[str, explain("name under which MLflow groups the runs")]
    # The keys below have defaults, so that a run of an earlier release can be resumed.
    uri: Annotated[str | None, explain("address of a tracking server in place of the folder")] = None
    weights: Weights = True
    model: Annotated[str, explain("name of the encoder in the model registry")] = MODEL


class WandbConfig(Section, tag="wandb", tag_field="kind", frozen=True):
    """Weights & Biases. Its own client reads the key from WANDB_API_KEY; the key is never written or logged here."""

    project: Annotated[str, explain("name of the project")]
    mode: Annotated[Literal["offline", "online"], explain("`offline` writes a folder that `wandb sync` can send later")]
    weights: Weights = True
    model: Annotated[str, explain("name of the encoder among the artefacts")] = MODEL


TrackingConfig = NoTracking | MLflowConfig | WandbConfig
