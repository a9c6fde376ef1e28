"""TREC-COVID as NIST published it: `metadata.csv` of CORD-19, `topics-rnd5.xml`, `qrels-covid_d5_j0.5-5.txt`."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from akin.papers import Paper
from akin.relevance.collection import Collection
from akin.relevance.errors import RelevanceError
from akin.relevance.loaders.collecting import collection_of
from akin.relevance.loaders.files import passage, table, unreadable, whole_gain

PAPERS = "metadata.csv"
_TOPICS, _QRELS = "topics-rnd*.xml", "qrels-covid*.txt"


def is_trec_covid(folder: Path) -> bool:
    """Return True if the three files are there."""
    return (folder / PAPERS).is_file() and any(folder.glob(_TOPICS)) and any(folder.glob(_QRELS))


def read_trec_covid(folder: Path) -> list[Collection]:
    """Read the questions of the newest round's topics; of records with the same id, the first is taken.

    Raises:
        RelevanceError: A file is broken.
    """
    topics, judged = (sorted(folder.glob(pattern))[-1] for pattern in (_TOPICS, _QRELS))
    qrels: dict[str, dict[str, int]] = {}
    try:
        for number, line in enumerate(judged.read_text("utf-8").splitlines(), start=1):
            parts = line.split()
            if len(parts) != 4:
                raise RelevanceError(f"{judged}:{number} must have topic, round, paper and gain.")
            qrels.setdefault(parts[0], {})[parts[2]] = whole_gain(parts[3], f"{judged}:{number}")
    except (OSError, UnicodeDecodeError) as error:
        raise RelevanceError(f"{judged} cannot be read: {error}.") from error

    def read_corpus() -> Iterator[tuple[str, Paper]]:
        # The limit is that of the process: other readers rely on the former one.
        limit = csv.field_size_limit(sys.maxsize)
        try:
            seen: set[str] = set()
            for where, row in table(folder / PAPERS, ("cord_uid", "title", "abstract"), ","):
                if row["cord_uid"] not in seen:
                    seen.add(row["cord_uid"])
                    yield passage(row["cord_uid"], row["title"], row["abstract"], where)
        finally:
            csv.field_size_limit(limit)

    files = (folder / PAPERS, topics, judged)
    return [collection_of(folder, _questions(topics), qrels, read_corpus, files, kind="question")]


def _questions(path: Path) -> dict[str, str]:
    try:
        root = ElementTree.parse(path).getroot()
    except OSError as error:
        raise unreadable(path, error) from error
    except ElementTree.ParseError as error:
        raise RelevanceError(f"{path}:{error.position[0]} is not XML: {error}.") from error
    questions = {}
    for topic in root.iter("topic"):
        number, question = topic.get("number"), topic.findtext("question")
        if not number or not question:
            raise RelevanceError(f"{path} has a topic without number or question.")
        questions[number] = " ".join(question.split())
    return questions
