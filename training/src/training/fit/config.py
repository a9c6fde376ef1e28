"""Configuration of the model and the trainer: the groups `model` and `trainer`.

The configuration of a loss is in `training.fit.losses`, together with the loss.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from training.schema import Above0, AtLeast0, Count, PartialShare, Positive, Section, Share, explain


class ModelConfig(Section, frozen=True):
    """Model to fine-tune."""

    source: Annotated[str | None, explain("folder or hub id; `null` is the packaged all-MiniLM-L6-v2")]
    max_length: Annotated[
        Annotated[int, Meta(ge=8)] | None,
        explain("tokens of a text to read in training; `null` is as many as serving reads: the model's, at most 512"),
    ]
    pooling: Annotated[
        Literal["mean", "cls", "max", "lasttoken"] | None,
        explain("pooling for an encoder that has none, of a folder or the hub; `null` is the model's own, else `mean`"),
    ]
    freeze_embeddings: Annotated[bool, explain("leave the word vectors unchanged")]
    dropout: Annotated[
        PartialShare | None, explain("dropout of hidden states and attention in training; `null` is the model's own")
    ]


class TrainerConfig(Section, frozen=True):
    """Training loop."""

    epochs: Annotated[Above0, explain("passes through the pairs")]
    steps: Annotated[Positive | None, explain("steps to train instead of `epochs`")]
    batch_size: Annotated[int, Meta(ge=2), explain("pairs in a step on each device")]
    accumulate: Annotated[
        Positive, explain("batches whose gradients make one step; each batch ranks among its own texts alone")
    ]
    learning_rate: Annotated[Above0, explain("highest learning rate")]
    schedule: Annotated[Literal["linear", "cosine", "constant_with_warmup"], explain("learning rate after the warm-up")]
    warmup: Annotated[Share, explain("share of the steps in which the learning rate rises")]
    weight_decay: Annotated[AtLeast0, explain("weight decay of matrices; vectors have none")]
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16"],
        explain("`auto` is bf16 if the device multiplies it natively, else fp16 on a GPU and fp32 on a CPU"),
    ]
    evaluate_every: Annotated[Positive, explain("steps between two evaluations on the validation sets")]
    save_every: Annotated[Positive, explain("steps between two checkpoints")]
    log_every: Annotated[Positive, explain("steps between two lines of loss, learning rate and pairs a second")]
    patience: Annotated[
        Positive | None,
        explain("evaluations without a better MRR@10 after which training stops and keeps the best checkpoint"),
    ]
    base_weight: Annotated[
        PartialShare, explain("share of the base model's weights in the final average (Wortsman et al., 2022)")
    ]
    compile: Annotated[bool, explain("compile the model with torch.compile, which takes a minute at the start")]
    streaming: Annotated[
        bool, explain("stream the pairs through a shuffle buffer of at least 10,000 instead of mapping a table")
    ]
    workers: Annotated[Count, explain("processes that read pairs beside the trainer's own")]
    device: Annotated[Literal["auto", "cpu"], explain("`auto` is the GPU if there is one")]
    threads: Annotated[Positive | None, explain("threads of torch on a CPU; `null` uses all cores")]
