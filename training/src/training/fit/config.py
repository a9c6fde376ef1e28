"""Configuration of the model, the trainer and the tracking: the groups `model`, `trainer` and `tracking`.

The configuration of a loss is in `training.fit.losses`, together with the loss.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from training.schema import Above0, AtLeast0, Count, PartialShare, Positive, Section, Share, about


class ModelConfig(Section, frozen=True):
    """Model to fine-tune."""

    source: Annotated[str | None, about("folder or hub id; `null` is the packaged all-MiniLM-L6-v2")]
    max_length: Annotated[
        int,
        Meta(ge=8),
        about("tokens of a text to read in training; serving reads as many as the model can, at most 512"),
    ]
    pooling: Annotated[
        Literal["mean", "cls", "max"], about("pooling for a folder that holds an encoder without pooling")
    ]
    freeze_embeddings: Annotated[bool, about("leave the word vectors unchanged")]
    dropout: Annotated[
        PartialShare | None, about("dropout of hidden states and attention in training; `null` is the model's own")
    ]


class TrainerConfig(Section, frozen=True):
    """Training loop."""

    epochs: Annotated[Above0, about("passes through the pairs")]
    steps: Annotated[Positive | None, about("steps to train instead of `epochs`")]
    batch_size: Annotated[int, Meta(ge=2), about("pairs in a step on each device")]
    learning_rate: Annotated[Above0, about("highest learning rate")]
    schedule: Annotated[Literal["linear", "cosine", "constant_with_warmup"], about("learning rate after the warm-up")]
    warmup: Annotated[Share, about("share of the steps in which the learning rate rises")]
    weight_decay: Annotated[AtLeast0, about("weight decay of matrices; vectors have none")]
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16"],
        about("`auto` is bf16 if the device multiplies it natively, else fp16 on a GPU and fp32 on a CPU"),
    ]
    evaluate_every: Annotated[Positive, about("steps between two evaluations on the validation sets")]
    save_every: Annotated[Positive, about("steps between two checkpoints")]
    log_every: Annotated[Positive, about("steps between two lines of loss, learning rate and pairs a second")]
    patience: Annotated[
        Positive | None,
        about("evaluations without a better MRR@10 after which training stops and keeps the best checkpoint"),
    ]
    base_weight: Annotated[
        PartialShare, about("share of the base model's weights in the final average (Wortsman et al., 2022)")
    ]
    streaming: Annotated[
        bool, about("stream the pairs through a shuffle buffer instead of mapping a table into memory")
    ]
    workers: Annotated[Count, about("processes that read pairs beside the trainer's own")]
    device: Annotated[Literal["auto", "cpu"], about("`auto` is the GPU if there is one")]
    threads: Annotated[Positive | None, about("threads of torch on a CPU; `null` uses all cores")]


class NoTracking(Section, tag="none", tag_field="kind", frozen=True):
    """Only the run's own files."""


class MLflowConfig(Section, tag="mlflow", tag_field="kind", frozen=True):
    """File store of MLflow, without a server."""

    folder: Annotated[str | None, about("folder of the store; `null` is `mlruns` in the data folder")]
    experiment: Annotated[str, about("name under which MLflow groups the runs")]


class WandbConfig(Section, tag="wandb", tag_field="kind", frozen=True):
    """Weights & Biases. Its own client reads the key from WANDB_API_KEY; the key is never written or logged here."""

    project: Annotated[str, about("name of the project")]
    mode: Annotated[Literal["offline", "online"], about("`offline` writes a folder that `wandb sync` can send later")]


TrackingConfig = NoTracking | MLflowConfig | WandbConfig
