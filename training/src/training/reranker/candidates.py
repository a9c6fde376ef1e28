"""Make groups to train a reranker on: `python -m training.reranker.candidates --papers FILE --output FILE`.

Papers give queries by the rules of `relevance`. Lexical and dense search look for each query among the passages of all
papers, out of which that kind's queries were taken, and both rankings are joined as hybrid search joins them. The
passages found beside the right one are the candidates for negatives.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from akin.papers import Paper, PapersError, passage_text, read_papers
from akin.relevance import KINDS, KNOWN_ITEM_KINDS
from akin.relevance.kinds import Pool
from training.arrays import Floats
from training.command import run_command
from training.data.corpus import read_corpus
from training.errors import ConfigurationError, CorpusError, translate_write_errors
from training.progress import log_duration, log_progress
from training.registry import source

DEFAULT_KINDS = ("question", "keywords", "title", "claim", "first_sentence")
ALL_KINDS = tuple(dict.fromkeys([*(kind for kind in KINDS if kind != "neighbours"), *KNOWN_ITEM_KINDS]))
"""Kinds of search with one right passage."""

_QUERIES_AT_ONCE = 512

Encode = Callable[[Sequence[str]], Floats]
Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Mining:
    """Settings of the candidates.

    Attributes:
        kinds: rules that make queries.
        most: queries of each kind, at most; None takes one of each paper.
        negatives: negatives of each query.
        depth: passages of each ranking that may become negatives.
        margin: a negative's cosine to the query is at most (1 - margin) times the positive's, as a passage above that
            may be an answer too. Below 0 it admits passages that the encoder prefers to the right one: a reranker
            has to learn from these.
        apart: a negative's cosine to the positive is at most this, as a passage above that may be the same paper.
        seed: seed of every random choice.
    """

    kinds: tuple[str, ...] = DEFAULT_KINDS
    most: int | None = None
    negatives: int = 7
    depth: int = 50
    margin: float = -0.1
    apart: float = 0.9
    seed: int = 0


def make_groups(papers: Sequence[Paper], encode: Encode, mining: Mining) -> Iterator[dict[str, Any]]:
    """Yield the groups of all kinds, in the form that `training.reranker.groups` reads.

    A query for which too few candidates remain is left out, and so is one that several papers give.

    Raises:
        ConfigurationError: A kind does not exist.
        CorpusError: The papers give no query of a kind.
    """
    encode = _remember(encode, {passage_text(paper) for paper in papers})
    for number, kind in enumerate(mining.kinds):
        if kind not in ALL_KINDS:
            raise ConfigurationError(f"there is no kind {kind!r}; there are: {', '.join(ALL_KINDS)}.")
        with log_duration(f"candidates by {kind}"):
            yield from _groups_of_kind(papers, kind, encode, mining, np.random.default_rng((mining.seed, number)))


def _remember(encode: Encode, texts: set[str]) -> Encode:
    """Return an encoder that encodes each of these texts once: most kinds search among whole passages."""
    known: dict[str, Floats] = {}

    def encode_new(wanted: Sequence[str]) -> Floats:
        new = [text for text in dict.fromkeys(wanted) if text not in known]
        found = dict(zip(new, encode(new), strict=True)) if new else {}
        known.update((text, vector) for text, vector in found.items() if text in texts)
        return np.stack([known[text] if text in known else found[text] for text in wanted])

    return encode_new


def _groups_of_kind(
    papers: Sequence[Paper], kind: str, encode: Encode, mining: Mining, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    items, passages = _items(papers, kind, mining.seed)
    if not items or len(passages) <= mining.negatives:
        raise CorpusError(f"{len(items)} of {len(passages)} papers give a query by {kind}: give more papers.")
    chosen = [items[index] for index in rng.permutation(len(items))[: mining.most]]
    texts = [item.query for item in chosen]
    from training.evaluation.ranking import Bm25

    lexical = Bm25().rank(texts, passages, mining.depth)
    vectors, asked = encode(passages), encode(texts)
    made = 0
    for start in range(0, len(chosen), _QUERIES_AT_ONCE):
        block = slice(start, start + _QUERIES_AT_ONCE)
        cosines = asked[block] @ vectors.T
        depth = min(mining.depth, len(passages))
        near = np.argpartition(-cosines, depth - 1, axis=1)[:, :depth]
        for row, item in enumerate(chosen[block]):
            found, score = _fuse(
                (near[row], cosines[row, near[row]]),
                (lexical.positions[start + row], lexical.scores[start + row]),
            )
            apart = (vectors[found] @ vectors[item.right] <= mining.apart) & ~np.isin(found, item.unjudged)
            group = _choose(found[apart], score, item.right, cosines[row], mining, rng)
            if group is not None:
                members, kept = group
                made += 1
                yield {
                    "query": texts[start + row],
                    "positive": passages[members[0]],
                    "negatives": [passages[member] for member in members[1:]],
                    "scores": [round(float(score), 4) for score in kept],
                    "kind": kind,
                    "paper": item.paper,
                }
    log_progress(f"{made} of {len(chosen)} queries by {kind} have {mining.negatives} negatives")


class _Item(NamedTuple):
    """Query, the id of its paper, the place of its passage, and the places of passages that may answer it too."""

    query: str
    paper: str
    right: int
    unjudged: list[int]


def _items(papers: Sequence[Paper], kind: str, seed: int) -> tuple[list[_Item], list[str]]:
    """Return the queries of a kind, and the passages of all papers, without a query that was taken out of them."""
    pool = Pool(papers)
    place = {paper.id: number for number, paper in enumerate(pool.papers)}
    passages = [passage_text(paper) for paper in pool.papers]
    items: dict[str, _Item | None] = {}
    for query, identity, (title, text), unjudged in _searches(pool, kind, seed):
        passages[place[identity]] = passage_text(Paper(id=identity, title=title, abstract=text))
        # Either of two papers with one query would be a right answer.
        item = _Item(query, identity, place[identity], [place[each] for each in unjudged if each in place])
        items[query] = None if query in items else item
    return [item for item in items.values() if item and passages[item.right]], passages


def _searches(pool: Pool, kind: str, seed: int) -> Iterator[tuple[str, str, tuple[str, str], list[str]]]:
    """Yield each query of a kind with its paper's id, its passage, and ids of papers that may answer it too."""
    if kind in KINDS:
        for found in KINDS[kind](pool, seed):
            if found.passage is not None:
                unjudged = [*found.unjudged, *(paper.id for paper in found.related)]
                yield found.query, found.paper.id, found.passage, unjudged
        return
    for paper in pool.papers:
        parts = KNOWN_ITEM_KINDS[kind](paper)
        if parts is not None:
            yield parts[0], paper.id, parts[1:], []


def _fuse(dense: tuple[Positions, Floats], lexical: tuple[Positions, Floats]) -> tuple[Positions, dict[int, float]]:
    """Return the passages of two rankings, and the mean of their shares by passage, as hybrid search joins them."""
    there = lexical[0] >= 0
    rankings = [dense, (lexical[0][there], lexical[1][there])]
    found = np.unique(np.concatenate([positions for positions, _ in rankings]))
    total = np.zeros(len(found), dtype=np.float32)
    for positions, scores in rankings:
        if len(positions):
            spread = float(scores.max() - scores.min())
            shares = (scores - scores.min()) / spread if spread else np.ones(len(scores), dtype=np.float32)
            total[np.searchsorted(found, positions)] += shares / 2
    return found, dict(zip(found.tolist(), total.tolist(), strict=True))


def _choose(
    found: Positions, score: dict[int, float], right: int, cosines: Floats, mining: Mining, rng: np.random.Generator
) -> tuple[list[int], list[float]] | None:
    """Return the positive and random negatives of one query with their scores; None if too few remain."""
    possible = found[(found != right) & (cosines[found] <= (1 - mining.margin) * cosines[right])]
    if len(possible) < mining.negatives:
        return None
    # The best ones of the joined ranking: these are what the reranker is going to see.
    best = possible[np.argsort([-score[each] for each in possible.tolist()], kind="stable")][: mining.depth]
    members = [right, *rng.choice(best, mining.negatives, replace=False).tolist()]
    return members, [score.get(member, 0.0) for member in members]


def sentence_encoder(model: str | None, device: Literal["auto", "cpu"]) -> Encode:
    """Return an encoder of passages and queries, on the GPU if there is one.

    Raises:
        SourceError: The model cannot be loaded.
    """
    from training import devices

    origin = source.resolve(model)
    loaded = source.load(origin)
    where = devices.choose_device(device)
    loaded.to(where)
    precision = devices.choose_precision("auto", where)

    def encode(texts: Sequence[str]) -> Floats:
        with devices.autocast(precision, where):
            found = loaded.encode(list(texts), batch_size=256, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(found, dtype=np.float32)

    return encode


def write_groups(
    papers: Path,
    output: Path,
    mining: Mining,
    *,
    mapping: str | None = None,
    most_papers: int | None = None,
    model: str | None = None,
    device: Literal["auto", "cpu"] = "auto",
) -> int:
    """Write the groups of a file of papers, or of the training part of a run's folder, and return their number.

    Raises:
        TrainingError: The papers or the model cannot be read, give no groups, or the file cannot be written.
    """
    read = list(islice(_read(papers, mapping), most_papers))
    encode = sentence_encoder(model, device)
    count = 0
    with translate_write_errors(output.parent):
        output.parent.mkdir(parents=True, exist_ok=True)
        with output.open("w", encoding="utf-8") as file:
            for group in make_groups(read, encode, mining):
                file.write(json.dumps(group, ensure_ascii=False) + "\n")
                count += 1
    if not count:
        output.unlink()
        with suppress(OSError):
            output.parent.rmdir()  # unless others are in it
        raise CorpusError(f"{papers} gives no groups: give more papers, fewer --negatives, or a smaller --margin.")
    return count


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    return run_command(_parser(), _run, arguments)


def _read(papers: Path, mapping: str | None) -> Iterator[Paper]:
    if papers.is_dir():
        yield from read_corpus(papers / "prepare" / "train.jsonl")
        return
    try:
        with read_papers(papers, mapping) as reader:
            yield from reader
    except PapersError as error:
        raise CorpusError(str(error)) from error


def mining_of(options: argparse.Namespace) -> Mining:
    """Return the settings that options describe."""
    return Mining(
        kinds=tuple(options.kinds.split(",")),
        most=options.most,
        negatives=options.negatives,
        depth=options.depth,
        margin=options.margin,
        apart=options.apart,
        seed=options.seed,
    )


def add_mining(parser: argparse.ArgumentParser) -> None:
    """Add the options of papers and candidates, except those of the model, the negatives and the seed."""
    default, add = Mining(), parser.add_argument
    add("--papers", type=Path, required=True, help="folder of a run, whose training part is used, or a file of papers")
    add("--map", metavar="FIELDS", help="the fields of that file, such as id=_id,title=title,abstract=text")
    add("--kinds", default=",".join(DEFAULT_KINDS), help="kinds of queries, with commas (default: %(default)s)")
    add("--most", type=int, help="queries of each kind, at most (default: one of each paper)")
    add("--most-papers", type=int, help="papers to read, at most (default: all)")
    add("--depth", type=int, default=default.depth, help="of each ranking (default: %(default)s)")
    add("--margin", type=float, default=default.margin, help="to the query's cosine (default: %(default)s)")
    add("--apart", type=float, default=default.apart, help="cosine to the positive, at most (default: %(default)s)")


def _run(options: argparse.Namespace) -> str:
    count = write_groups(
        options.papers,
        options.output,
        mining_of(options),
        mapping=options.map,
        most_papers=options.most_papers,
        model=options.model,
        device=options.device,
    )
    return json.dumps({"groups": count, "file": str(options.output)})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.reranker.candidates",
        description="Make groups of a query, the passage that it was cut from, and mined negatives.",
    )
    add = parser.add_argument
    add("--output", type=Path, required=True, metavar="FILE", help="file to write")
    add("--model", metavar="MODEL", help="encoder of the dense search (default: all-MiniLM-L6-v2)")
    add("--device", choices=("auto", "cpu"), default="auto", help="`auto` is the GPU if there is one")
    add("--negatives", type=int, default=Mining().negatives, help="of each query (default: %(default)s)")
    add("--seed", type=int, default=0, help="seed of every random choice (default: 0)")
    add_mining(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
