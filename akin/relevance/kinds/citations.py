"""Searches by an abstract for the papers that its paper cites, from a file of citations."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from akin.papers import PaperFileError
from akin.papers.readers.paper_file import PaperFile
from akin.relevance.errors import RelevanceError
from akin.relevance.kinds.search import SHORTEST_PASSAGE, Pool, Search

FEWEST_CITED, MOST_CITED = 3, 60
"""Papers of the pool that a query's paper cites: with fewer, chance decides; papers that cite more are surveys."""

_BETWEEN = re.compile(rb"[\t,; ]+")


class _Pair(msgspec.Struct):
    citing: str
    cited: str


def citation_searches(pool: Pool, seed: int) -> Iterator[Search]:
    """Yield a search for each paper that cites enough papers of the pool; the paper itself is not in the corpus.

    Near-duplicates of the paper are no answers.
    """
    del seed  # nothing is drawn
    places = {paper.id: place for place, paper in enumerate(pool.papers)}
    for paper in pool.papers:
        cited = {places[name] for name in pool.citations.get(paper.id, ()) if name in places}
        answers = [pool.papers[place] for place in sorted(cited)]
        if not FEWEST_CITED <= len(answers) <= MOST_CITED or len(paper.abstract) < SHORTEST_PASSAGE:
            continue
        group = pool.duplicates[paper.id]
        if related := tuple(answer for answer in answers if pool.duplicates[answer.id] != group):
            yield Search(paper, paper.abstract, None, related)


def read_citations(path: Path) -> Mapping[str, frozenset[str]]:
    """Return the ids that each paper cites, from pairs of ids a line, or JSON lines with `citing` and `cited`.

    `akin references export` writes such files.

    Raises:
        RelevanceError: The file cannot be read, or a line is no pair.
    """
    found: defaultdict[str, set[str]] = defaultdict(set)
    decode = msgspec.json.Decoder(_Pair).decode
    try:
        file = PaperFile(path)
        try:
            for number, line in file.lines():
                if line is None or not line.strip():
                    continue
                try:
                    if line.lstrip().startswith(b"{"):
                        pair = decode(line)
                    else:
                        citing, cited = _BETWEEN.split(line.strip())
                        pair = _Pair(citing.decode(), cited.decode())
                except (ValueError, RecursionError) as error:
                    raise RelevanceError(
                        f"{path}: line {number:,} is no pair of a citing and a cited id ({error}); write pairs with: "
                        "akin references export FILE"
                    ) from error
                found[pair.citing].add(pair.cited)
        finally:
            file.close()
    except PaperFileError as error:
        raise RelevanceError(str(error)) from error
    return {citing: frozenset(cited) for citing, cited in found.items()}
