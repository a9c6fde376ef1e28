"""Measure how references are resolved by title: right, wrong and not at all.

Half of the papers of a file are the corpus. References are made of papers of both halves, as they stand in people's
`.bib` files: with the changes below, initials for given names, a year up to two years later, and without ids. One
reference in ten lacks its authors or its year. A reference to a paper of the other half must find nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace
from typing import Any, cast

from akin.cli.output import say
from akin.indexing.catalogue_writer import CatalogueWriter
from akin.indexing.lexical_writer import LexicalWriter
from akin.papers import Paper, read_papers
from akin.papers.bibliography.references import read_references
from akin.stack_settings import Settings
from benchmarks.report import Row, write_and_print
from retrieval_service.adapters.sqlite_catalogue import SqliteCatalogue
from retrieval_service.adapters.tantivy_index import TantivyIndex
from retrieval_service.ports import Corpus
from retrieval_service.search.resolving import ResolvedReference, resolve

_BATCH = 5_000
_AT_ONCE = 2_000  # references of a request
_LETTERS = "abcdefghijklmnopqrstuvwxyz"

Chance = random.Random


def _as_it_is(title: str, _: Chance) -> str:
    return title


def _case(title: str, chance: Chance) -> str:
    return chance.choice((str.lower, str.upper, str.title))(title)


def _braces(title: str, chance: Chance) -> str:
    words = [f"{{{word}}}" if chance.random() < 0.4 else word for word in title.split()]
    return f"{{{' '.join(words)}}}" if chance.random() < 0.5 else " ".join(words)


def _signs(title: str, chance: Chance) -> str:
    """Return a title without its signs, or with others."""
    return (
        title.replace("-", chance.choice((" ", "--", "")))
        .replace(":", chance.choice((" --", ".", "")))
        .replace(",", "")
    )


def _without_subtitle(title: str, _: Chance) -> str:
    return title.partition(":")[0] if title.partition(":")[0].count(" ") > 2 else title


def _typing_mistake(title: str, chance: Chance) -> str:
    places = [at for at in range(1, len(title) - 1) if title[at - 1 : at + 2].isalpha()]
    if not places:
        return title
    at = chance.choice(places)
    kind = chance.randrange(4)
    if kind == 0:
        return title[:at] + title[at + 1 :]
    if kind == 1:
        return title[:at] + title[at] + title[at:]
    if kind == 2:
        return title[:at] + title[at + 1] + title[at] + title[at + 2 :]
    return title[:at] + chance.choice(_LETTERS) + title[at + 1 :]


def _cut(title: str, chance: Chance) -> str:
    return title[: max(30, int(len(title) * chance.uniform(0.5, 0.9)))]


def _without_a_small_word(title: str, chance: Chance) -> str:
    words = title.split()
    small = [at for at, word in enumerate(words) if at and word in ("a", "an", "the", "of", "in", "for", "on")]
    if small:
        del words[chance.choice(small)]
    return " ".join(words)


CHANGES: dict[str, Callable[[str, Chance], str]] = {
    "as it is": _as_it_is,
    "other capitals": _case,
    "braces": _braces,
    "other signs": _signs,
    "without the subtitle": _without_subtitle,
    "a typing mistake": _typing_mistake,
    "two typing mistakes": lambda title, chance: _typing_mistake(_typing_mistake(title, chance), chance),
    "cut off": _cut,
    "without a small word": _without_a_small_word,
}


def main() -> None:
    """Make the corpus and the references of a file, resolve them, and print the shares."""
    parser = argparse.ArgumentParser(prog="make bench NAME=resolving", description=__doc__)
    parser.add_argument("papers", help="a file of papers")
    parser.add_argument("--references", type=int, default=2_000, help="references of each half")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    settings = Settings.read()
    papers = list(read_papers(options.papers))
    chance = random.Random(options.seed)
    chance.shuffle(papers)
    half = len(papers) // 2
    rows = measure(papers[:half], papers[half:], options.references, chance, settings.data / "benchmarks" / "resolving")
    write_and_print("resolving", rows, settings.data / "benchmarks", say)


def measure(inside: Sequence[Paper], outside: Sequence[Paper], count: int, chance: Chance, folder: Path) -> list[Row]:
    """Return the shares of references that are resolved rightly, wrongly and not at all, by kind of change."""
    corpus = make_corpus(inside, folder)
    rows: list[Row] = []
    total = {"right": 0, "wrong": 0, "none": 0, "outside found": 0}
    for name, change in CHANGES.items():
        some = chance.sample(inside, min(count // len(CHANGES), len(inside)))
        others = chance.sample(outside, min(count // len(CHANGES), len(outside)))
        started = perf_counter()
        found = _resolve(corpus, [entry(paper, change, chance) for paper in some])
        seconds = perf_counter() - started
        strangers = _resolve(corpus, [entry(paper, change, chance) for paper in others])
        named = [each.paper.id if each.paper else None for each in found]
        right = sum(got == paper.id for got, paper in zip(named, some, strict=True))
        counts = {
            "right": right,
            "wrong": len(some) - right - named.count(None),
            "none": named.count(None),
            "outside found": sum(each.paper is not None for each in strangers),
        }
        for each, value in counts.items():
            total[each] += value
            rows.append(Row("by title", name, each, value, f"of {len(some)}"))
        rows.append(Row("by title", name, "time of each", 1000 * seconds / len(some), "ms"))
        for got, paper in zip(found, some, strict=True):
            if got.paper and got.paper.id != paper.id:
                say(f"wrong: {got.reference!r} {paper.id} found {got.paper}")
        for got, paper in zip(strangers, others, strict=True):
            if got.paper:
                say(f"outside: {got.reference!r} {paper.id} found {got.paper}")
    asked = sum(total[each] for each in ("right", "wrong", "none"))
    return rows + [Row("by title", "all", each, value, f"of {asked}") for each, value in total.items()]


def make_corpus(papers: Sequence[Paper], folder: Path) -> Corpus:
    """Return a corpus of papers without vectors, made in a folder of its own."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    catalogue, lexical = CatalogueWriter(folder / "catalogue.sqlite", "bench"), LexicalWriter(folder / "lexical")
    for at in range(0, len(papers), _BATCH):
        catalogue.add(papers[at : at + _BATCH])
        lexical.add(at, papers[at : at + _BATCH])
    catalogue.close()
    lexical.close()
    parts: Any = SimpleNamespace(
        catalogue=SqliteCatalogue(folder / "catalogue.sqlite"), lexical=TantivyIndex(folder / "lexical")
    )
    return cast(Corpus, parts)


def entry(paper: Paper, change: Callable[[str, Chance], str], chance: Chance) -> str:
    """Return a paper as an entry of BibTeX with a changed title."""
    authors = " and ".join(f"{author.family}, {author.given[:1]}." for author in paper.authors[:3])
    fields = {"title": change(paper.title, chance)}
    if chance.random() > 0.1 and authors:
        fields["author"] = authors + (" and others" if len(paper.authors) > 3 else "")
    if chance.random() > 0.1 and paper.published:
        fields["year"] = str(paper.published.year + chance.choice((0, 0, 1, 1, 2)))
    lines = (f"  {name} = {{{value}}}," for name, value in fields.items())
    return "\n".join([f"@article{{key{chance.randrange(10**9)},", *lines, "}"])


def _resolve(corpus: Corpus, entries: Sequence[str]) -> list[ResolvedReference]:
    found: list[ResolvedReference] = []
    with ThreadPoolExecutor(1) as executor:
        for at in range(0, len(entries), _AT_ONCE):
            _, references = read_references("\n".join(entries[at : at + _AT_ONCE]), _AT_ONCE)
            found += asyncio.run(resolve(executor, corpus, list(references)))
    return found
