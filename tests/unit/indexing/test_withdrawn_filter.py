import pytest

from akin.indexing.catalogue_writer import CatalogueWriter
from akin.indexing.lexical_writer import LexicalWriter
from akin.papers import Paper
from retrieval_service.adapters.sqlite_catalogue import SqliteCatalogue
from retrieval_service.adapters.tantivy_filter import ClauseQueries, rows_mask
from retrieval_service.adapters.tantivy_index import open_index
from retrieval_service.filter import Clause, Field, Filter
from retrieval_service.search.filters import make_filter
from retrieval_service.search.operators import parse_query
from retrieval_service.search.request import SearchRequest, Withdrawn

PAPERS = [Paper(f"2401.0000{n}", f"Bounds {n}", "A proof.", withdrawn=n in (2, 5)) for n in range(1, 7)]


@pytest.fixture
def catalogue(tmp_path):
    writer = CatalogueWriter(tmp_path / "catalogue.sqlite", "one")
    writer.add(PAPERS)
    writer.close()
    return SqliteCatalogue(tmp_path / "catalogue.sqlite")


@pytest.mark.parametrize(
    ("withdrawn", "rows"), [(Withdrawn.EXCLUDE, [0, 2, 3, 5]), (Withdrawn.ONLY, [1, 4]), (Withdrawn.INCLUDE, None)]
)
def test_a_request_leaves_withdrawn_papers_out_or_asks_for_them(catalogue, withdrawn, rows):
    request = SearchRequest(text="bounds", withdrawn=withdrawn)
    wanted = make_filter(request, parse_query("bounds"), catalogue)
    if wanted is None:
        assert rows is None
    else:
        assert catalogue.find_rows(wanted).mask.nonzero()[0].tolist() == rows


def test_a_paper_that_is_withdrawn_or_restored_later_is_found_so(catalogue, tmp_path):
    catalogue.close()
    writer = CatalogueWriter(tmp_path / "catalogue.sqlite", "two", continued=True)
    writer.replace(0, Paper("2401.00001", "Bounds 1", "A proof.", withdrawn=True))
    writer.replace(1, Paper("2401.00002", "Bounds 2", "A proof."))
    writer.close()
    found = SqliteCatalogue(tmp_path / "catalogue.sqlite").find_rows(Filter((Clause(Field.WITHDRAWN, ()),)))
    assert found.mask.nonzero()[0].tolist() == [0, 4]
    assert "\0withdrawn" not in SqliteCatalogue(tmp_path / "catalogue.sqlite").categories


def test_the_lexical_index_finds_withdrawn_papers(tmp_path):
    with LexicalWriter(tmp_path / "lexical") as writer:
        writer.add(0, PAPERS)
        writer.close()
    index = open_index(tmp_path / "lexical")
    query = ClauseQueries(index.schema, index.searcher()).query(Clause(Field.WITHDRAWN, ()))
    assert query is not None
    assert rows_mask(index.searcher(), index.schema, query, len(PAPERS)).nonzero()[0].tolist() == [1, 4]
