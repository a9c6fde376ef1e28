from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import pytest

from akin.cli.recall_chart import recall_chart, write_recall_chart
from retrieval_service.corpus.manifest import CurvePoint

SVG = "{http://www.w3.org/2000/svg}"
POINTS = [
    CurvePoint(0, 1.0, 60.0, "SQfp16"),
    *(CurvePoint(n, 0.6 + n / 100, n / 10, "IVF64,SQ8") for n in (1, 10, 30)),
    *(CurvePoint(9, 0.9, k, "IVF64,RaBitQ,Refine(SQ8)", k_factor=k) for k in (4.0, 8.0)),
]


def place(dot: Element) -> tuple[float, float]:
    (use,) = dot.iter(f"{SVG}use")
    return float(use.get("x", "")), float(use.get("y", ""))


def test_every_point_is_drawn_in_its_place() -> None:
    drawn = fromstring(recall_chart(POINTS, POINTS[3], 0.9))
    dots = [dot for dot in drawn.iter(f"{SVG}g") if dot.find(f"{SVG}title") is not None]
    assert len(dots) == len(POINTS)
    lists = [dot for dot in dots if "IVF64,SQ8" in dot.find(f"{SVG}title").text]  # type: ignore[union-attr,operator]
    xs, ys = zip(*map(place, lists), strict=True)
    assert list(xs) == sorted(xs)
    assert list(ys) == sorted(ys, reverse=True)
    (ring,) = [dot for dot in drawn.iter(f"{SVG}g") if dot.get("id") == "chosen"]
    assert place(ring) == (xs[-1], ys[-1])
    names = {text.text for text in drawn.iter(f"{SVG}text")}
    assert {"SQfp16", "IVF64,SQ8", "IVF64,RaBitQ,Refine(SQ8), k_factor 4"} <= names


def test_without_matplotlib_nothing_is_drawn_and_nothing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tuning" / "chart.svg"
    with monkeypatch.context() as patch:
        patch.setattr("akin.cli.recall_chart.find_spec", lambda name: None)
        assert not write_recall_chart(path, POINTS, POINTS[3], 0.9)
    assert not path.exists()
    assert write_recall_chart(path, POINTS, POINTS[3], 0.9)
    assert path.read_text().startswith("<svg")
