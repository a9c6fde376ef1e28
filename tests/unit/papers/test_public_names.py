import subprocess
import sys
import types

from akin import papers

PUBLIC = """
ALIASES ArxivId Author BadRecord CATEGORIES Format Mapping MappingError PASSAGE_TEXT_VERSION Paper PaperReader
PapersError Reason RemoteError Report SampleUnavailable PaperFileError PaperFileNotFound PaperFileUnreadable
SUCCESSORS UnknownFormat bare_doi fetch_sample links parse_arxiv_id parse_author parse_authors parse_mapping
passage_text read_papers subject
"""


def test_all_names_what_is_public():
    assert sorted(papers.__all__) == sorted(PUBLIC.split())


def test_nothing_else_is_public():
    names = {name for name, value in vars(papers).items() if not isinstance(value, types.ModuleType)}
    assert {name for name in names if not name.startswith("_")} - {"annotations"} == set(papers.__all__)


def test_every_error_is_of_one_tree():
    errors = [value for value in vars(papers).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert len(errors) == 9
    assert all(issubclass(error, papers.PapersError) for error in errors)


def test_the_package_needs_no_http_client():
    code = "import sys, akin.papers; print({'httpx', 'tenacity'} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
