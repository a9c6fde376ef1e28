"""Files of citations become arrays: the same ones in any order and in any number of files."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from akin.indexing.references.collecting import Collector, work_number
from akin.indexing.references.identities import CorpusRows, SourceIds
from akin.indexing.references.importing import write_arrays
from akin.indexing.references.pairs import PairFiles, write_lists
from akin.indexing.references.sources import Kind, find_files
from akin.papers import PaperFileUnreadable, UnknownFormat
from retrieval_service.adapters.reference_arrays import ReferenceArrays
from retrieval_service.errors import SnapshotInvalid
from tests.citation_dumps import Citations, write

IDS = [f"2101.{number:05d}" for number in range(1, 60)] + ["hep-th/9901001", "math/0309136"]


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("catalogue") / "catalogue.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE paper (row INTEGER PRIMARY KEY, id TEXT UNIQUE, doi TEXT)")
        db.executemany("INSERT INTO paper VALUES (?, ?, ?)", ((row, name, None) for row, name in enumerate(IDS)))
        db.execute("UPDATE paper SET doi = '10.1103/PhysRevD.1.2' WHERE row = 3")
    db.close()
    return path


class Imported:
    """Arrays made of files, with the numbers of what was left out."""

    def __init__(self, folder: Path, catalogue: Path, paths: list[Path]) -> None:
        aside = folder / f"aside{random.random()}"
        pairs = PairFiles(aside / "cites", len(IDS))
        self.files = find_files(paths)
        self.collector = Collector(CorpusRows(catalogue), pairs, aside, lambda _: None)
        self.collector.read(self.files)
        directory = aside / "snapshot"
        directory.mkdir()
        self.written = write_arrays(pairs, aside / "transposed", directory, self.collector.totals)
        self.directory = directory
        self.arrays = ReferenceArrays(directory, len(IDS))
        self.bytes = {path.name: path.read_bytes() for path in sorted((directory / "references").iterdir())}

    @property
    def pairs(self) -> set[tuple[int, int]]:
        citing, cited = self.arrays.pairs(0, len(IDS))
        return set(zip(citing.tolist(), cited.tolist(), strict=True))


def test_both_sources_and_pairs_give_the_same_references(tmp_path: Path, catalogue: Path) -> None:
    citations = Citations(IDS)
    alex = write(tmp_path / "part_000.gz", citations.openalex(), members=3)
    merged = write(tmp_path / "merged.csv", citations.merged().splitlines())
    papers = write(tmp_path / "papers.jsonl.gz", citations.scholar_papers())
    scholar = write(tmp_path / "citations.jsonl", citations.scholar_citations())
    pairs = write(tmp_path / "pairs.tsv", citations.pair_lines())
    one = Imported(tmp_path, catalogue, [merged, alex])
    two = Imported(tmp_path, catalogue, [scholar, papers])
    three = Imported(tmp_path, catalogue, [pairs])
    assert one.pairs == two.pairs == three.pairs == citations.pairs
    assert one.collector.states_totals
    assert two.collector.states_totals
    assert not three.collector.states_totals
    within = {cited: sum(1 for _, other in citations.pairs if other == cited) for cited in range(len(IDS))}
    for row in range(len(IDS)):
        right = max(citations.totals[row], within[row])
        assert one.arrays.counts(row)[:2] == two.arrays.counts(row)[:2] == (right, within[row])
        assert three.arrays.counts(row)[0] == within[row]
    assert [file.broken for file in one.files] == [5, 1]
    assert two.collector.counts["self"] == 1
    assert two.collector.counts["outside"] == 1
    assert two.written.repeated == 1
    assert one.collector.counts["self"] > 10
    assert one.collector.counts["outside"] > 10


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 99), parts=st.integers(1, 4))
def test_order_and_division_do_not_matter(seed: int, parts: int, tmp_path: Path, catalogue: Path) -> None:
    citations, dice = Citations(IDS, seed), random.Random(seed)
    lines, folder = citations.openalex(), tmp_path / f"{seed}-{parts}-{dice.random()}"
    folder.mkdir()
    whole = Imported(folder, catalogue, [write(folder / "whole.jsonl", lines)])
    whole_lines = [line for line in lines if '"referenced_works"' in line]
    dice.shuffle(whole_lines)
    names = [folder / f"part{number}.jsonl.gz" for number in range(parts)]
    paths = [write(path, whole_lines[number::parts], members=2) for number, path in enumerate(names)]
    dice.shuffle(paths)
    assert Imported(folder, catalogue, paths).bytes == whole.bytes
    pairs = citations.pair_lines()
    dice.shuffle(pairs)
    again = Imported(folder, catalogue, [write(folder / "pairs.txt", [*pairs, *pairs[:5]])])
    assert again.pairs == citations.pairs


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    papers=st.integers(1, 300),
    drawn=st.lists(st.tuples(st.integers(0, 299), st.integers(0, 299)), max_size=200),
)
def test_transposed_twice_is_the_same(
    papers: int, drawn: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("lists")
    pairs = np.array([(one % papers, other % papers) for one, other in drawn], np.int64).reshape(-1, 2)
    files = [PairFiles(folder / str(number), papers) for number in range(3)]
    files[0].add(pairs[:, 0], pairs[:, 1])
    lengths, repeated = write_lists(files[0], folder, "once", papers, files[1])
    other, again = write_lists(files[1], folder, "transposed", papers, files[2])
    write_lists(files[2], folder, "twice", papers)
    assert (folder / "once.rows").read_bytes() == (folder / "twice.rows").read_bytes()
    assert (folder / "once.ends").read_bytes() == (folder / "twice.ends").read_bytes()
    assert again == 0
    assert repeated == len(pairs) - len(set(map(tuple, pairs.tolist())))
    assert lengths.sum() == other.sum() == len(set(map(tuple, pairs.tolist())))


def test_a_chain_of_merged_works_leads_to_its_paper() -> None:
    ids = SourceIds()
    ids.add(5, 2)
    ids.add(5, 1)  # the first row, in any order
    for old, new in ((7, 6), (6, 5), (9, 8), (8, 9)):
        ids.add_merger(old, new)
    assert ids.rows_of([5, 6, 7, 8, 9, 2**64 - 1]).tolist() == [1, 1, 1, -1, -1, -1]
    assert SourceIds().rows_of([5]).tolist() == [-1]


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("2101.00002", 1), ("https://arxiv.org/abs/2101.00002v7", 1), ("10.48550/ARXIV.2101.00002", 1),
        ("https://doi.org/10.48550/arXiv.2101.00002v2", 1), ("https://doi.org/10.1103/physrevd.1.2", 3),
        ("math.GT/0309136", 60), ("10.48550/arxiv.hep-th/9901001", 59), ("10.1103/none", None), ("", None),
    ],
)  # fmt: skip
def test_ids_of_all_forms_name_a_row(text: str, row: int | None, catalogue: Path) -> None:
    assert CorpusRows(catalogue).by_id(text) == row


def test_numbers_of_works() -> None:
    assert work_number("https://openalex.org/W2741809807") == work_number("W2741809807") == 2741809807
    for wrong in ("https://openalex.org/A5", "W", "W" + "9" * 30, "W²", "", None, "2741809807"):
        assert work_number(wrong) is None


def test_opencitations_and_quoted_cells_are_read(tmp_path: Path, catalogue: Path) -> None:
    lines = ["oci,citing,cited,creation", 'x,"omid:br/1 doi:10.48550/arXiv.2101.00001","doi:10.1103/PhysRevD.1.2",2020']
    lines += ["y,doi:10.48550/arXiv.2101.00001,doi:10.48550/arXiv.2101.00001,2020", 'z,"broken,2101.00003', "only"]
    found = Imported(tmp_path, catalogue, [write(tmp_path / "pairs.csv", lines)])
    assert found.pairs == {(0, 3)}
    assert found.files[0].broken == 2


def test_formats_are_recognised(tmp_path: Path) -> None:
    citations = Citations(IDS[:9])
    write(tmp_path / "a.gz", ["", "# a comment", *citations.openalex()])
    write(tmp_path / "b.jsonl", citations.scholar_papers())
    write(tmp_path / "c.jsonl", citations.scholar_citations())
    write(tmp_path / "d.csv", citations.merged().splitlines())
    write(tmp_path / "e.tsv", ["\ufeffciting\tcited", "1\t2"])
    (tmp_path / "manifest").write_text("{}")
    (tmp_path / "README.txt").write_text("not read")
    kinds = [file.kind for file in find_files([tmp_path])]
    assert kinds == [Kind.OPENALEX, Kind.OPENALEX_MERGED, Kind.S2_PAPERS, Kind.S2_CITATIONS, Kind.PAIRS]


def test_unusable_files_are_named(tmp_path: Path, catalogue: Path) -> None:
    lines = Citations(IDS).openalex()
    whole = write(tmp_path / "whole.gz", lines * 20).read_bytes()
    torn = tmp_path / "torn.gz"
    torn.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PaperFileUnreadable, match=r"torn\.gz: breaks off in the middle"):
        Imported(tmp_path, catalogue, [torn])
    with pytest.raises(UnknownFormat, match=r"array\.json: is a JSON array"):
        find_files([write(tmp_path / "array.json", ['[{"id": "W1"}]'])])
    with pytest.raises(UnknownFormat, match=r"other\.jsonl: is no file of citations"):
        find_files([write(tmp_path / "other.jsonl", ['{"title": "T"}'])])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UnknownFormat, match="no file that ends in"):
        find_files([tmp_path / "empty"])
    broken = write(tmp_path / "broken.jsonl", [lines[0], *['{"id": 7, "doi": null}'] * 9])
    with pytest.raises(PaperFileUnreadable, match=r"9 of 10 lines are no records of OpenAlex works \(line 2"):
        Imported(tmp_path, catalogue, [broken])


def test_arrays_of_another_snapshot_are_refused(tmp_path: Path, catalogue: Path) -> None:
    found = Imported(tmp_path, catalogue, [write(tmp_path / "pairs.tsv", Citations(IDS).pair_lines())])
    with pytest.raises(SnapshotInvalid, match="of another snapshot; import the references again"):
        ReferenceArrays(found.directory, len(IDS) + 1)
    rows = found.directory / "references" / "cites.rows"
    rows.write_bytes(rows.read_bytes()[:-4])
    with pytest.raises(SnapshotInvalid, match=r"cites\.rows: has .* numbers, not"):
        ReferenceArrays(found.directory, len(IDS))
    (found.directory / "references" / "totals").unlink()
    with pytest.raises(SnapshotInvalid):
        ReferenceArrays(found.directory, len(IDS))
