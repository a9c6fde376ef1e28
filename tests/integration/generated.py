"""Generate papers and encode them without a model, for tests that need any corpus."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any

import numpy as np

from akin.indexing.build import build_snapshot
from akin.indexing.options import BuildOptions
from akin.papers import Paper
from retrieval_service.corpus import Manifest, Snapshot, SnapshotDirectory, open_snapshot
from retrieval_service.errors import EncoderMismatch, EncoderUnavailable
from retrieval_service.ports import EmbeddingBatch, EncoderIdentity, InputType, Vectors
from tests.people import people

DIM = 48
_SYLLABLES = [a + b for a in "bcdfglmnprstvz" for b in "aeiou"]
CATEGORIES = ("cs.LG", "cs.CL", "cs.IR", "math.NA", "stat.ML", "hep-th", "physics.optics")

AUTHORS = ("Ada Lovelace", "Paul Erdős", r"Paul M. Erd\H{o}s", "P. Erdős", "Paul Lovelace", "Ada Erdős", "Wei Wang")


def words(seed: int, count: int) -> list[str]:
    """Return made-up words, the same for the same seed."""
    dice = random.Random(seed)
    return ["".join(dice.choice(_SYLLABLES) for _ in range(dice.randint(2, 4))) for _ in range(count)]


def generated_papers(count: int, *, seed: int = 7) -> list[Paper]:
    """Return papers about topics: most words of a paper come from its topic."""
    return list(_generated(count, seed))


@lru_cache(32)
def _generated(count: int, seed: int) -> tuple[Paper, ...]:
    dice = random.Random(seed)
    language = words(1, 3000)
    topics = [dice.sample(language, 40) for _ in range(25)]
    papers = []
    for number in range(count):
        topic = dice.choice(topics)
        body = [dice.choice(topic if dice.random() < 0.6 else language) for _ in range(dice.randint(20, 70))]
        day = date(2000, 1, 1) + timedelta(days=dice.randrange(9000))
        papers.append(
            Paper(
                id=f"2001.{10000 + number:05d}",
                title=" ".join(dice.sample(topic, 5)).capitalize(),
                abstract=" ".join(body).capitalize() + ".",
                authors=people(*dice.sample(AUTHORS, dice.randint(1, 3))),
                categories=tuple(dice.sample(CATEGORIES, dice.randint(1, 3))),
                published=None if number % 20 == 0 else day,
            )
        )
    return tuple(papers)


class HashEncoder:
    """Encoder that hashes words: texts that share words get near vectors, always the same ones.

    Attributes:
        prompts: The words that it reads before the texts of an input type.
        texts: What it has read, prompts included.
    """

    def __init__(self, name: str = "hash", dim: int = DIM) -> None:
        self.identity = EncoderIdentity(1, sha256(name.encode()).hexdigest(), dim, max_length=64, device="cpu")
        self.prompts: dict[InputType, str] = {}
        self.texts: list[str] = []
        self.away = False
        self.largest_batch = 0

    async def embed_queries(self, texts: Sequence[str], input_type: InputType = "query") -> EmbeddingBatch:
        return self._embed(texts, input_type)

    async def embed_passages(self, texts: Sequence[str], input_type: InputType = "passage") -> EmbeddingBatch:
        return self._embed(texts, input_type)

    def _embed(self, texts: Sequence[str], input_type: InputType) -> EmbeddingBatch:
        if self.away:
            raise EncoderUnavailable("The encoder is away.")
        texts = [self.prompts.get(input_type, "") + text for text in texts]
        self.texts.extend(texts)
        self.largest_batch = max(self.largest_batch, len(texts))
        counts = np.asarray([len(text.split()) + 2 for text in texts], np.int32)
        return EmbeddingBatch(np.stack([hashed(text, self.identity.dim) for text in texts]), counts)


def hashed(text: str, dim: int = DIM) -> Vectors:
    """Return the unit vector of a text."""
    return _of_text(text, dim).copy()


@lru_cache(20_000)
def _of_text(text: str, dim: int) -> Vectors:
    vector = np.zeros(dim, np.float32)
    for word in text.lower().replace(".", " ").split():
        vector += _of_word(word, dim)
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


@lru_cache(100_000)
def _of_word(word: str, dim: int) -> Vectors:
    seed = int.from_bytes(blake2b(word.encode("utf-8", "replace"), digest_size=8).digest())
    return np.random.default_rng(seed).standard_normal(dim).astype(np.float32)


class OneEncoder:
    """Source of one encoder; it has none while the encoder is away."""

    def __init__(self, encoder: HashEncoder) -> None:
        self.encoder = encoder

    async def find(self, digest: str | None = None) -> HashEncoder:
        if self.encoder.away:
            raise EncoderUnavailable("The encoder is away.")
        served = self.encoder.identity
        if digest not in (None, served.digest):
            raise EncoderMismatch(f"Triton serves encoder {served.digest[:12]} (version 1), not {digest[:12]}.")
        return self.encoder

    async def is_ready(self, version: int) -> bool:
        return not self.encoder.away and version == self.encoder.identity.version

    async def close(self) -> None:
        pass


def build(papers: Iterable[Paper], encoder: HashEncoder, data: Path, **options: Any) -> Manifest:
    """Build a snapshot and return its manifest."""
    return asyncio.run(build_snapshot(papers, encoder, data, source_name="generated", options=BuildOptions(**options)))


def built(data: Path, count: int, **options: Any) -> tuple[list[Paper], HashEncoder, Manifest]:
    """Build a snapshot of generated papers; return these, the encoder and the manifest."""
    papers, encoder = generated_papers(count), HashEncoder()
    return papers, encoder, build(papers, encoder, data, **options)


@dataclass(frozen=True)
class Corpus:
    """Published snapshot, with its papers and its encoder."""

    data: Path
    papers: list[Paper]
    encoder: HashEncoder
    manifest: Manifest

    def open(self, **options: int) -> Snapshot:
        return open_snapshot(SnapshotDirectory(self.data).path(self.manifest.id), **options)
