"""Pairs of texts that belong together, made of a corpus of any size: papers are read by position.

To add a source that makes a pair of one paper, add its name to `PairSource` and its function to `ONE_PAPER_SOURCES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from akin.papers import Paper, passage_text
from akin.papers.sentences import split_sentences
from akin.relevance import KNOWN_ITEM_KINDS
from akin.relevance.kinds import related_pairs
from akin.relevance.kinds.keywords import keyword_searches
from akin.relevance.kinds.known_item import claim_search, draft_search, question_search
from akin.relevance.kinds.search import Pool, Search
from training.data.corpus import TrainingCorpus
from training.data.feedback_pairs import read_feedback
from training.errors import CorpusError
from training.schema import AtLeast0, Positive, Section, explain

PairSource = Literal[
    "title",
    "first_sentence",
    "last_sentence",
    "halves",
    "question",
    "claim",
    "draft",
    "keywords",
    "neighbours",
    "subject",
    "citation",
    "feedback",
    "feedback_negatives",
    "texts",
]
NO_SUBJECT = -1
FEEDBACK_KINDS = ("feedback", "feedback_negatives")
"""Pairs from readers: those of a search without a result that was not useful, and those with one."""
NOT_OF_ONE_PAPER = frozenset({"subject", "citation", "neighbours", "texts", *FEEDBACK_KINDS})
"""Sources whose pairs are of two papers, or single texts."""


class PairsConfig(Section, frozen=True):
    """Texts that belong together."""

    shares: Annotated[
        dict[PairSource, AtLeast0], explain("share of each source among the pairs; the shares need not sum to one")
    ]
    per_paper: Annotated[
        bool,
        explain("make a pair of every source of each paper, instead of dividing the papers among the sources"),
    ]
    most: Annotated[
        Positive | None,
        explain("pairs to make at most; `null` makes as many as there are papers, with `per_paper` of each source"),
    ]
    balanced: Annotated[
        bool, explain("for `subject`: draw every subject equally often, instead of in proportion to its papers")
    ]
    citations: Annotated[
        str | None, explain('for `citation`: file of JSON lines `{"citing": id, "cited": id}`, both in the corpus')
    ]
    feedback: Annotated[
        str | None, explain("for `feedback` and `feedback_negatives`: file of `akin feedback export --as pairs`")
    ]
    labelled: Annotated[
        bool,
        explain("for `subject`: label each pair 1 and add a pair of two subjects, labelled 0"),
    ]


class Pair(msgspec.Struct, frozen=True, omit_defaults=True):
    """Two texts.

    Attributes:
        kind: source of the pair, as in `pairs.shares`.
        anchor: text that searches.
        positive: text that it should find; empty for a single text.
        negative_1: text that it should not find; empty for most kinds, to which mining adds them.
        label: 1 if the texts belong together, 0 if not; None if no pair of this kind has a label.
        groups: groups of near-duplicates of the papers that the texts are of. Pairs with a group in common are never
            in one batch.
    """

    kind: str
    anchor: str
    positive: str = ""
    negative_1: str = ""
    label: int | None = None
    groups: tuple[int, ...] = ()


class Citation(msgspec.Struct, frozen=True):
    """Citation of one paper by another, by their ids in the corpus."""

    citing: str
    cited: str


def known_item_pair(kind: str, paper: Paper) -> Pair | None:
    """Return query and passage of a known-item search, so that training optimises what is measured."""
    parts = KNOWN_ITEM_KINDS[kind](paper)
    if parts is None:
        return None
    query, title, text = parts
    return Pair(kind, query, passage_text(Paper(id=paper.id, title=title, abstract=text)))


def halves_pair(kind: str, paper: Paper) -> Pair | None:
    """Return the first half of an abstract and the second; None if the abstract is one sentence."""
    cut = halves(paper.abstract)
    return Pair(kind, *cut) if cut else None


def halves(text: str) -> tuple[str, str] | None:
    """Return a text cut at the end of the sentence that is nearest to its middle; None if it has one sentence only."""
    parts = split_sentences(text)
    if len(parts) < 2:
        return None
    ends = [sum(len(part) + 1 for part in parts[: count + 1]) for count in range(len(parts) - 1)]
    cut = min(range(len(ends)), key=lambda index: abs(ends[index] - len(text) / 2)) + 1
    return " ".join(parts[:cut]), " ".join(parts[cut:])


def single_text(kind: str, paper: Paper) -> Pair:
    """Return the passage of a paper alone, for a loss that learns from single texts."""
    return Pair(kind, passage_text(paper))


def search_pair(kind: str, paper: Paper) -> Pair | None:
    """Return query and passage of a kind of search for one paper, as test sets have them."""
    search = _SEARCHES[kind](paper)
    return _pair_of_search(kind, search) if search else None


def _pair_of_search(kind: str, search: Search) -> Pair | None:
    if search.passage is None:
        return None
    title, abstract = search.passage
    return Pair(kind, search.query, passage_text(Paper(id=search.paper.id, title=title, abstract=abstract)))


_SEARCHES = {"question": question_search, "claim": claim_search, "draft": draft_search}

ONE_PAPER_SOURCES: dict[str, Callable[[str, Paper], Pair | None]] = {
    **dict.fromkeys(("title", "first_sentence", "last_sentence"), known_item_pair),
    "halves": halves_pair,
    **dict.fromkeys(_SEARCHES, search_pair),
    "texts": single_text,
}


def passage_of(kind: str, paper: Paper) -> str:
    """Return the passage that a paper has in pairs of a kind, so that negatives have the form of positives."""
    if kind == "subject":
        return paper.abstract
    pair = ONE_PAPER_SOURCES[kind](kind, paper) if kind in ONE_PAPER_SOURCES else None
    return passage_text(paper) if pair is None else pair.positive


def make_pairs(corpus: TrainingCorpus, settings: PairsConfig, seed: int) -> Iterator[Pair]:
    """Yield the pairs that the settings request, the sources mixed in proportion to their pairs.

    Sources that use one paper at a time divide the papers among them, so that no paper gives two pairs, or with
    `per_paper` take each paper once.

    Raises:
        CorpusError: The corpus does not give pairs of a requested source.
    """
    shares = {kind: share for kind, share in settings.shares.items() if share > 0}
    if not shares:
        raise CorpusError("pairs.shares: every share is 0, so there is nothing to train on. Give one above 0.")
    total = sum(shares.values())
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(corpus)).tolist()
    most = settings.most or len(corpus) * (total / max(shares.values()) if settings.per_paper else 1)
    start = 0
    streams: list[Iterator[Pair]] = []
    counts = []
    for number, (kind, share) in enumerate(sorted(shares.items())):
        wanted = max(1, round(most * share / total))
        counts.append(wanted)
        if kind == "subject":
            streams.append(
                subject_pairs(corpus, wanted, balanced=settings.balanced, labelled=settings.labelled, seed=seed)
            )
        elif kind == "keywords":
            streams.append(keyword_pairs(corpus, wanted, seed))
        elif kind == "neighbours":
            streams.append(neighbour_pairs(corpus, wanted, seed))
        elif kind == "citation":
            streams.append(citation_pairs(corpus, settings.citations, wanted, seed))
        elif kind in FEEDBACK_KINDS:
            streams.append(feedback_pairs(corpus, settings.feedback, kind, wanted, seed))
        elif settings.per_paper:
            streams.append(_pairs_of_papers(kind, corpus, order, wanted))
        else:
            end = len(order) if number == len(shares) - 1 else start + round(len(order) * share / total)
            streams.append(_pairs_of_papers(kind, corpus, order[start:end], wanted))
            start = end
    yield from _mix(streams, counts, rng)


def _mix(streams: list[Iterator[Pair]], counts: list[int], rng: np.random.Generator) -> Iterator[Pair]:
    """Yield the pairs of all streams in random order, so that a reader of the file meets every source."""
    for number in rng.permutation(np.repeat(np.arange(len(streams)), counts)).tolist():
        if (pair := next(streams[number], None)) is not None:
            yield pair
    for stream in streams:
        yield from stream


def subject_pairs(
    corpus: TrainingCorpus, wanted: int, *, balanced: bool, labelled: bool = False, seed: int = 0
) -> Iterator[Pair]:
    """Yield abstracts of papers that have the same primary category.

    Args:
        corpus: papers with categories.
        wanted: number of pairs.
        balanced: draw every subject equally often; otherwise in proportion to its papers.
        labelled: after each pair yield a pair of two subjects, labelled 0.
        seed: seed of the random choices.

    Raises:
        CorpusError: No subject has two papers, or with `labelled` there is only one subject.
    """
    names: dict[str, int] = {}
    subjects = np.array(
        [names.setdefault(paper.categories[0], len(names)) if paper.categories else NO_SUBJECT for paper in corpus]
    )
    members = {number: np.flatnonzero(subjects == number) for number in names.values()}
    several = [number for number, found in members.items() if len(found) > 1]
    if not several:
        raise CorpusError(
            "pairs=subject: no subject has two papers, so no pair shares one. Give a larger corpus or other pairs."
        )
    if labelled and len(members) < 2:
        raise CorpusError(
            "pairs.labelled: all papers have the same subject, so no pair has two. Give a larger corpus or other pairs."
        )
    rng = np.random.default_rng(seed)
    weights = np.array([1 if balanced else len(members[number]) for number in several], dtype=np.float64)
    for number in rng.choice(several, wanted, p=weights / weights.sum()):
        one, other = rng.choice(members[number], 2, replace=False).tolist()
        yield _of_papers(
            Pair("subject", corpus[one].abstract, corpus[other].abstract, label=1 if labelled else None),
            corpus,
            one,
            other,
        )
        if labelled:
            other = _draw_other_subject(subjects, int(number), rng)
            yield _of_papers(Pair("subject", corpus[one].abstract, corpus[other].abstract, label=0), corpus, one, other)


def keyword_pairs(corpus: TrainingCorpus, wanted: int, seed: int) -> Iterator[Pair]:
    """Yield a few keywords and the passage of their paper, as test sets have them. All papers are held in memory."""
    papers = list(corpus)
    place = {paper.id: index for index, paper in enumerate(papers)}
    for search in islice(keyword_searches(Pool(papers), seed), wanted):
        if pair := _pair_of_search("keywords", search):
            yield _of_papers(pair, corpus, place[search.paper.id])


def neighbour_pairs(corpus: TrainingCorpus, wanted: int, seed: int) -> Iterator[Pair]:
    """Yield an abstract and the passage of a related paper, as test sets have them. All papers are held in memory.

    Raises:
        CorpusError: No two papers of the corpus are related.
    """
    pool = Pool(list(corpus))
    place = {paper.id: index for index, paper in enumerate(corpus)}
    found = sorted(related_pairs(pool))
    if not found:
        raise CorpusError("pairs.shares.neighbours: no two papers of the corpus are related. Give other pairs.")
    rng = np.random.default_rng(seed)
    for index in rng.permutation(len(found))[:wanted].tolist():
        one, other = (pool.papers[found[index][side]] for side in rng.permutation(2).tolist())
        pair = Pair("neighbours", one.abstract, passage_text(other))
        yield _of_papers(pair, corpus, place[one.id], place[other.id])


def citation_pairs(corpus: TrainingCorpus, file: str | None, wanted: int, seed: int = 0) -> Iterator[Pair]:
    """Yield papers of which one cites the other, both in the corpus.

    Raises:
        CorpusError: The file cannot be read, or none of its citations is between two papers of the corpus.
    """
    if file is None:
        raise CorpusError('pairs.citations: name a file of citations (JSON lines, {"citing": id, "cited": id}).')
    try:
        lines = Path(file).expanduser().read_bytes().splitlines()
        found = [msgspec.json.decode(line, type=Citation) for line in lines if line.strip()]
    except (OSError, msgspec.DecodeError) as error:
        raise CorpusError(f"pairs.citations: {file} cannot be read: {error}.") from error
    known = {identity for citation in found for identity in (citation.citing, citation.cited)}
    place = {paper.id: index for index, paper in enumerate(corpus) if paper.id in known}
    inside = [citation for citation in found if citation.citing in place and citation.cited in place]
    if not inside:
        raise CorpusError(
            f"pairs.citations: none of the {len(found)} citations in {file} is between two papers that train. "
            "Give a file with ids of the corpus."
        )
    for place_inside in sorted(np.random.default_rng(seed).permutation(len(inside))[:wanted].tolist()):
        citation = inside[place_inside]
        one, other = place[citation.citing], place[citation.cited]
        yield _of_papers(Pair("citation", passage_text(corpus[one]), passage_text(corpus[other])), corpus, one, other)


def feedback_pairs(corpus: TrainingCorpus, file: str | None, kind: str, wanted: int, seed: int = 0) -> Iterator[Pair]:
    """Yield searches of readers with a result that was useful, and for `feedback_negatives` one that was not.

    Raises:
        CorpusError: The file cannot be read, or has no such pair of papers of the corpus.
    """
    for anchor, passages, places in read_feedback(corpus, file, kind, wanted, seed):
        negative = passages[1] if kind == "feedback_negatives" else ""
        yield _of_papers(Pair(kind, anchor, passages[0], negative), corpus, *places)


def _pairs_of_papers(kind: str, corpus: TrainingCorpus, order: list[int], wanted: int) -> Iterator[Pair]:
    made = 0
    for index in order:
        if made == wanted:
            return
        pair = ONE_PAPER_SOURCES[kind](kind, corpus[index])
        if pair is not None:
            made += 1
            yield _of_papers(pair, corpus, index)
    if not made:
        raise CorpusError(f"pairs.shares.{kind}: no paper of the corpus gives such a pair. Give other pairs.")


def _of_papers(pair: Pair, corpus: TrainingCorpus, *papers: int) -> Pair:
    """Return a pair with the groups of near-duplicates that its papers belong to."""
    return msgspec.structs.replace(pair, groups=tuple(sorted({int(corpus.groups[index]) for index in papers})))


def _draw_other_subject(subjects: NDArray[Any], number: int, rng: np.random.Generator) -> int:
    while True:
        index = int(rng.integers(len(subjects)))
        if subjects[index] not in (number, NO_SUBJECT):
            return index
