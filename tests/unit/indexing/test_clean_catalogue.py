"""Papers of an earlier release in a catalogue: they are written as they are read today."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from akin.indexing.catalogue_writer import CatalogueWriter
from akin.indexing.changes import ChangedPapers, Changes
from akin.indexing.embedding_store import text_digest
from akin.papers import Author, Paper, passage_text
from retrieval_service.adapters.sqlite_catalogue import SqliteCatalogue
from retrieval_service.corpus.digests import DIGEST_ROW, record_digest
from retrieval_service.filter import Clause, Field, Filter

NOTICE = "We bound the drag of kites. This paper had been withdrawn due to a gap in Lemma 2."
PAPERS = [
    Paper("1", "Kites", "A proof.", (Author("Reyes", "Calvin", "Jr."),), ("cs.LG",)),
    Paper("2", "Drag", NOTICE, (Author("Lind", "Ada"),), ("cs.LG",)),
    Paper("3", "Lift &amp; drag", "A proof.", (), ("math.CO",)),
]


@pytest.fixture
def changes(tmp_path: Path) -> Changes:
    path = tmp_path / "catalogue"
    with_names = CatalogueWriter(path, "old")
    with_names.add(PAPERS)
    with_names.close()
    with sqlite3.connect(path) as db:
        db.execute("""UPDATE paper SET authors = '["Calvin Reyes Jr."]' WHERE row = 0""")
        db.execute("""UPDATE paper SET authors = '["Ada Lind"]' WHERE row = 1""")
    digests = np.zeros(3, DIGEST_ROW)
    for row, paper in enumerate(PAPERS):
        digests[row] = (text_digest(passage_text(paper)), b"record of old")
    found = Changes(ChangedPapers((), "none"), digests)
    writer = CatalogueWriter(path, "new", continued=True)
    found.clean(writer)
    writer.close()
    return found


def test_names_are_stored_divided(changes: Changes, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "catalogue") as db:
        stored = [authors for (authors,) in db.execute("SELECT authors FROM paper ORDER BY row")]
    assert stored == ['[["Reyes","Calvin","Jr.",false]]', '[["Lind","Ada","",false]]', "[]"]


def test_a_notice_marks_the_paper_as_withdrawn(changes: Changes, tmp_path: Path) -> None:
    catalogue = SqliteCatalogue(tmp_path / "catalogue")
    assert [paper.withdrawn for paper in catalogue.papers(range(3))] == [False, True, False]
    wanted = Filter((Clause(Field.CATEGORY, ("cs.LG",)), Clause(Field.WITHDRAWN, (), True)))
    assert catalogue.find_rows(wanted).mask.nonzero()[0].tolist() == [0]


def test_digests_are_those_of_the_papers_as_read_today(changes: Changes, tmp_path: Path) -> None:
    found = SqliteCatalogue(tmp_path / "catalogue").papers(range(3))
    assert [one.tobytes() for one in changes.digests["record"]] == list(map(record_digest, found))
    assert [one.tobytes() for one in changes.digests["text"]] == [text_digest(passage_text(one)) for one in found]
    assert (changes.rewritten, changes.revectored, changes.replaced) == ({1, 2}, {2}, 0)
