"""CSFCube (Mysore et al., 2021): query by example in computer science, for one facet of the paper at a time.

`abstracts-csfcube-preds.jsonl` has the papers, with their abstracts as lists of sentences and a label for each sentence
(`pred_labels`); `test-pid2anns-csfcube-<facet>.json` has, for each query paper, the judged papers (`cands`) and their
gains from 0 to 3 (`relevance_adju`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from akin.papers import Paper
from akin.relevance.collection import Collection
from akin.relevance.errors import RelevanceError
from akin.relevance.loaders.collecting import collection_of, without_queries
from akin.relevance.loaders.files import Row, json_file, json_lines, passage, text_of, whole_gain

PAPERS = "abstracts-csfcube-preds.jsonl"
_LABELS = {
    "background": {"background_label", "objective_label"},
    "method": {"method_label"},
    "result": {"result_label"},
}


def is_csfcube(folder: Path) -> bool:
    """Return True if the file of the papers is there."""
    return (folder / PAPERS).is_file()


def read_csfcube(folder: Path) -> list[Collection]:
    """Read a collection for each facet: the query is a paper's title with the sentences of the facet.

    Raises:
        RelevanceError: A file is broken, or there are no judgements.
    """
    papers: dict[str, tuple[str, Row]] = {}
    for where, record in json_lines(folder / PAPERS):
        papers[text_of(record, "paper_id", where)] = (where, record)

    def read_corpus() -> Iterator[tuple[str, Paper]]:
        for identity, (where, record) in papers.items():
            yield passage(identity, record.get("title"), " ".join(_sentences(record, where)), where)

    found = []
    for facet, labels in _LABELS.items():
        judged = folder / f"test-pid2anns-csfcube-{facet}.json"
        if not judged.is_file():
            continue
        queries: dict[str, str] = {}
        qrels: dict[str, dict[str, int]] = {}
        for query, pool in _pools(judged).items():
            if query not in papers:
                raise RelevanceError(f"{judged} judges query {query}, but {folder / PAPERS} has no such paper.")
            where, record = papers[query]
            queries[query] = _example(record, labels, where)
            qrels[query] = _gains(pool, f"{judged}: query {query}")
        reader = without_queries(read_corpus, qrels)
        label = f"{folder.resolve().name}-{facet}"
        found.append(
            collection_of(folder, queries, qrels, reader, (folder / PAPERS, judged), label=label, kind="neighbours")
        )
    if not found:
        raise RelevanceError(f"{folder} has no file test-pid2anns-csfcube-<facet>.json, so nothing is judged.")
    return found


def _pools(path: Path) -> dict[str, Row]:
    content = json_file(path)
    if not isinstance(content, dict) or not all(isinstance(pool, dict) for pool in content.values()):
        raise RelevanceError(f"{path} must hold an object with the judged papers of each query.")
    return content


def _gains(pool: Row, where: str) -> dict[str, int]:
    candidates, gains = pool.get("cands"), pool.get("relevance_adju")
    if not isinstance(candidates, list) or not isinstance(gains, list) or len(candidates) != len(gains):
        raise RelevanceError(f"{where} must have cands and relevance_adju, lists of the same length.")
    return {str(paper): whole_gain(gain, where) for paper, gain in zip(candidates, gains, strict=True)}


def _example(record: Row, labels: set[str], where: str) -> str:
    sentences, found = _sentences(record, where), record.get("pred_labels")
    if not isinstance(found, list) or len(found) != len(sentences):
        raise RelevanceError(f"{where} must have a label in pred_labels for each sentence of the abstract.")
    chosen = [sentence for sentence, label in zip(sentences, found, strict=True) if label in labels]
    return " ".join([str(record.get("title") or ""), *(chosen or sentences)]).strip()


def _sentences(record: Row, where: str) -> list[str]:
    sentences = record.get("abstract")
    if not isinstance(sentences, list) or not all(isinstance(sentence, str) for sentence in sentences):
        raise RelevanceError(f"{where} must have an abstract, a list of sentences.")
    return sentences
