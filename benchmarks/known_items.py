"""Development sets out of any corpus: a part of a paper is the query, and the rest of it what should be found."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import msgspec

from benchmarks.beir import Collection
from papers import Paper, read_papers
from papers.sentences import split_sentences


def known_items(corpus: str, papers: int, folder: Path) -> list[Collection]:
    """Two sets over the first papers of a file: their titles find abstracts, their last sentences find the rest."""
    with read_papers(corpus) as source:
        some = [paper for paper in islice(source, papers) if paper.title and paper.abstract]
    titles = {paper.id: paper.title for paper in some}
    whole = [msgspec.structs.replace(paper, title="") for paper in some]
    rest, lasts = [], {}
    for paper in some:
        *before, last = split_sentences(paper.abstract)
        if before:
            lasts[paper.id] = last
        rest.append(msgspec.structs.replace(paper, abstract=" ".join(before) or last))
    return [_collection(folder / "titles", whole, titles), _collection(folder / "last-sentences", rest, lasts)]


def _collection(folder: Path, papers: list[Paper], queries: dict[str, str]) -> Collection:
    folder.mkdir(parents=True, exist_ok=True)
    corpus = folder / "corpus.jsonl"
    lines = (msgspec.json.encode({"_id": paper.id, "title": paper.title, "text": paper.abstract}) for paper in papers)
    corpus.write_bytes(b"\n".join(lines) + b"\n")
    return Collection(folder.name, corpus, queries, {paper_id: {paper_id: 1} for paper_id in queries})
