"""Stage `pairs`: make pairs of texts from the papers that train, one JSON object a line."""

from __future__ import annotations

import json
from collections import Counter

import msgspec

from training.data.corpus import TrainingCorpus
from training.data.pairs import make_pairs
from training.data.split import SplitPart
from training.fit.batches import require_batches
from training.pipeline.run_folder import RunFolder
from training.pipeline.stages.prepare import PART_FILES
from training.progress import log_progress

PAIRS_FILE = "pairs.jsonl"


def run_stage(run: RunFolder) -> None:
    """Write `pairs.jsonl`, and the number of pairs by label.

    Raises:
        CorpusError: The corpus does not give the requested pairs, or too few to train on.
    """
    configuration = run.configuration
    encoder = msgspec.json.Encoder()
    corpus = TrainingCorpus(run.require_stage("prepare") / PART_FILES[SplitPart.TRAIN])
    labels: Counter[int | None] = Counter()
    try:
        with run.write_stage("pairs") as folder:
            with (folder / PAIRS_FILE).open("wb") as file:
                for pair in make_pairs(corpus, configuration.pairs, configuration.seed):
                    file.write(encoder.encode(pair) + b"\n")
                    labels[pair.label] += 1
            count = labels.total()
            require_batches(
                folder / PAIRS_FILE,
                configuration.trainer.batch_size,
                distinct=lambda kind: configuration.loss_of(kind).in_batch_negatives,
            )
            (folder / "counts.json").write_text(json.dumps({str(label): labels[label] for label in labels}) + "\n")
    finally:
        corpus.close()
    run.record(pairs=count)
    log_progress(f"{count:,} pairs")
