"""Hard negatives of hybrid search: the passages that the sum of cosine and BM25 ranks high for a query.

Negatives are searched among the passages of all papers that train, and every negative has the form of the positive: the
passage that its paper has in a pair of the same kind.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import torch
from scipy.sparse import csr_matrix

from training.data.config import HybridNegativesConfig
from training.data.cross_encoder_filter import CrossEncoderFilter
from training.data.pairs import Pair
from training.data.token_bm25 import K1, B, TokenBm25, token_ids
from training.errors import CorpusError
from training.progress import log_duration, log_progress

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_COMMON_IDF = 1.0
"""Tokens with a lower idf are in more than a third of the passages; they cost most of the time and rank nothing."""
_QUERIES_AT_ONCE = 256
_LONGEST = 512
"""Tokens of a text that are counted."""


@dataclass(frozen=True)
class _Lexical:
    """BM25 of all passages on a device: `weights` [passages, tokens], sparse, and `idf` [tokens]."""

    weights: torch.Tensor
    idf: torch.Tensor

    def scores(self, queries: Sequence[Sequence[int]]) -> torch.Tensor:
        """Return the scores of queries, given as token ids, for all passages: [queries, passages]."""
        rows = torch.tensor([token for ids in queries for token in ids], device=self.idf.device)
        lengths = torch.tensor([len(ids) for ids in queries], device=self.idf.device)
        columns = torch.repeat_interleave(torch.arange(len(queries), device=self.idf.device), lengths)
        wanted = torch.zeros(len(self.idf), len(queries), device=self.idf.device)
        wanted[rows, columns] = self.idf[rows]
        return (self.weights @ wanted).T


def write_negatives(
    source: Path, target: Path, settings: HybridNegativesConfig, model: SentenceTransformer, seed: int
) -> None:
    """Write each pair with `negative_1` … `negative_n`.

    A query for which too few passages remain gets passages of random papers.

    Raises:
        CorpusError: The pairs do not say from which paper they come, or there are too few papers.
    """
    pairs = msgspec.json.decode(b"[" + b",".join(source.read_bytes().splitlines()) + b"]", type=list[Pair])
    if any(len(pair.groups) != 1 for pair in pairs):
        raise CorpusError(
            "mine=hybrid: needs pairs that are parts of one paper; choose pairs=known_item or pairs=kinds."
        )
    # Near-duplicates count as one paper, so that none is a negative of the other.
    numbers: dict[int, int] = {}
    passages: list[str] = []
    of_kind: dict[str, dict[int, str]] = {}
    for pair in pairs:
        number = numbers.setdefault(pair.groups[0], len(numbers))
        if number == len(passages):
            passages.append(pair.positive)
        of_kind.setdefault(pair.kind, {})[number] = pair.positive
    groups = list(numbers)
    if len(passages) <= settings.range_max:
        raise CorpusError(
            f"mine.range_max is {settings.range_max}, but the pairs are of only {len(passages)} different papers: "
            "lower it, or give more papers."
        )
    papers_of = {kind: np.array(list(texts)) for kind, texts in of_kind.items()}
    if few := sorted(kind for kind, papers in papers_of.items() if len(papers) <= settings.negatives):
        raise CorpusError(
            f"mine=hybrid: too few papers have pairs of the kind {few[0]} to give {settings.negatives} negatives. Give "
            "more papers, or set pairs.shares of this kind to 0."
        )
    own = np.array([numbers[pair.groups[0]] for pair in pairs])
    found = _search(model, [pair.anchor for pair in pairs], passages, own, settings)
    rng = np.random.default_rng(seed)
    usable = [
        rng.permutation([paper for paper in papers.tolist() if paper in of_kind[pair.kind]]).astype(np.int64).tolist()
        for pair, papers in zip(pairs, found, strict=True)
    ]
    if settings.filter is not None:
        usable = _without_answers(pairs, usable, of_kind, settings, model.device.type)
    encoder = msgspec.json.Encoder()
    short = 0
    with target.open("wb") as file:
        for number, pair in enumerate(pairs):
            texts = of_kind[pair.kind]
            chosen = usable[number][: settings.negatives]
            if missing := settings.negatives - len(chosen):
                short += 1
                others = rng.choice(papers_of[pair.kind], min(missing + len(chosen) + 1, len(texts)), replace=False)
                chosen += [paper for paper in others.tolist() if paper not in (own[number], *chosen)][:missing]
            plain = msgspec.to_builtins(pair)
            # In a batch with a pair of a negative's paper, the negative would be a right answer to that pair.
            plain["groups"] = sorted({*pair.groups, *(groups[paper] for paper in chosen)})
            plain |= {f"negative_{place}": texts[paper] for place, paper in enumerate(chosen, start=1)}
            file.write(encoder.encode(plain) + b"\n")
    log_progress(f"{len(pairs) - short:,} of {len(pairs):,} pairs have {settings.negatives} hard negatives")


def _without_answers(
    pairs: Sequence[Pair],
    usable: Sequence[Sequence[int]],
    of_kind: Mapping[str, Mapping[int, str]],
    settings: HybridNegativesConfig,
    device: str,
) -> list[list[int]]:
    """Return the first papers of each pair whose passages the cross-encoder takes for no answers."""
    assert settings.filter is not None
    judge = CrossEncoderFilter(settings.filter, settings.filter_margin, device=device, batch_size=settings.batch_size)
    candidates = [[of_kind[pair.kind][paper] for paper in papers] for pair, papers in zip(pairs, usable, strict=True)]
    anchors, positives = [pair.anchor for pair in pairs], [pair.positive for pair in pairs]
    places = judge.choose(anchors, positives, candidates, settings.negatives)
    return [[papers[place] for place in kept] for papers, kept in zip(usable, places, strict=True)]


def _search(
    model: SentenceTransformer,
    queries: list[str],
    passages: list[str],
    own: np.ndarray[Any, Any],
    settings: HybridNegativesConfig,
) -> list[np.ndarray[Any, Any]]:
    """Return, for each query, the numbers of the passages that may become its negatives."""
    with log_duration(f"encoding {len(passages):,} passages and {len(queries):,} queries"):
        by_passage, by_query = (_unit(model, texts, settings.batch_size) for texts in (passages, queries))
    with log_duration("counting words"):
        lexical = _count_words(model, passages)
        tokens = token_ids(model.tokenizer, queries, _LONGEST)
    places = torch.from_numpy(own).to(by_passage.device)
    found: list[np.ndarray[Any, Any]] = []
    # Sparse products have no bf16, and small differences of scores matter.
    with (
        log_duration(f"searching for {len(queries):,} queries"),
        torch.autocast(by_passage.device.type, enabled=False),
    ):
        for start in range(0, len(queries), _QUERIES_AT_ONCE):
            part = slice(start, start + _QUERIES_AT_ONCE)
            fused = 0.5 * _shares(by_query[part] @ by_passage.T, settings.pool)
            fused += 0.5 * _shares(lexical.scores(tokens[part]), settings.pool)
            mine = places[part]
            rows = torch.arange(len(mine), device=mine.device)
            limit = settings.largest_ratio * fused[rows, mine]
            fused[rows, mine] = -1
            scores, nearest = fused.topk(settings.range_max, dim=1)
            alike = torch.einsum("qkd,qd->qk", by_passage[nearest], by_passage[mine])
            usable = (scores > 0) & (scores <= limit[:, None]) & (alike < settings.duplicate_cosine)
            usable[:, : settings.range_min] = False
            found += [line[mask].cpu().numpy() for line, mask in zip(nearest.cpu(), usable.cpu(), strict=True)]
    return found


def _shares(scores: torch.Tensor, pool: int) -> torch.Tensor:
    """Return shares of the best `pool` of each row: 1 for the best, 0 for the last and all below, as search fuses."""
    best = scores.topk(min(pool, scores.shape[1]), dim=1).values
    top, last = best[:, :1], best[:, -1:]
    return ((scores - last) / (top - last).clamp(min=1e-9)).clamp(min=0)


def _unit(model: SentenceTransformer, texts: list[str], batch_size: int) -> torch.Tensor:
    vectors = model.encode(
        texts, batch_size=batch_size, show_progress_bar=False, convert_to_tensor=True, normalize_embeddings=True
    )
    return vectors.float()


def _count_words(model: SentenceTransformer, passages: list[str]) -> _Lexical:
    ids = token_ids(model.tokenizer, passages, _LONGEST)
    bm25 = TokenBm25.count_tokens(model.tokenizer, ids)
    idf = torch.where(bm25.idf < _COMMON_IDF, 0, bm25.idf)
    lengths = np.array([len(each) for each in ids])
    flat = np.concatenate([np.asarray(each, dtype=np.int64) for each in ids])
    rows = np.repeat(np.arange(len(ids)), lengths)
    kept = idf.numpy()[flat] > 0
    counts = csr_matrix((np.ones(kept.sum(), np.float32), (rows[kept], flat[kept])), shape=(len(ids), len(idf)))
    counts.sum_duplicates()
    # Special tokens, such as that of unknown words, have no idf and do not count.
    counted = np.bincount(rows, bm25.idf.numpy()[flat] > 0, len(ids))
    norm = K1 * (1 - B + B * counted / bm25.average_length)
    row = np.repeat(np.arange(len(ids)), np.diff(counts.indptr))
    counts.data = (counts.data * (K1 + 1) / (counts.data + norm[row])).astype(np.float32)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        weights = torch.sparse_csr_tensor(
            torch.from_numpy(counts.indptr.astype(np.int64)),
            torch.from_numpy(counts.indices.astype(np.int64)),
            torch.from_numpy(counts.data),
            size=counts.shape,
            check_invariants=False,
        )
    device = model.device
    return _Lexical(weights.to(device), idf.to(device))
