"""Stage `mine`: add hard negatives to each pair, or order the pairs in blocks of similar papers.

The stage uses the model as it is before training.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from training.data import hybrid_negatives
from training.data.config import HybridNegativesConfig, NegativesConfig, NeighboursConfig, NoMining
from training.data.neighbours import make_blocks
from training.data.pairs import Pair
from training.errors import CorpusError, translate_write_errors
from training.fit import models
from training.fit.batches import fill_batches, number_texts
from training.pipeline.run_folder import RunFolder
from training.pipeline.stages.pairs import PAIRS_FILE
from training.progress import log_duration, log_progress

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def run_stage(run: RunFolder) -> None:
    """Write `pairs.jsonl`: unchanged, in blocks of neighbours, or with columns of negatives.

    Raises:
        CorpusError: No pair is left after mining.
    """
    settings = run.configuration.mine
    pairs = run.require_stage("pairs") / PAIRS_FILE
    with run.write_stage("mine") as folder:
        if isinstance(settings, NoMining):
            shutil.copyfile(pairs, folder / PAIRS_FILE)
            return
        if run.configuration.pairs.labelled:
            raise CorpusError("mine: labelled pairs contain their negatives already; choose mine=none.")
        trainer = run.configuration.trainer
        model = models.load(run.configuration.model, models.choose_device(trainer.device))
        device = model.device.type
        precision = models.choose_precision(trainer.precision, device)
        with translate_write_errors(folder), models.autocast(precision, device):
            if isinstance(settings, NeighboursConfig):
                _order_in_blocks(pairs, folder / PAIRS_FILE, settings, model, run.configuration.seed)
            elif isinstance(settings, HybridNegativesConfig):
                hybrid_negatives.write_negatives(pairs, folder / PAIRS_FILE, settings, model, run.configuration.seed)
            else:
                _add_negatives(pairs, folder / PAIRS_FILE, settings, model, run.configuration.seed)


def _order_in_blocks(
    source: Path, target: Path, settings: NeighboursConfig, model: SentenceTransformer, seed: int
) -> None:
    """Write the pairs in blocks of neighbours, then in random order the pairs that are in no block.

    Pairs with a text in common are in different blocks, though they are the nearest neighbours.
    """
    lines = source.read_bytes().splitlines()
    pairs = msgspec.json.decode(b"[" + b",".join(lines) + b"]", type=list[Pair])
    texts = [number_texts({"anchor": pair.anchor, "positive": pair.positive}) for pair in pairs]
    rng = np.random.default_rng(seed)
    model.max_seq_length = settings.max_length
    blocks = []
    for kind in sorted({pair.kind for pair in pairs}):
        positions = np.array([index for index, pair in enumerate(pairs) if pair.kind == kind])
        rng.shuffle(positions)
        positions = positions[: round(len(positions) * settings.share)]
        with log_duration(f"encoding {len(positions):,} anchors ({kind})"):
            vectors = model.encode(
                [pairs[index].anchor for index in positions], batch_size=settings.batch_size, show_progress_bar=False
            )
        unit = np.asarray(vectors, dtype=np.float32)
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        for apart in fill_batches([texts[index] for index in positions], range(len(positions))):
            blocks += [positions[apart][members] for members in make_blocks(unit[apart], settings.block, seed)]
    ordered = np.concatenate(blocks) if blocks else np.empty(0, dtype=np.int64)
    rest = np.setdiff1d(np.arange(len(pairs)), ordered)
    rng.shuffle(rest)
    log_progress(f"{len(blocks):,} blocks of {settings.block} neighbours, {len(rest):,} pairs in random order")
    with target.open("wb") as file:
        file.writelines(lines[index] + b"\n" for index in np.concatenate([ordered, rest]))


def _add_negatives(
    source: Path, target: Path, settings: NegativesConfig, model: SentenceTransformer, seed: int
) -> None:
    from datasets import Dataset
    from sentence_transformers.util import mine_hard_negatives

    # The miner draws from Python's own generator when it samples at random.
    random.seed(seed)
    dataset: Any = Dataset.from_json(str(source), cache_dir=str(target.parent / "cache"))
    # The miner prints its statistics.
    with contextlib.redirect_stdout(sys.stderr), log_duration(f"mining among {len(dataset):,} passages"):
        mined: Any = mine_hard_negatives(
            dataset.select_columns(["anchor", "positive"]),
            model,
            num_negatives=settings.negatives,
            range_min=settings.range_min,
            range_max=settings.range_max,
            relative_margin=settings.relative_margin,
            sampling_strategy=settings.sampling,
            batch_size=settings.batch_size,
            output_format="n-tuple",
            verbose=False,
        )
    if not len(mined):
        raise CorpusError(
            "mine: no pair keeps its negatives. Lower mine.relative_margin or raise mine.range_max, or give more pairs."
        )
    log_progress(f"{len(mined):,} of {len(dataset):,} pairs have {settings.negatives} hard negatives")
    mined.to_json(str(target))
    shutil.rmtree(target.parent / "cache", ignore_errors=True)
