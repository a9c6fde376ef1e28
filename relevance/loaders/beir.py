"""BEIR's layout: `corpus.jsonl`, `queries.jsonl`, `qrels/test.tsv`; NFCorpus, SCIDOCS and TREC-COVID have it there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from papers import Paper
from relevance.collection import CORPUS, QRELS, QUERIES, SET, Collection, CorpusReader
from relevance.errors import RelevanceError
from relevance.loaders.files import Row, json_file, json_lines, passage, table, text_of, whole_gain

COLUMNS = ("query-id", "corpus-id", "score")


def is_beir(folder: Path) -> bool:
    """Return True if a folder has one of the layout's files: then a missing one is named."""
    return any((folder / name).is_file() for name in (CORPUS, QUERIES)) or any((folder / "qrels").glob("*.tsv"))


def read_beir(folder: Path, qrels: Path | None = None) -> list[Collection]:
    """Read the queries and judgements of a collection; the judgements are those of `qrels/test.tsv` if none are named.

    A judgement of 0 means "not relevant" and is left out, and so is a query without a relevant passage. A passage that
    has the query's own id is kept: in collections that number both from 1, it is another text.

    Raises:
        RelevanceError: A file is missing, a line cannot be parsed, or no passage is relevant.
    """
    judged = qrels or _qrels_file(folder)
    for path in (folder / QUERIES, judged, folder / CORPUS):
        if not path.is_file():
            raise RelevanceError(
                f"{path} cannot be read (No such file). A test collection is a folder with {CORPUS}, {QUERIES} and "
                f"{QRELS} (BEIR's layout), or has one of the formats in docs/evaluation.md."
            )
    queries: dict[str, Row] = {}
    for where, record in json_lines(folder / QUERIES):
        identity = text_of(record, "_id", where)
        if identity in queries:
            raise RelevanceError(f"{where}: the query {identity} occurs a second time.")
        queries[identity] = {"text": text_of(record, "text", where), "facts": record.get("metadata")}
    gains = judgements(((where, row) for where, row in table(judged, COLUMNS, "\t")), queries, judged, folder / QUERIES)
    return [
        Collection(
            folder,
            {query: queries[query]["text"] for query in gains},
            gains,
            corpus_reader(folder / CORPUS),
            (folder / CORPUS, folder / QUERIES, judged),
            {query: facts for query in gains if isinstance(facts := queries[query]["facts"], dict)},
            json_file(folder / SET) if (folder / SET).is_file() else {},
            f"{folder.resolve().name}-{judged.stem}" if qrels is not None and judged.stem != "test" else "",
        )
    ]


def judgements(
    rows: Iterator[tuple[str, Row]], queries: dict[str, Row], judged: Path, asked: Path
) -> dict[str, dict[str, int]]:
    """Return the gains above 0 by the ids of query and passage.

    Raises:
        RelevanceError: A gain is no whole number, a query does not exist, or there is no gain above 0.
    """
    qrels: dict[str, dict[str, int]] = {}
    for where, row in rows:
        query, passage_id = str(row["query-id"]), str(row["corpus-id"])
        gain = whole_gain(row["score"], where)
        if gain <= 0:
            continue
        if query not in queries:
            raise RelevanceError(f"{where} judges query {query}, but {asked} has no such query.")
        qrels.setdefault(query, {})[passage_id] = gain
    if not qrels:
        raise RelevanceError(f"{judged} has no judgement above 0, so there is nothing to measure.")
    return qrels


def corpus_reader(path: Path) -> CorpusReader:
    """Return the reader of a corpus in JSON lines; a passage may lack its title."""

    def read() -> Iterator[tuple[str, Paper]]:
        for where, record in json_lines(path):
            text = text_of(record, "text", where)
            yield passage(text_of(record, "_id", where), record.get("title"), text, where)

    return read


def _qrels_file(folder: Path) -> Path:
    files = sorted((folder / "qrels").glob("*.tsv"))
    if (folder / QRELS) in files or not files:
        return folder / QRELS
    if len(files) > 1:
        raise RelevanceError(
            f"{folder / 'qrels'} has no test.tsv but {', '.join(path.name for path in files)}: give one of these files "
            "in place of the folder."
        )
    return files[0]
