"""Citations of a library's papers are read back as the same entries."""

import json

import bibtexparser
import msgspec
import pytest

from akin.papers import Paper, read_papers
from akin.papers.bibliography import LibraryFormat, read_entries
from akin.papers.citation import CitationFormat, write_citations
from akin.papers.export import ExportFormat, export_parts
from akin.papers.publication import Publication

LIBRARY = r"""
@article{article1, title={{BERT} and \"{o}thers at 50\% of $\alpha$},
  author={M{\"u}ller, Hans and {World {K}ite Organization}},
  journal={J. Kites}, volume={3}, number={4}, pages={12--34}, year={2020}, month=mar, doi={10.1000/ABC}}
@book{the:book+1, title={The {\TeX}book}, author={van der Berg, Jr., Jane}, publisher={Kite \& Sons}, year={1984},
  series={Kites}, volume={2},
  url={http://example.org/a_b}}
@book{edited, title={A Collection of Kites}, editor={Lind, Ann}, publisher={Press}, year={1999}}
@incollection{chapter, title={A chapter}, author={Lind, Ann}, booktitle={A Collection of Kites},
  publisher={Press}, year={1999}, pages={1--9}}
@inproceedings{talk, title={A talk}, author={Lind, Ann}, booktitle={Proc. of the 3rd Meeting}, year={2001}}
@phdthesis{phd, title={A doctoral thesis}, author={Zed, Alice}, school={MIT}, year={2002}}
@mastersthesis{master, title={A shorter thesis}, author={Zed, Alice}, school={MIT}, year={2000}}
@techreport{report, title={A report}, author={Zed, Alice}, institution={Kite Lab}, number={TR-7}, year={2003}}
@unpublished{draft, title={A draft}, author={Zed, Alice}, year={2004}}
@misc{page, title={A page}, author={Zed, Alice}, howpublished={Kite Weekly}, year={2005}, url={https://example.org}}
@misc{preprint, title={A preprint}, author={Zed, Alice}, eprint={2401.09032},
  archivePrefix={arXiv}, primaryClass={cs.LG}, year={2024}}
@article{undated, title={Without a year}, author={Zed, Alice}, journal={J. Kites}}
"""


@pytest.fixture
def papers(tmp_path):
    path = tmp_path / "library.bib"
    path.write_text(LIBRARY)
    found = list(read_papers(path))
    assert len(found) == 12
    return found


def test_json_lines_are_read_back_as_the_same_papers(papers, tmp_path):
    path = tmp_path / "papers.jsonl"
    mixed = [Paper("2401.00001", "First", "Of another source."), *papers]
    path.write_text("".join(export_parts(mixed, ExportFormat.JSONL)))
    assert list(read_papers(path)) == mixed


@pytest.mark.parametrize(
    "publication",
    [
        *("J. Kites", None, 3, [], {}, {"venue": "J. Kites"}, {"kind": "journal"}, {"kind": ["misc"]}),
        *({"kind": "misc", "date": [2020, 13]}, {"kind": "misc", "date": [1, 2, 3, 4]}, {"kind": "misc", "volume": 3}),
    ],
)
def test_another_field_of_that_name_is_left_out(publication, tmp_path):
    path = tmp_path / "papers.jsonl"
    record = {"id": "x", "title": "A title", "abstract": "Words.", "journal_ref": "J", "publication": publication}
    path.write_text(json.dumps(record) + "\n")
    [paper] = read_papers(path)
    assert (paper.publication, paper.journal_ref) == (msgspec.UNSET, "J")


def test_an_exported_publication_is_cleaned(tmp_path):
    path = tmp_path / "papers.jsonl"
    given = {"kind": "book", "key": "a", "venue": "J.\n\x00 Kites", "url": "javascript:x", "date": [1984, 2]}
    path.write_text(json.dumps({"id": "x", "title": "A", "abstract": "", "journal_ref": "J", "publication": given}))
    [paper] = read_papers(path)
    assert paper.publication == Publication(kind="book", key="a", venue="J. Kites", date=(1984, 2))


def facts(entry, *left_out):
    publication = entry.publication
    names = [name for name in publication.__struct_fields__ if name not in ("url", *left_out)]
    return (
        entry.title, entry.authors, entry.arxiv_id, entry.doi, {name: getattr(publication, name) for name in names}
    )  # fmt: skip


def test_bibtex_is_read_back_as_it_was(papers):
    text = write_citations(papers, CitationFormat.BIBTEX)
    before = list(read_entries(LIBRARY.encode(), LibraryFormat.BIBTEX))
    after = list(read_entries(text.encode(), LibraryFormat.BIBTEX))
    for one, other in zip(before, after, strict=True):
        assert facts(one) == facts(other)
    library = bibtexparser.parse_string(text)
    assert not library.failed_blocks
    assert [entry.key for entry in library.entries][:2] == ["article1", "the:book+1"]
    fields = library.entries_dict["edited"].fields_dict
    assert {"editor", "publisher"} < fields.keys()
    assert "author" not in fields
    assert library.entries_dict["phd"].fields_dict["school"].value == "MIT"
    assert library.entries_dict["report"].fields_dict["institution"].value == "Kite Lab"
    assert library.entries_dict["the:book+1"].fields_dict["url"].value == "http://example.org/a_b"


@pytest.mark.parametrize("form", [CitationFormat.RIS, CitationFormat.CSL_JSON])
def test_the_other_formats_keep_what_they_can(papers, form):
    text = write_citations(papers, form)
    before = list(read_entries(LIBRARY.encode(), LibraryFormat.BIBTEX))
    after = list(read_entries(text.encode(), LibraryFormat(form.value)))
    for one, other in zip(before, after, strict=True):
        assert (one.title, one.arxiv_id, one.doi, one.year) == (other.title, other.arxiv_id, other.doi, other.year)
        assert [author.name for author in one.authors] == [author.name for author in other.authors]
        assert (one.publication.key, one.publication.kind) == (other.publication.key, other.publication.kind)
        assert one.publication.publisher == other.publication.publisher
        assert (one.publication.venue, one.publication.edited) == (other.publication.venue, other.publication.edited)


def test_papers_of_a_journal_reference_are_cited_as_before(papers):
    (cited,) = [paper for paper in papers if paper.publication.key == "preprint"]
    text = write_citations([cited], CitationFormat.BIBTEX)
    assert text.startswith("@misc{preprint,")
    assert "eprint = {2401.09032}" in text
    assert "primaryClass = {cs.LG}" in text
