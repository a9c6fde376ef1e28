"""Configuration of the corpus and the mining: the groups `data` and `mine`.

The configuration of pairs is in `training.data.pairs`, together with their sources.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from training.schema import Count, OpenShare, Positive, Section, Share, about


class DataConfig(Section, frozen=True):
    """Corpus, and its split by time and by groups of near-duplicates."""

    papers: Annotated[str, about("file of papers; `sample` downloads the sample papers")]
    mapping: Annotated[str | None, about("fields of that file, such as `id=_id,title=title,abstract=text`")]
    most: Annotated[Positive | None, about("papers to read at most; `null` reads all")]
    held_out_share: Annotated[OpenShare, about("largest share of the corpus to hold out: the newest papers")]
    validation_share: Annotated[OpenShare, about("largest share of the corpus to validate on: the papers before those")]
    title_candidates: Annotated[int, Meta(ge=10), about("papers in the held-out search by title, at most")]
    first_sentence_candidates: Annotated[
        int, Meta(ge=10), about("papers in the held-out search by first sentence, at most")
    ]
    validation_candidates: Annotated[int, Meta(ge=10), about("papers in each of the two validation sets, at most")]
    shingle: Annotated[Positive, about("words in a shingle of MinHash")]
    bands: Annotated[Positive, about("bands of a MinHash signature; papers that agree in one band are near-duplicates")]
    rows: Annotated[Positive, about("hashes in a band")]


class NoMining(Section, tag="none", tag_field="kind", frozen=True):
    """No mining: the pairs stay unchanged."""


class NegativesConfig(Section, tag="negatives", tag_field="kind", frozen=True):
    """Hard negatives, found with the model before training by the miner of sentence-transformers."""

    negatives: Annotated[Positive, about("negatives for each pair")]
    range_min: Annotated[Count, about("nearest passages to skip, because they are often right as well")]
    range_max: Annotated[Positive, about("rank of the last passage that may become a negative")]
    relative_margin: Annotated[
        Share, about("a negative may score at most (1 - margin) times the positive's score, to exclude false negatives")
    ]
    sampling: Annotated[Literal["top", "random"], about("choice among the passages that remain")]
    batch_size: Annotated[Positive, about("texts to encode at once")]


class NeighboursConfig(Section, tag="neighbours", tag_field="kind", frozen=True):
    """Batches of similar papers: hard negatives without additional texts."""

    block: Annotated[int, Meta(ge=2), about("similar papers in a block; by default the trainer's batch size")]
    share: Annotated[Share, about("share of the pairs to put into blocks; the others are in random order")]
    batch_size: Annotated[Positive, about("texts to encode at once")]
    max_length: Annotated[Positive, about("tokens of an anchor to read when papers are compared")]


MiningConfig = NoMining | NegativesConfig | NeighboursConfig
