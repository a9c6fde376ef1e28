"""Stage `mine`: add hard negatives to each pair, or order the pairs in blocks of similar papers.

The stage uses the model as it is before training.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from akin.papers import passage_text
from training.arrays import Floats
from training.data import hybrid_negatives
from training.data.config import HybridNegativesConfig, NegativesConfig, NeighboursConfig, NoMining
from training.data.corpus import TrainingCorpus
from training.data.negatives import choose_negatives
from training.data.neighbours import make_blocks, separate_matches
from training.data.pairs import Pair, passage_of
from training.data.split import SplitPart
from training.errors import CorpusError, translate_write_errors
from training.evaluation.ranking import nearest
from training.fit import models
from training.fit.batches import fill_batches, number_texts
from training.pipeline.run_folder import RunFolder
from training.pipeline.stages.pairs import PAIRS_FILE
from training.pipeline.stages.prepare import PART_FILES
from training.progress import log_duration, log_progress

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_OWN_PAPERS = 16
"""Candidates to find beyond those that may become negatives, as the pair's own papers are among them."""


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
        if run.configuration.pairs.shares.get("texts"):
            raise CorpusError("mine: single texts have no negatives; choose mine=none with pairs=texts.")
        trainer = run.configuration.trainer
        model = models.load(run.configuration.model, models.choose_device(trainer.device))
        device = model.device.type
        precision = models.choose_precision(trainer.precision, device)
        with translate_write_errors(folder), models.autocast(precision, device):
            if isinstance(settings, NeighboursConfig):
                order_in_blocks(pairs, folder / PAIRS_FILE, settings, model, run.configuration.seed)
            elif isinstance(settings, HybridNegativesConfig):
                hybrid_negatives.write_negatives(pairs, folder / PAIRS_FILE, settings, model, run.configuration.seed)
            else:
                corpus = TrainingCorpus(run.require_stage("prepare") / PART_FILES[SplitPart.TRAIN])
                try:
                    _add_negatives(pairs, folder / PAIRS_FILE, settings, model, corpus, run.configuration.seed)
                finally:
                    corpus.close()


def order_in_blocks(
    source: Path, target: Path, settings: NeighboursConfig, model: SentenceTransformer, seed: int
) -> None:
    """Write the pairs in blocks of neighbours in random order, then in random order the pairs that are in no block.

    Pairs with a text or a group of near-duplicates in common are in different blocks, though they are the nearest
    neighbours, and so are pairs of which one has a passage that may answer the other.
    """
    lines = source.read_bytes().splitlines()
    pairs = msgspec.json.decode(b"[" + b",".join(lines) + b"]", type=list[Pair])
    texts = [number_texts(msgspec.structs.asdict(pair)) for pair in pairs]
    rng = np.random.default_rng(seed)
    model.max_seq_length = settings.max_length
    blocks: list[NDArray[np.int64]] = []
    for kind in sorted({pair.kind for pair in pairs}):
        positions = np.array([index for index, pair in enumerate(pairs) if pair.kind == kind])
        rng.shuffle(positions)
        positions = positions[: round(len(positions) * settings.share)]
        with log_duration(f"encoding {len(positions):,} pairs ({kind})"):
            anchors = _encode(model, [pairs[index].anchor for index in positions], settings.batch_size)
            positives = _encode(model, [pairs[index].positive for index in positions], settings.batch_size)
        for apart in map(np.array, fill_batches([texts[index] for index in positions], range(len(positions)))):
            similar = make_blocks(anchors[apart], settings.block, seed)
            order = apart[np.concatenate(similar)] if similar else np.empty(0, dtype=np.int64)
            found = separate_matches(order, settings.block, anchors, positives, settings.relative_margin)
            blocks += [positions[block] for block in found]
    rng.shuffle(blocks)
    ordered = np.concatenate(blocks) if blocks else np.empty(0, dtype=np.int64)
    rest = np.setdiff1d(np.arange(len(pairs)), ordered)
    rng.shuffle(rest)
    log_progress(f"{len(blocks):,} blocks of {settings.block} neighbours, {len(rest):,} pairs in random order")
    with target.open("wb") as file:
        file.writelines(lines[index] + b"\n" for index in np.concatenate([ordered, rest]))


def _add_negatives(
    source: Path,
    target: Path,
    settings: NegativesConfig,
    model: SentenceTransformer,
    corpus: TrainingCorpus,
    seed: int,
) -> None:
    """Write the pairs with negatives of the same form as their positives. Pairs that lack one are left out."""
    pairs = msgspec.json.decode(b"[" + b",".join(source.read_bytes().splitlines()) + b"]", type=list[Pair])
    with log_duration(f"mining for {len(pairs):,} pairs among {len(corpus):,} papers"):
        passages = _encode(model, [passage_text(paper) for paper in corpus], settings.batch_size)
        anchors = _encode(model, [pair.anchor for pair in pairs], settings.batch_size)
        positives = _encode(model, [pair.positive for pair in pairs], settings.batch_size)
        most = min(settings.range_max + _OWN_PAPERS, len(corpus))
        candidates, scores = nearest(anchors, passages, most)
    allowed = [~np.isin(corpus.groups[row], pair.groups) for row, pair in zip(candidates, pairs, strict=True)]
    for usable in allowed:
        usable[np.flatnonzero(usable)[settings.range_max :]] = False
    found = choose_negatives(
        candidates,
        scores,
        (anchors * positives).sum(axis=1),
        allowed,
        count=settings.negatives,
        skip=settings.range_min,
        relative_margin=settings.relative_margin,
        sampling=settings.sampling,
        rng=np.random.default_rng(seed),
    )
    kept = 0
    with target.open("wb") as file:
        for pair, papers in zip(pairs, found, strict=True):
            texts = [passage_of(pair.kind, corpus[paper]) for paper in papers]
            if len(texts) < settings.negatives or {pair.anchor, pair.positive} & set(texts):
                continue
            kept += 1
            plain = msgspec.to_builtins(pair)
            plain["groups"] = sorted({*pair.groups, *corpus.groups[papers].tolist()})
            plain |= {f"negative_{number}": text for number, text in enumerate(texts, start=1)}
            file.write(msgspec.json.encode(plain) + b"\n")
    if not kept:
        raise CorpusError(
            "mine: no pair has enough negatives. Lower mine.relative_margin, raise mine.range_max or use more papers."
        )
    log_progress(f"{kept:,} of {len(pairs):,} pairs have {settings.negatives} hard negatives")


def _encode(model: SentenceTransformer, texts: list[str], batch_size: int) -> Floats:
    """Return unit vectors, float32 [texts, dim]."""
    vectors = model.encode(texts, batch_size=batch_size, show_progress_bar=False, convert_to_tensor=True)
    unit = vectors.float().cpu().numpy()
    return np.asarray(unit / np.linalg.norm(unit, axis=1, keepdims=True), dtype=np.float32)
