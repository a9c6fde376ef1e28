"""`mine`: what each pair is held against, found with the model as it is before training."""

from __future__ import annotations

import contextlib
import random
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from training import disk
from training.data.neighbours import blocks
from training.data.pairs import Pair
from training.errors import CorpusError
from training.fit import models, precision
from training.pipeline.configuration import Negatives, Neighbours, NoMining
from training.pipeline.run_folder import RunFolder
from training.pipeline.stages.pairs import FILE
from training.progress import log_duration, log_progress

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def run_stage(run: RunFolder) -> None:
    """Writes `pairs.jsonl`: as it was, in blocks of neighbours, or with columns of negatives.

    Raises:
        CorpusError: Nothing is left after mining.
    """
    settings = run.configuration.mine
    pairs = run.require_stage("pairs") / FILE
    with run.write_stage("mine") as folder:
        if isinstance(settings, NoMining):
            shutil.copyfile(pairs, folder / FILE)
            return
        if run.configuration.pairs.labelled:
            raise CorpusError("mine: labelled pairs bring their own negatives; choose mine=none.")
        model = models.load(run.configuration.model, precision.device(run.configuration.trainer.device))
        number = precision.choose(run.configuration.trainer.precision, model.device.type)
        with disk.translate_write_errors(folder), precision.autocast(number, model.device.type):
            if isinstance(settings, Neighbours):
                _order(pairs, folder / FILE, settings, model, run.configuration.seed)
            else:
                _negatives(pairs, folder / FILE, settings, model, run.configuration.seed)


def _order(pairs: Path, target: Path, settings: Neighbours, model: SentenceTransformer, seed: int) -> None:
    """Rows in blocks; those that fit into no block stand at the end, at random."""
    lines = pairs.read_bytes().splitlines()
    made = msgspec.json.decode(b"[" + b",".join(lines) + b"]", type=list[Pair])
    rng = np.random.default_rng(seed)
    model.max_seq_length = settings.max_length
    found = []
    for kind in sorted({pair.kind for pair in made}):
        rows = np.array([index for index, pair in enumerate(made) if pair.kind == kind])
        rng.shuffle(rows)
        rows = rows[: round(len(rows) * settings.share)]
        with log_duration(f"encoding {len(rows):,} anchors ({kind})"):
            vectors = model.encode(
                [made[row].anchor for row in rows], batch_size=settings.batch_size, show_progress_bar=False
            )
        unit = np.asarray(vectors, dtype=np.float32)
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        found += [rows[members] for members in blocks(unit, settings.block, seed)]
    ordered = np.concatenate(found) if found else np.empty(0, dtype=np.int64)
    rest = np.setdiff1d(np.arange(len(made)), ordered)
    rng.shuffle(rest)
    log_progress(f"{len(found):,} blocks of {settings.block} neighbours, {len(rest):,} pairs by chance")
    with target.open("wb") as file:
        file.writelines(lines[row] + b"\n" for row in np.concatenate([ordered, rest]))


def _negatives(pairs: Path, target: Path, settings: Negatives, model: SentenceTransformer, seed: int) -> None:
    from datasets import Dataset
    from sentence_transformers.util import mine_hard_negatives

    # The miner draws from Python's own generator, where it samples at random.
    random.seed(seed)
    rows: Any = Dataset.from_json(str(pairs), cache_dir=str(target.parent / "cache"))
    # The miner prints what it found.
    with contextlib.redirect_stdout(sys.stderr), log_duration(f"mining among {len(rows):,} passages"):
        mined: Any = mine_hard_negatives(
            rows.select_columns(["anchor", "positive"]),
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
    log_progress(f"{len(mined):,} of {len(rows):,} pairs have {settings.negatives} hard negatives")
    mined.to_json(str(target))
    shutil.rmtree(target.parent / "cache", ignore_errors=True)
