"""BEIR's layout: `corpus.jsonl`, `queries.jsonl`, `qrels/test.tsv`; NFCorpus, SCIDOCS and TREC-COVID have it there.

Each may be packed (`corpus.jsonl.gz`), and the judgements may be JSON lines (`qrels/test.jsonl`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from akin.papers import Paper
from akin.relevance.collection import CORPUS, QRELS, QUERIES, SET, Collection, CorpusReader
from akin.relevance.errors import RelevanceError
from akin.relevance.loaders.files import Row, json_file, json_lines, passage, table, text_of, whole_gain

COLUMNS = ("query-id", "corpus-id", "score")
JUDGEMENTS = "qrels"
"""Folder of the files of judgements."""
SPLITS = (".tsv", ".jsonl")
"""Ends of the names of files of judgements."""


def is_beir(folder: Path) -> bool:
    """Return True if a folder has one of the layout's files: then a missing one is named."""
    return any(_packed(folder / name).is_file() for name in (CORPUS, QUERIES)) or bool(_splits(folder))


def read_beir(folder: Path, qrels: Path | None = None) -> list[Collection]:
    """Read the queries and judgements of a collection; the judgements are those of `qrels/test.tsv` if none are named.

    A judgement of 0 means "not relevant" and is left out, and so is a query without a relevant passage. A passage that
    has the query's own id is kept: in collections that number both from 1, it is another text.

    Raises:
        RelevanceError: A file is missing, a line cannot be parsed, or no passage is relevant.
    """
    corpus, asked, judged = _packed(folder / CORPUS), _packed(folder / QUERIES), qrels or _qrels_file(folder)
    for path in (asked, judged, corpus):
        if not path.is_file():
            raise RelevanceError(
                f"{path} cannot be read (No such file). A test collection is a folder with {CORPUS}, {QUERIES} and "
                f"{QRELS} (BEIR's layout), or has one of the formats in docs/evaluation.md."
            )
    queries: dict[str, Row] = {}
    for where, record in json_lines(asked):
        identity = text_of(record, "_id", where)
        if identity in queries:
            raise RelevanceError(f"{where}: the query {identity} occurs a second time.")
        queries[identity] = {"text": text_of(record, "text", where), "facts": record.get("metadata")}
    gains = _judgements(judged, queries, asked)
    return [
        Collection(
            folder,
            {query: queries[query]["text"] for query in gains},
            gains,
            corpus_reader(corpus),
            (corpus, asked, judged),
            {query: facts for query in gains if isinstance(facts := queries[query]["facts"], dict)},
            json_file(folder / SET) if (folder / SET).is_file() else {},
            f"{folder.resolve().name}-{judged.stem}" if qrels is not None and judged.stem != "test" else "",
        )
    ]


def corpus_reader(path: Path) -> CorpusReader:
    """Return the reader of a corpus in JSON lines; a passage may lack its title."""

    def read() -> Iterator[tuple[str, Paper]]:
        for where, record in json_lines(path):
            text = text_of(record, "text", where)
            yield passage(text_of(record, "_id", where), record.get("title"), text, where)

    return read


def _judgements(judged: Path, queries: dict[str, Row], asked: Path) -> dict[str, dict[str, int]]:
    qrels: dict[str, dict[str, int]] = {}
    for where, row in table(judged, COLUMNS, "\t") if judged.suffix == ".tsv" else json_lines(judged):
        query, passage_id = text_of(row, "query-id", where), text_of(row, "corpus-id", where)
        gain = whole_gain(row.get("score"), where)
        if gain <= 0:
            continue
        if query not in queries:
            raise RelevanceError(f"{where} judges query {query}, but {asked} has no such query.")
        if not queries[query]["text"].strip():
            raise RelevanceError(f"{where} judges query {query}, whose text in {asked} is empty. Remove the query.")
        if qrels.setdefault(query, {}).setdefault(passage_id, gain) != gain:
            raise RelevanceError(f"{where} judges passage {passage_id} for query {query} again, with another score.")
    if not qrels:
        raise RelevanceError(f"{judged} has no judgement above 0, so there is nothing to measure.")
    return qrels


def _packed(path: Path) -> Path:
    packed = path.with_name(f"{path.name}.gz")
    return packed if packed.is_file() and not path.is_file() else path


def _splits(folder: Path) -> list[Path]:
    return sorted(path for end in SPLITS for path in (folder / JUDGEMENTS).glob(f"*{end}"))


def _qrels_file(folder: Path) -> Path:
    files = _splits(folder)
    tests = [path for path in files if path.stem == "test"]
    if tests or not files:
        return tests[-1] if tests else folder / QRELS
    if len(files) > 1:
        raise RelevanceError(
            f"{folder / 'qrels'} has no test.tsv but {', '.join(path.name for path in files)}: give one of these files "
            "in place of the folder."
        )
    return files[0]
