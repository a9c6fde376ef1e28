import json

import pytest

from akin.papers import Author
from akin.papers.bibliography import BrokenEntry, Entry, LibraryFormat, detect_library, read_entries
from akin.papers.bibliography.csl_json import csl_entries
from akin.papers.bibliography.ris import ris_entries
from akin.papers.publication import Publication


def test_a_reference_of_ris_is_read_whole():
    (found,) = ris_entries(
        "Provider: somebody\n\nTY  - JOUR\nAU  - Reyes, Calvin, Jr.\nAU  - KAPPA Collaboration\n"
        "TI  - A <i>long</i> &amp; windy\n    title\nT2  - J. of Kites\nPY  - 2020///\nDA  - 2020/03/05/\n"
        "VL  - 3\nIS  - 4\nSP  - 12\nEP  - 34\nDO  - 10.1000/ABC\nAN  - arXiv:2401.09032\n"
        "UR  - https://example.org/a;b\nKW  - Kites\nKW  - Wind, Air\nZZ  - unknown\nID  - reyes2020\n"
        "AB  - First line.\nAI - based kites fly.\n\nA second paragraph.\nER  - \n"
    )
    assert found == Entry(
        line=3,
        title="A long & windy title",
        abstract="First line. AI - based kites fly.\nA second paragraph.",
        authors=(Author("Reyes", "Calvin", "Jr."), Author("KAPPA Collaboration", collaboration=True)),
        arxiv_id="2401.09032",
        doi="10.1000/ABC",
        keywords=("Kites", "Wind", "Air"),
        publication=Publication(
            kind="article",
            key="reyes2020",
            venue="J. of Kites",
            volume="3",
            number="4",
            pages="12-34",
            url="https://example.org/a;b",
            date=(2020, 3, 5),
        ),
    )


def test_references_without_an_end_or_a_type():
    text = "TY  - BOOK\r\nT1  - One\r\n\r\nTY  - CHAP\r\nTI  - Two\r\nER  -\r\n\r\n"
    text += "AU  - Lind, A\r\nTI  - Lost\r\nER  - \r\n"
    one, two, lost = read_entries(text.encode(), LibraryFormat.RIS)
    assert isinstance(one, Entry)
    assert isinstance(two, Entry)
    assert [(each.line, each.title, each.publication.kind) for each in (one, two)] == [
        (1, "One", "book"),
        (4, "Two", "incollection"),
    ]
    assert isinstance(lost, BrokenEntry)
    assert (lost.line, lost.detail) == (8, "the reference has no line TY")


def test_tags_with_one_space():
    (found,) = ris_entries("TY - JOUR\nTI - Kites\nAB - Wind.\nMore wind.\nER -\n")
    assert (found.title, found.abstract) == ("Kites", "Wind. More wind.")  # type: ignore[union-attr]


def test_items_of_csl_json():
    items = [
        {
            "id": "http://zotero.org/users/1/items/ABCD2345",
            "type": "chapter",
            "title": '<span class="nocase">Kites</span> in H<sub>2</sub>O',
            "author": [
                {"family": "Berg", "given": "Jane", "non-dropping-particle": "van der"},
                {"literal": "World Kite Organization"},
            ],
            "issued": {"date-parts": [["2020", 3, "5"]]},
            "container-title": ["Book of Kites"],
            "DOI": "10.1000/abc",
            "abstract": "<jats:p>One.</jats:p><jats:p>Two.</jats:p>",
            "note": "arXiv: 2401.09032",
            "keyword": "kites, wind",
            "page": "1–2",
        },
        "no item",
        {"title": 5, "author": "nobody", "issued": [], "id": None},
        {"id": 7, "type": "thesis", "genre": "Master's thesis", "title": "T", "issued": {"raw": "May 2019"}},
    ]
    first, broken, odd, last = csl_entries(json.dumps(items, indent=1).encode())
    assert first == Entry(
        line=2,
        title="Kites in H2O",
        abstract="One.\nTwo.",
        authors=(Author("van der Berg", "Jane"), Author("World Kite Organization", collaboration=True)),
        arxiv_id="2401.09032",
        doi="10.1000/abc",
        keywords=("kites", "wind"),
        publication=Publication(
            kind="incollection", key="ABCD2345", venue="Book of Kites", pages="1-2", date=(2020, 3, 5)
        ),
    )
    assert isinstance(broken, BrokenEntry)
    assert broken.line > first.line
    assert odd.title == "5"  # type: ignore[union-attr]
    assert isinstance(last, Entry)
    assert (last.publication.key, last.publication.kind, last.publication.date) == ("7", "mastersthesis", (2019, 5))


def test_a_cut_off_array_is_refused():
    with pytest.raises(ValueError, match="truncated"):
        list(csl_entries(b'[{"title": "T"}, {"title'))


def test_rows_of_zotero():
    text = (
        '\ufeff"Key","Item Type","Publication Year","Author","Title","Publication Title","DOI","Url","Abstract Note",'
        '"Date","Manual Tags"\n'
        '"AB12","conferencePaper","2020","Reyes, Calvin; KAPPA Collaboration","A title,\nin two lines","Meeting",'
        '"10.1000/abc","https://example.org","An abstract.","2020-03-05","kites; wind"\n'
        '"AB13","note","","","","","","","","",""\n'
        '"AB14","book","1999","","Second","","","","","1999",""\n'
    )
    first, second = read_entries(text.encode(), LibraryFormat.ZOTERO_CSV)
    assert isinstance(first, Entry)
    assert (first.line, first.title, first.doi) == (2, "A title, in two lines", "10.1000/abc")
    assert first.authors == (Author("Reyes", "Calvin"), Author("KAPPA Collaboration", collaboration=True))
    assert (first.keywords, first.publication.date) == (("kites", "wind"), (2020, 3, 5))
    assert (second.line, second.publication.kind) == (5, "book")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("head", "form"),
    [
        (b"% a comment\n@article{a, title={T}}", LibraryFormat.BIBTEX),
        (b"\n@string (a = {b})", LibraryFormat.BIBTEX),
        (b"Provider: x\r\nTY  - JOUR\r\n", LibraryFormat.RIS),
        (b'[\n {"type": "book", "title": "T"}]', LibraryFormat.CSL_JSON),
        (b"Key,Item Type,Publication Year,Author\n", LibraryFormat.ZOTERO_CSV),
        (b'[{"arxiv_num": "1", "type": "x", "title": "T"}]', None),
        (b'{"id": "1", "abstract": "\\n@article{a,"}\n', None),
        (b"<xml>\n@article{a,", None),
        (b"id,title,abstract\n1,2,3\n", None),
    ],
)
def test_libraries_are_recognised_by_their_beginning(head, form):
    assert detect_library(head) is form


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_encodings(encoding):
    data = "@misc{a, title={Étude sur l’été – fin}}".encode(encoding)
    (found,) = read_entries(data, LibraryFormat.BIBTEX)
    assert found.title == "Étude sur l’été – fin"  # type: ignore[union-attr]


def test_a_file_of_two_encodings_and_the_encoding_that_jabref_names():
    mixed = "@misc{a, title={Étude}}\n".encode() + "@misc{b, title={Étude}}\n".encode("latin-1")
    assert [each.title for each in read_entries(mixed, LibraryFormat.BIBTEX)] == ["Étude", "Étude"]  # type: ignore[union-attr]
    polish = "% Encoding: ISO8859_2\n@misc{a, title={Łódź}}".encode("iso8859-2")
    assert [each.title for each in read_entries(polish, LibraryFormat.BIBTEX)] == ["Łódź"]  # type: ignore[union-attr]


def test_files_of_web_of_science_and_scopus():
    text = (
        "FN  - Clarivate\nVR  - 1.0\nTY  - JOUR\nTI  - CO<inf>2</inf> and kites\nDA  - MAR 15\nPY  - 2019\n"
        "C7  - 105123\nER  -\n\nTY  - JOUR\nTI  - Another\nEF  - not an end\nER  -\nEF  -\n"
    )
    one, other = list(ris_entries(text))
    assert isinstance(one, Entry)
    assert (one.line, one.title, one.publication.date, one.publication.pages) == (
        3, "CO2 and kites", (2019, 3, 15), "105123",
    )  # fmt: skip
    assert isinstance(other, Entry)
    assert list(map(type, ris_entries("TI  - no type\nER  -\n"))) == [BrokenEntry]


def test_arxiv_is_no_publisher_of_a_preprint():
    ris = "TY  - JOUR\nTI  - T\nAN  - arXiv:2301.01234\nPB  - arXiv\nER  -\n"
    csl = json.dumps(
        [{"type": "article-journal", "title": "T", "number": "arXiv:2301.01234", "publisher": "arXiv", "id": "a"}]
    )
    for (found,) in (list(ris_entries(ris)), list(csl_entries(csl.encode()))):
        assert isinstance(found, Entry)
        assert (found.arxiv_id, found.publication.publisher, found.publication.number) == ("2301.01234", "", "")
