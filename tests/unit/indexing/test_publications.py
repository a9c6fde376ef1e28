from pathlib import Path

from akin.indexing.catalogue_writer import CatalogueWriter
from akin.papers import Paper
from akin.papers.publication import Publication
from retrieval_service.adapters.sqlite_catalogue import SqliteCatalogue
from retrieval_service.corpus.digests import record_digest


def test_a_catalogue_keeps_the_publication_of_a_librarys_paper(tmp_path: Path) -> None:
    of_library = Paper(
        "knuth84", "T", "", publication=Publication(kind="book", key="knuth84", date=(1984,), edited=True)
    )
    other = Paper("2401.09032", "T", "A")
    writer = CatalogueWriter(tmp_path / "catalogue.sqlite", "one")
    writer.add([of_library, other])
    writer.close()
    catalogue = SqliteCatalogue(tmp_path / "catalogue.sqlite")
    assert catalogue.papers([0, 1]) == [of_library, other]
    catalogue.close()


def test_papers_of_other_sources_keep_the_digest_of_earlier_releases() -> None:
    assert record_digest(Paper("2401.09032", "T", "A")).hex() == "15bc1283cb046e2a703aa415801e445b"
