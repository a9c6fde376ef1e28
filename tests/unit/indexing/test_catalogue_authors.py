"""Authors in the catalogue: those that are written are read again, and so are the names of an earlier release."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from akin.indexing.catalogue_writer import CatalogueWriter
from akin.papers import Author, Paper
from retrieval_service.adapters.sqlite_catalogue import SqliteCatalogue

AUTHORS = (
    Author("van der Meer", "Pieter"),
    Author("Reyes", "Calvin", "Jr."),
    Author("NORDLYS Collaboration", "", "", True),
)


def _catalogue(path: Path, *papers: Paper) -> Path:
    writer = CatalogueWriter(path, "a")
    writer.add(papers)
    writer.close()
    return path


def test_authors_are_read_as_they_were_written(tmp_path: Path) -> None:
    catalogue = SqliteCatalogue(_catalogue(tmp_path / "c", Paper("1", "T", "A", AUTHORS), Paper("2", "T", "A")))
    assert [paper.authors for paper in catalogue.papers([0, 1])] == [AUTHORS, ()]


def test_names_of_an_earlier_release_are_divided_when_read(tmp_path: Path) -> None:
    path = _catalogue(tmp_path / "c", Paper("1", "T", "A"), Paper("2", "T", "A"))
    with sqlite3.connect(path) as db:
        db.execute("""UPDATE paper SET authors = '["Ada Lind","Calvin Reyes Jr."]' WHERE row = 0""")
    first, second = SqliteCatalogue(path).papers([0, 1])
    assert first.authors == (Author("Lind", "Ada"), Author("Reyes", "Calvin", "Jr."))
    assert second.authors == ()


def test_texts_are_in_the_order_of_the_rows(tmp_path: Path) -> None:
    catalogue = SqliteCatalogue(_catalogue(tmp_path / "c", Paper("1", "T", "A", AUTHORS), Paper("2", "U", "B")))
    assert catalogue.texts([1, 0, 1]) == [("U", "B"), ("T", "A"), ("U", "B")]
    assert catalogue.texts([]) == []
