"""Configuration of the corpus and the mining: the groups `data` and `mine`.

The configuration of pairs is in `training.data.pairs`, together with their sources.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from training.schema import Above0, AtLeast0, Count, OpenShare, Positive, Section, Share, explain


class DataConfig(Section, frozen=True):
    """Corpus, and its split by time and by groups of near-duplicates."""

    papers: Annotated[str, explain("file of papers; `sample` downloads the sample papers")]
    mapping: Annotated[str | None, explain("fields of that file, such as `id=_id,title=title,abstract=text`")]
    most: Annotated[Positive | None, explain("papers to draw at random from the file; `null` takes all")]
    held_out_share: Annotated[OpenShare, explain("largest share of the corpus to hold out: the newest papers")]
    validation_share: Annotated[
        OpenShare, explain("largest share of the corpus to validate on: the papers before those")
    ]
    title_candidates: Annotated[int, Meta(ge=10), explain("papers in the held-out search by title, at most")]
    first_sentence_candidates: Annotated[
        int, Meta(ge=10), explain("papers in the held-out search by first sentence, at most")
    ]
    validation_candidates: Annotated[int, Meta(ge=10), explain("papers in each of the two validation sets, at most")]
    shingle: Annotated[Positive, explain("words in a shingle of MinHash")]
    bands: Annotated[
        Positive, explain("bands of a MinHash signature; papers that agree in one band are near-duplicates")
    ]
    rows: Annotated[Positive, explain("hashes in a band")]


RelativeMargin = Annotated[
    Share,
    explain("a negative may score at most (1 - margin) times the positive's score, to exclude false negatives"),
]


class NoMining(Section, tag="none", tag_field="kind", frozen=True):
    """No mining: the pairs stay unchanged."""


class NegativesConfig(Section, tag="negatives", tag_field="kind", frozen=True):
    """Hard negatives among the passages of all papers that train, found with the model before training."""

    negatives: Annotated[Positive, explain("negatives for each pair")]
    range_min: Annotated[Count, explain("nearest passages to skip, because they are often right as well")]
    range_max: Annotated[Positive, explain("rank of the last passage that may become a negative")]
    relative_margin: RelativeMargin
    sampling: Annotated[Literal["top", "random"], explain("choice among the passages that remain")]
    batch_size: Annotated[Positive, explain("texts to encode at once")]


class HybridNegativesConfig(Section, tag="hybrid", tag_field="kind", frozen=True):
    """Hard negatives that hybrid search ranks high, from the passages of all papers that train."""

    negatives: Annotated[Positive, explain("negatives for each pair")]
    range_min: Annotated[Count, explain("nearest passages to skip, because they are often right as well")]
    range_max: Annotated[Positive, explain("rank of the last passage that may become a negative")]
    largest_ratio: Annotated[
        Above0, explain("a negative may score at most this many times the positive's score, to exclude false negatives")
    ]
    duplicate_cosine: Annotated[
        Share, explain("a passage with this cosine to the positive or more is a near-duplicate and no negative")
    ]
    pool: Annotated[Positive, explain("best passages of each half that get a share of the score, as in search")]
    filter: Annotated[
        str | None,
        explain("folder or hub id of a CrossEncoder that tells negatives from further answers; `null` filters no more"),
    ]
    filter_margin: Annotated[
        AtLeast0, explain("amount by which a negative's score of that model must be below the positive's, in logits")
    ]
    batch_size: Annotated[Positive, explain("texts to encode at once")]


class NeighboursConfig(Section, tag="neighbours", tag_field="kind", frozen=True):
    """Batches of similar papers: hard negatives without additional texts."""

    block: Annotated[int, Meta(ge=2), explain("similar papers in a block; by default the trainer's batch size")]
    share: Annotated[Share, explain("share of the pairs to put into blocks; the others are in random order")]
    batch_size: Annotated[Positive, explain("texts to encode at once")]
    max_length: Annotated[Positive, explain("tokens of a text to read when papers are compared")]
    relative_margin: RelativeMargin


MiningConfig = NoMining | NegativesConfig | HybridNegativesConfig | NeighboursConfig
