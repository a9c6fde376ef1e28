"""Read the pages of repositories that do not keep to XML or to the protocol."""

from __future__ import annotations

import json

import pytest

from akin.papers.paper import Paper
from akin.papers.readers.arxiv_snapshot import arxiv_paper
from akin.papers.remote.http import BadAnswer
from akin.papers.remote.oai import OaiPage, Refusal, Unreadable, parse_page
from akin.papers.remote.oai_records import paper_id_of
from akin.papers.remote.xml_repair import decode_xml, repair_text

NAMESPACE = 'xmlns="http://www.openarchives.org/OAI/2.0/"'
RAW = 'xmlns="http://arxiv.org/OAI/arXivRaw/"'


def record(number: int, title: str = "A title", more: str = "") -> str:
    return (
        f"<record><header><identifier>oai:arXiv.org:2401.{number:05d}</identifier><datestamp>2024-01-20</datestamp>"
        f"</header><metadata><arXivRaw {RAW}><id>2401.{number:05d}</id><title>{title}</title>{more}"
        f"<abstract>  About {number}.</abstract></arXivRaw></metadata></record>"
    )


def page(*records: str, token: str = "<resumptionToken/>", root: str = NAMESPACE, declared: str = "UTF-8") -> str:
    return (
        f'<?xml version="1.0" encoding="{declared}"?>\n<OAI-PMH {root}>'
        f"<responseDate>2024-02-01T10:00:00Z</responseDate><ListRecords>{''.join(records)}{token}</ListRecords></OAI-PMH>"
    )


def titles(found: OaiPage) -> list[str]:
    return [each["title"] for each in found.records]


@pytest.mark.parametrize(
    ("written", "title", "repairs"),
    [
        ("End &#3;of\x0btext", "End of text", 2),
        ("Fall &#x1F; and &#xFFFE;\ufffe", "Fall   and", 3),
        ("AT&T", "AT&T", 1),
        ("Caf&eacute;s &amp; &nbsp;bars", "Cafés & \u00a0bars", 2),
        ("If a < b, then b > a", "If a < b, then b > a", 1),
        ("Bold &#xD835;&#xDC00; and &#55349;&#56321;", "Bold 𝐀 and 𝐁", 2),
        ("Half &#55349; of one", "Half  of one", 1),
        ("&#x110000; &bogus; &#;", "&bogus; &#;", 3),
        ("<![CDATA[R&D &eacute; \x02]]> &", "R&D &eacute;  &", 2),
        ('<?xml version="1.0"?>A declaration inside', "A declaration inside", 1),
    ],
)
def test_forbidden_characters_are_repaired_and_counted(written: str, title: str, repairs: int) -> None:
    found = parse_page(page(record(1), record(2, written)).encode())
    assert titles(found) == ["A title", title]
    assert (found.repaired, found.repairs) == (["2401.00002"], repairs)
    assert not found.lost


def test_bytes_of_another_encoding_become_replacement_characters() -> None:
    content = page(record(1, "Schr#dinger"), record(2, "Ångström")).encode().replace(b"#", b"\xf6")
    found = parse_page(content)
    assert titles(found) == ["Schr\ufffddinger", "Ångström"]
    assert (found.repaired, found.repairs) == (["2401.00001"], 1)


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        ("UTF-8", "utf-8-sig"),
        ("UTF-16", "utf-16"),
        ("UTF-16", "utf-8"),
        ("us-ascii", "utf-8"),
        ("no-such", "utf-8"),
        ("idna", "utf-8"),
        ("ISO-8859-1", "latin-1"),
        ("windows-1252", "cp1252"),
        ("utf-16le", "utf-16-le"),
    ],
)
def test_the_encoding_is_that_of_the_mark_or_the_declaration(declared: str, encoding: str) -> None:
    content = page(record(1, "Émile"), declared=declared).encode(encoding)
    assert titles(parse_page(content)) == ["Émile"]


@pytest.mark.parametrize(
    ("before", "behind"),
    [
        ("", "\n<script>count();</script></html>"),
        ("\n \n", ""),
        ("<br />\n<b>Warning</b>: mysql & co", "\x00"),
        ("", "<"),
    ],
)
def test_rubbish_around_the_answer_is_ignored(before: str, behind: str) -> None:
    content = before + page(record(1), record(2), token="<resumptionToken>t&amp;2</resumptionToken>") + behind
    found = parse_page(content.encode())
    assert (len(found.records), found.token, found.date[:10], found.repairs) == (2, "t&2", "2024-02-01", 0)


def test_namespaces_have_any_prefix_or_none_that_is_declared() -> None:
    oai = record(1).replace("<record", "<oai:record").replace("</record", "</oai:record")
    oai = oai.replace("<header", "<oai:header").replace("</header", "</oai:header")
    rooted = f"xmlns:oai='http://www.openarchives.org/OAI/2.0/' {NAMESPACE}"
    assert len(parse_page(page(oai, root=rooted).encode()).records) == 1
    undeclared = parse_page(page(oai, record(2, more='<proxy xsi:nil="true"/>'), root="").encode())
    assert [each["id"] for each in undeclared.records] == ["2401.00001", "2401.00002"]


def test_a_broken_record_is_lost_alone_and_named() -> None:
    broken = record(2, "<i>never closed")
    token = '<resumptionToken completeListSize="9" cursor="0">next</resumptionToken>'
    with pytest.raises(Unreadable, match="not well-formed") as raised:
        parse_page(page(record(1), broken, record(3, "&#2;"), token=token).encode())
    found = raised.value.page
    assert raised.value.complete
    assert [each["id"] for each in found.records] == ["2401.00001", "2401.00003"]
    assert (found.lost, found.token, found.total) == ([("2401.00002", "2024-01-20")], "next", 9)


@pytest.mark.parametrize("cut", [20, 40, 150])
def test_a_page_that_is_cut_has_no_known_token(cut: int) -> None:
    whole = page(record(1), record(2), token="<resumptionToken>a long token</resumptionToken>")
    with pytest.raises(Unreadable) as raised:
        parse_page(whole[:-cut].encode())
    assert not raised.value.complete
    assert raised.value.page.records[0]["id"] == "2401.00001"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (
            b"<!DOCTYPE html><html><head><title>Down for\n repair &amp; rest</title>",
            "web page, “Down for repair & rest”",
        ),
        (b'<HTML lang="en"><body>Log in</body></HTML>', "a web page"),
        (b"<feed/>", "not OAI-PMH but 'feed'"),
        (b'{"error": "no"}', "not well-formed"),
        (b"<OAI-PMH><responseDate>2024-01-01</responseDate></OAI-PMH>", "neither records nor an error"),
        (b"<OAI-PMH><responseDate>2024-01-01</responseDate>&</OAI-PMH>", "not well-formed"),
        (b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><OAI-PMH>&b;</OAI-PMH>', "declares entities"),
        (b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><OAI-PMH>&f;</OAI-PMH>', "declares entities"),
    ],
)
def test_what_is_no_answer_of_the_protocol_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(BadAnswer, match=words):
        parse_page(content)


def test_an_error_is_read_also_from_a_damaged_answer() -> None:
    answer = (
        '<OAI-PMH><responseDate>2024-02-01</responseDate><error code="badResumptionToken">Too {} old</error></OAI-PMH>'
    )
    for filling in ("", "&#1;", "&", "\n\n" * 500):
        with pytest.raises(Refusal) as raised:
            parse_page(answer.format(filling).encode())
        assert (raised.value.code, raised.value.date) == ("badResumptionToken", "2024-02-01")
        assert "Too" in str(raised.value)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("identifier", "paper_id"),
    [
        ("oai:arXiv.org:2401.00001", "2401.00001"),
        ("oai:export.arxiv.org:2401.00001v3", "2401.00001"),
        (" arXiv.org:hep-th/9901001\n", "hep-th/9901001"),
        ("OAI:ARXIV.ORG:HEP-TH/9901001", "hep-th/9901001"),
        ("oai:arXiv.org:math.GT/0309136", "math/0309136"),
        ("http://arxiv.org/abs/2401.00001", "2401.00001"),
        ("oai:zoo.example:article:12:3", "article:12:3"),
        ("", ""),
    ],
)
def test_identifiers_of_every_namespace_name_the_paper(identifier: str, paper_id: str) -> None:
    assert paper_id_of(identifier) == paper_id


def test_deleted_records_and_records_without_metadata() -> None:
    gone = '<record><header status="{}"><identifier>oai:arXiv.org:2401.00007</identifier></header>{}</record>'
    metadata = f"<metadata><arXivRaw {RAW}><id>2401.00007</id><title>Old</title></arXivRaw></metadata>"
    found = parse_page(page(gone.format("deleted", ""), gone.format("Deleted", metadata)).encode())
    assert [(each["id"], each["deleted"]) for each in found.records] == [("2401.00007", True)] * 2
    found = parse_page(page(gone.format("", ""), gone.format("", "<metadata/>"), "<record/>").encode())
    assert (found.records, found.unusable) == ([], 3)


def test_the_paper_has_the_id_of_its_metadata() -> None:
    moved = record(5).replace("oai:arXiv.org:2401.00005", "oai:arXiv.org:2401.99999")
    assert parse_page(page(moved).encode()).records[0]["id"] == "2401.00005"


def test_a_number_that_is_none_is_no_list_size() -> None:
    for size in ("²", "9" * 5000, "-1", "many"):
        token = f'<resumptionToken completeListSize="{size}">t</resumptionToken>'
        found = parse_page(page(record(1), token=token).encode())
        assert (found.token, found.total) == ("t", None)


def test_a_record_of_a_harvest_is_the_record_of_the_snapshot_file() -> None:
    title, abstract = "A title that\n  goes on with H<sub>2</sub>O", "  First line\nsecond line.\n  A paragraph.\n"
    more = (
        "<submitter>Ada Lind</submitter><authors>Ada Lind, Bo Reyes</authors>"
        "<comments>12 pages,\n  3 figures</comments>"
        "<journal-ref>J. Akin 1 (2024) 2</journal-ref><doi> 10.5555/akin.1 </doi><license>http://l.example/</license>"
        "<categories>cs.LG stat.ML</categories>"
        '<version version="v1"><date>Mon, 8 Jan 2024 10:00:00 GMT</date></version>'
        '<version version="v2"><date>Tue, 9 Jan 2024 10:00:00 GMT</date><size>1kb</size></version>'
    )
    (line,) = parse_page(page(record(1, title, more).replace("  About 1.", abstract)).encode()).records
    snapshot = {
        "id": "2401.00001",
        "submitter": "Ada Lind",
        "authors": "Ada Lind, Bo Reyes",
        "title": "A title that\n  goes on with H2O",
        "comments": "12 pages,\n  3 figures",
        "journal-ref": "J. Akin 1 (2024) 2",
        "doi": "10.5555/akin.1",
        "report-no": None,
        "categories": "cs.LG stat.ML",
        "license": "http://l.example/",
        "abstract": abstract,
        "versions": [
            {"version": "v1", "created": "Mon, 8 Jan 2024 10:00:00 GMT"},
            {"version": "v2", "created": "Tue, 9 Jan 2024 10:00:00 GMT"},
        ],
        "update_date": "2024-01-20",
    }
    assert line == snapshot
    paper = arxiv_paper(json.dumps(line).encode())
    assert isinstance(paper, Paper)
    assert paper == arxiv_paper(json.dumps(snapshot).encode())
    assert (paper.versions, str(paper.published), str(paper.updated)) == (2, "2024-01-08", "2024-01-09")


def test_the_format_with_divided_names_is_read_and_others_are_counted() -> None:
    divided = (
        '<record><header><identifier>oai:arXiv.org:2401.00003</identifier></header><metadata><arXiv xmlns="urn:a">'
        "<id>2401.00003</id><created>2024-01-08</created><updated>2024-01-19</updated><authors><author><keyname>Ortega"
        " Fuentes</keyname><forenames>Lucía</forenames></author><author><keyname>Reyes</keyname><forenames>Calvin"
        "</forenames><suffix>Jr.</suffix></author></authors><title>T</title><abstract>A</abstract></arXiv></metadata>"
        "</record>"
    )
    dublin = (
        "<record><header><identifier>oai:x:1</identifier></header>"
        '<metadata><dc xmlns="urn:d"><title>T</title></dc></metadata></record>'
    )
    found = parse_page(page(divided, dublin).encode())
    assert found.records[0]["authors"] == "Lucía Ortega Fuentes, Calvin Reyes Jr."
    assert found.records[0]["authors_parsed"] == [["Ortega Fuentes", "Lucía", ""], ["Reyes", "Calvin", "Jr."]]
    paper = arxiv_paper(json.dumps(found.records[0]).encode())
    assert isinstance(paper, Paper)
    assert (str(paper.published), str(paper.updated)) == ("2024-01-08", "2024-01-19")
    assert (found.unusable, dict(found.unknown)) == (1, {"dc": 1})


def test_text_without_trouble_is_unchanged() -> None:
    text = "<a>x &amp; &#233; &#x1D400; <![CDATA[<b>&]]></a>"
    assert repair_text(text) == (text, 0)
    assert decode_xml(text.encode()) == text
