import json
from datetime import date

import pytest

from akin.papers import read_papers
from akin.papers.arxiv_id import restore_zeros


def read(tmp_path, *records, name="papers.jsonl"):
    path = tmp_path / name
    text = records[0] if name.endswith(".csv") else "".join(json.dumps(record) + "\n" for record in records)
    path.write_text(text)
    with read_papers(path) as reader:
        return list(reader), reader.report


def record(paper_id, **more):
    return {"id": paper_id, "title": "Kites", "abstract": "A kite.", "categories": "physics.ao-ph", **more}


@pytest.mark.parametrize("order", [(1, 2, 10), (10, 2, 1), (2, 10, 1)])
def test_of_several_versions_the_newest_is_kept_in_any_order(tmp_path, order):
    records = [record(f"http://arxiv.org/abs/2401.09040v{n}", title=f"Kites {n}") for n in order]
    papers, report = read(tmp_path, record("arXiv:math/0309997v1"), *records)
    assert [(paper.id, paper.title) for paper in papers] == [("math/0309997", "Kites"), ("2401.09040", "Kites 10")]
    assert report.rejected == {"older_version": 2}


def test_versions_in_a_csv_file(tmp_path):
    text = "id,title,abstract\n2401.09040v2,Newer,A kite.\nhttps://arxiv.org/abs/2401.09040v1,Older,A kite.\n"
    papers, _ = read(tmp_path, text, name="papers.csv")
    assert [(paper.id, paper.title) for paper in papers] == [("2401.09040", "Newer")]


def test_addresses_of_parts_of_a_paper_stay_as_they_are(tmp_path):
    ids = ["https://arxiv.org/abs/2401.09040#1", "https://arxiv.org/abs/2401.09040#2"]
    assert [paper.id for paper in read(tmp_path, *map(record, ids))[0]] == ids


@pytest.mark.parametrize(
    ("text", "restored"),
    [
        ("704.0001", "0704.0001"),
        ("704.1", "0704.1000"),
        ("1412.999", "1412.9990"),
        ("1903.0991", "1903.09910"),
        ("2401.0904", "2401.09040"),
        ("2401.09040", None),
        ("12.5", None),
        ("1313.5", None),
        ("9901997", None),
    ],
)
def test_zeros_that_a_spreadsheet_took_are_put_back(text, restored):
    assert restore_zeros(text) == restored


def test_lost_zeros_are_counted_and_ids_that_lost_more_are_told(tmp_path):
    papers, report = read(tmp_path, record("704.0001"), record(1903.1), record("9901997"), record("2401.09040"))
    assert [paper.id for paper in papers] == ["0704.0001", "1903.10000", "9901997", "2401.09040"]
    assert (report.restored_ids, report.doubtful_ids) == (2, 1)


def test_ids_of_another_collection_are_left_as_they_are(tmp_path):
    papers, report = read(tmp_path, *(record(name, categories="Physics") for name in ("704.1", "12.5", "1201.5")))
    assert [paper.id for paper in papers] == ["704.1", "12.5", "1201.5"]
    assert (report.restored_ids, report.doubtful_ids) == (0, 0)


def test_versions_of_a_record_in_any_order(tmp_path):
    days = {"v10": "Mon, 5 Feb 2024 10:00:00 GMT", "v2": "Mon, 10 Jun 2019 10:00:00 GMT", "v1": "2019-03-21"}
    versions = [{"version": name, "created": day} for name, day in days.items()]
    (paper,), _ = read(tmp_path, record("1903.09917", versions=versions))
    assert (paper.published, paper.updated, paper.versions) == (date(2019, 3, 21), date(2024, 2, 5), 10)
    unnumbered = [{"created": day} for day in days.values()]
    (paper,), _ = read(tmp_path, record("1903.09917", versions=unnumbered))
    assert (paper.published, paper.updated, paper.versions) == (date(2019, 3, 21), date(2024, 2, 5), 3)
    (paper,), _ = read(tmp_path, record("1903.09917", versions=["v1", "v2"], published="2019-03-21T10:00:00Z"))
    assert (paper.published, paper.versions) == (date(2019, 3, 21), 2)


def test_a_withdrawn_paper_is_marked_by_its_comments_or_a_field(tmp_path):
    papers, _ = read(
        tmp_path,
        record("2401.09014", comments="This paper has been withdrawn by the author"),
        record("2401.09015", withdrawn=True),
        record("2401.09016", comments="12 pages"),
    )
    assert [paper.withdrawn for paper in papers] == [True, True, False]
    assert papers[2].comments == "12 pages"
