"""The commands of `akin map` over a map that was written without a layout."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from xml.etree.ElementTree import fromstring

import numpy as np
import pytest

from akin.cli import maps
from akin.errors import PapersUnusable
from akin.indexing.corpus_map.folder import MapDraft, new_map
from retrieval_service.corpus import SnapshotDirectory
from retrieval_service.corpus.manifest import EncoderRecord
from retrieval_service.corpus.map_files import NOWHERE, MapGroup, MapLabel, MapManifest
from tests.unit.published import published_manifest

LABELS = (MapLabel(0, 0.3, 0.3, "<Topics> & more", 40, "cs"), MapLabel(0, 0.3, 0.301, "hidden by the first", 10))


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a data folder with a snapshot of 50 papers, of which one has no place."""
    monkeypatch.setenv("AKIN_DATA", str(tmp_path))
    published_manifest(tmp_path, "one", EncoderRecord(1, "a" * 64, 384), papers=50)
    SnapshotDirectory(tmp_path).use("one")
    coordinates = np.random.default_rng(1).integers(0, 60_000, (50, 2)).astype(np.uint16)
    coordinates[7] = NOWHERE
    groups = (np.arange(50) % 2).astype(np.uint8)
    about = MapManifest(
        snapshot="one", digest="", created=datetime(2026, 1, 1, tzinfo=UTC), papers=50, placed=49, sampled=49, added=3,
        seed=1, method="a method", grouped_by="archive", labels=(), tiles=(), files={},
        groups=(MapGroup("cs", "Computer Science", 25), MapGroup("", "Other", 25)), first_year=2000, last_year=2020,
    )  # fmt: skip
    with new_map(tmp_path, SnapshotDirectory(tmp_path).path("one")) as folder:
        folder.finish(MapDraft(coordinates, groups, groups + 1, LABELS), about)
    return tmp_path


def test_info_describes_the_map(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    maps.info()
    said = capsys.readouterr().out
    for line in ("49; 1 have no vector and no place", "49 by a method, seed 1", "3 placed by updates since"):
        assert line in said
    maps.info(json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["placed"], found["labels"][0]["text"], "tiles" in found) == (49, "<Topics> & more", False)


def test_export_draws_a_picture(data: Path, tmp_path: Path) -> None:
    svg, png = tmp_path / "pictures" / "map.svg", tmp_path / "map.png"
    maps.export(svg, None, maps.Colour.GROUP, 40)
    drawn = fromstring(svg.read_text())
    texts = ["".join(each.itertext()).strip() for each in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert "<Topics> & more" in texts
    assert "hidden by the first" not in texts
    assert {"Computer Science", "Other"} <= set(texts)
    maps.export(png, None, maps.Colour.YEAR, 0)
    assert png.read_bytes().startswith(b"\x89PNG")
    first = svg.read_bytes()
    maps.export(svg, None, maps.Colour.GROUP, 40)
    assert svg.read_bytes() == first


def test_a_picture_that_cannot_be_written_names_its_file(data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PapersUnusable, match=r"cannot write .*map\.svg: Not a directory\. Name another file"):
        maps.export(tmp_path / "file" / "map.svg", None, maps.Colour.GROUP, 40)


def test_wrong_requests_are_explained(data: Path, tmp_path: Path) -> None:
    with pytest.raises(PapersUnusable, match=r"\.svg or \.png"):
        maps.export(tmp_path / "map.gif", None, maps.Colour.GROUP, 40)
    with pytest.raises(PapersUnusable, match="no snapshot 'two'"):
        maps.info("two")
    published_manifest(data, "three", EncoderRecord(1, "a" * 64, 384), papers=50)
    with pytest.raises(PapersUnusable, match="akin map build"):
        maps.info("three")
