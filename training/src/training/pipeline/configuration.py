"""Define every key of Hydra's groups in `training/configs/` as a typed field with its bounds.

`training.pipeline.composition` composes the files and checks them with these types. A key that is not defined here is
refused with its name, whichever file or override it came from.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Above0 = Annotated[float, Meta(gt=0)]


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the configuration that refuses keys it does not know."""


class Paths(Strict, frozen=True):
    """Where things are: `data` is written to, `repository` is Triton's."""

    data: str
    repository: str


class Data(Strict, frozen=True):
    """The corpus, and how it is split by time and by groups of near-duplicates.

    Attributes:
        papers: a file of papers, or `sample`.
        mapping: of that file's fields, where it needs one.
        most: papers read at most; None is all.
        held_out_share: the newest papers that are held out, at most this share of the corpus.
        validation_share: those before them that training is steered by, at most this share.
        title_candidates: papers at most in the held-out search by title.
        first_sentence_candidates: the same by first sentence.
        validation_candidates: the same in each of the two validation sets.
        shingle: words in a shingle.
        bands: of the MinHash signature; two papers that agree in one band are near-duplicates.
        rows: hashes in a band.
    """

    papers: str
    mapping: str | None
    most: Positive | None
    held_out_share: Annotated[float, Meta(gt=0, lt=1)]
    validation_share: Annotated[float, Meta(gt=0, lt=1)]
    title_candidates: Annotated[int, Meta(ge=10)]
    first_sentence_candidates: Annotated[int, Meta(ge=10)]
    validation_candidates: Annotated[int, Meta(ge=10)]
    shingle: Positive
    bands: Positive
    rows: Positive


class Pairs(Strict, frozen=True):
    """Which texts are said to belong together.

    Attributes:
        shares: of each kind among the pairs (`training.data.pairs.KINDS`); they need not sum to one.
        most: pairs at most; None is as many as the corpus gives.
        balanced: for `subject`: every subject as often as any other, instead of as often as it has papers.
        citations: a file of JSON lines `{"citing": id, "cited": id}`, for the kind `citation`.
        labelled: every pair also with a text of another subject, labelled 1 and 0 (for contrastive and CoSENT).
    """

    shares: dict[Literal["title", "first_sentence", "halves", "subject", "citation"], Annotated[float, Meta(ge=0)]]
    most: Positive | None
    balanced: bool
    citations: str | None
    labelled: bool


class NoMining(Strict, tag="none", tag_field="kind", frozen=True):
    """Pairs as they are."""


class Negatives(Strict, tag="negatives", tag_field="kind", frozen=True):
    """Hard negatives, mined with the current encoder by sentence-transformers' miner.

    Attributes:
        negatives: for each pair.
        range_min: nearest passages that are skipped, as they are often right too.
        range_max: how far down negatives are taken from.
        relative_margin: a negative scores at most (1 - margin) times what the positive does: false negatives go.
        sampling: `top` or `random` among what is left.
        batch_size: of encoding.
    """

    negatives: Positive
    range_min: Count
    range_max: Positive
    relative_margin: Share
    sampling: Literal["top", "random"]
    batch_size: Positive


class Neighbours(Strict, tag="neighbours", tag_field="kind", frozen=True):
    """Batches of papers that are alike to the current encoder: hard negatives at no text more.

    Attributes:
        block: papers that are kept together; best the trainer's batch size.
        share: of the blocks that are made so; the others are drawn at random.
        batch_size: of encoding.
        max_length: tokens of an anchor that are read for it.
    """

    block: Annotated[int, Meta(ge=2)]
    share: Share
    batch_size: Positive
    max_length: Positive


class Model(Strict, frozen=True):
    """What is fine-tuned.

    Attributes:
        source: a folder, a hub id, or None for the packaged all-MiniLM-L6-v2.
        max_length: tokens of a text in training; serving reads as many as the model does.
        pooling: for a source that is no sentence-transformers model yet.
        freeze_embeddings: leave the word vectors as they are.
        dropout: of hidden states and attention in training; None is the model's own.
    """

    source: str | None
    max_length: Annotated[int, Meta(ge=8)]
    pooling: Literal["mean", "cls", "max"]
    freeze_embeddings: bool
    dropout: Annotated[float, Meta(ge=0, lt=1)] | None


class Ranking(Strict, tag="mnrl", tag_field="kind", frozen=True):
    """MultipleNegativesRankingLoss.

    Attributes:
        scale: one over the temperature.
        symmetric: passages also look for their queries.
        hardness: weight of hard in-batch negatives (Lan et al., 2025, alpha); 0 is none.
    """

    scale: Above0
    symmetric: bool
    hardness: Annotated[float, Meta(ge=0)]


class CachedRanking(Strict, tag="cached_mnrl", tag_field="kind", frozen=True):
    """The same loss with gradients cached (Gao et al., 2021): batches larger than memory, for a third forward pass."""

    scale: Above0
    symmetric: bool
    hardness: Annotated[float, Meta(ge=0)]
    mini_batch_size: Positive


class Guided(Strict, tag="gist", tag_field="kind", frozen=True):
    """GISTEmbedLoss: what the guide finds nearer than the positive is no negative."""

    guide: str | None
    temperature: Above0
    margin: Annotated[float, Meta(ge=0)]


class Contrastive(Strict, tag="contrastive", tag_field="kind", frozen=True):
    """ContrastiveLoss over labelled pairs."""

    margin: Above0


class CoSent(Strict, tag="cosent", tag_field="kind", frozen=True):
    """CoSENTLoss over labelled pairs."""

    scale: Above0


class Distillation(Strict, tag="distillation", tag_field="kind", frozen=True):
    """EmbedDistillLoss: the student's vectors follow those that a larger teacher gives the same texts.

    Attributes:
        teacher: a folder or a hub id; where it has more dimensions, a projection is learnt beside the student.
        distance: what is made small.
    """

    teacher: str
    distance: Literal["cosine", "l2", "mse"]


Loss = Ranking | CachedRanking | Guided | Contrastive | CoSent | Distillation


class Trainer(Strict, frozen=True):
    """How it is trained.

    Attributes:
        epochs: through the pairs.
        steps: instead of epochs; None is epochs.
        batch_size: pairs in a step on each device.
        learning_rate: the highest.
        schedule: of the learning rate after the warm-up.
        warmup: share of the steps in which the learning rate rises.
        weight_decay: of matrices; vectors have none.
        precision: `auto` is bf16 where the device multiplies it natively, fp16 on other GPUs, else fp32.
        evaluate_every: steps between two looks at the validation sets.
        save_every: steps between two checkpoints.
        log_every: steps between two lines of loss, learning rate and throughput.
        patience: looks without a better MRR@10 after which training stops; None is never.
        base_weight: of the base's weights in the final average (Wortsman et al., 2022); 0 is none.
        streaming: read the pairs as a stream, shuffled in a buffer, instead of from a memory-mapped table.
        workers: processes that read; 0 is none beside the trainer's.
        device: `auto` or `cpu`.
        threads: of torch on a CPU; None is all cores.
    """

    epochs: Above0
    steps: Positive | None
    batch_size: Annotated[int, Meta(ge=2)]
    learning_rate: Above0
    schedule: Literal["linear", "cosine", "constant_with_warmup"]
    warmup: Share
    weight_decay: Annotated[float, Meta(ge=0)]
    precision: Literal["auto", "fp32", "bf16", "fp16"]
    evaluate_every: Positive
    save_every: Positive
    log_every: Positive
    patience: Positive | None
    base_weight: Annotated[float, Meta(ge=0, lt=1)]
    streaming: bool
    workers: Count
    device: Literal["auto", "cpu"]
    threads: Positive | None


class NoTracking(Strict, tag="none", tag_field="kind", frozen=True):
    """Only the run's own files."""


class MLflow(Strict, tag="mlflow", tag_field="kind", frozen=True):
    """MLflow's file store: no server.

    Attributes:
        folder: of the store; None is `mlruns` in the data folder.
        experiment: the name runs are gathered under.
    """

    folder: str | None
    experiment: str


class WandB(Strict, tag="wandb", tag_field="kind", frozen=True):
    """Weights & Biases. The key is read from WANDB_API_KEY by its own client and is never written or logged here."""

    project: str
    mode: Literal["offline", "online"]


class Int8(Strict, tag="int8", tag_field="precision", frozen=True):
    """A static INT8 graph. What it may choose from is described in `training.compression.quantize.QuantizationRecipe`.

    Attributes:
        layers: that are kept, evenly spaced; None is all of them.
        token_count: tokens that the calibration papers have less often are dropped; None keeps all.
        calibration: papers to calibrate with, and to check parity on; None is the corpus.
        texts: of them that ranges are measured on.
        smoothing: strengths to choose from, layer by layer; 0 is none.
        cuts: of the range of the activations to choose from, as shares of what was seen.
        damping: of the compensation of rounding errors.
    """

    layers: Positive | None
    token_count: Positive | None
    calibration: str | None
    texts: Positive
    smoothing: Annotated[list[Share], Meta(min_length=1)]
    cuts: Annotated[list[Annotated[float, Meta(gt=0, le=1)]], Meta(min_length=1)]
    damping: Annotated[float, Meta(ge=0)]


class Fp16(Strict, tag="fp16", tag_field="precision", frozen=True):
    """An FP16 graph: what a GPU computes, for an index that is built on a CPU.

    Attributes:
        layers: that are kept, evenly spaced; None is all of them.
        token_count: tokens that the calibration papers have less often are dropped; None keeps all.
        calibration: papers to check parity on; None is the corpus.
    """

    layers: Positive | None
    token_count: Positive | None
    calibration: str | None


class Evaluation(Strict, frozen=True):
    """What the version is measured on, beside the held-out sets of the run.

    Attributes:
        sets: folders in BEIR's layout.
        fp32: also the base and the fine-tuned model before compression, which take several times as long.
        subjects: measure subject agreement and a linear probe on held-out papers.
        resamples: of the bootstrap.
    """

    sets: list[str]
    fp32: bool
    subjects: bool
    resamples: Positive


class Dimension(Strict, frozen=True):
    """One parameter of a sweep: `values`, or a range from `low` to `high`, of whole numbers where both are."""

    values: list[float | int | str | bool] | None = None
    low: float | int | None = None
    high: float | int | None = None
    log: bool = False


class Sweep(Strict, frozen=True):
    """The search of `akin train sweep`.

    Attributes:
        name: of the study.
        trials: in total, over however many runs of the command.
        space: parameters by the key of the configuration.
        warmup_looks: looks at the validation sets before a trial may be pruned.
        startup_trials: trials that are never pruned.
    """

    name: str
    trials: Positive
    space: dict[str, Dimension]
    warmup_looks: Count
    startup_trials: Count


class Configuration(Strict, frozen=True):
    """A whole run. `name` is the experiment's."""

    name: str
    seed: int
    matryoshka: list[Positive] | None
    paths: Paths
    data: Data
    pairs: Pairs
    mine: NoMining | Negatives | Neighbours
    model: Model
    loss: Loss
    trainer: Trainer
    tracking: NoTracking | MLflow | WandB
    compress: Int8 | Fp16
    evaluation: Evaluation
    sweep: Sweep
