from __future__ import annotations

from xml.etree.ElementTree import fromstring

from akin.cli.recall_chart import recall_chart
from retrieval_service.corpus.manifest import CurvePoint

SVG = "{http://www.w3.org/2000/svg}"


def test_every_point_is_drawn_in_its_place() -> None:
    points = [
        CurvePoint(0, 1.0, 60.0, "SQfp16"),
        *(CurvePoint(n, 0.6 + n / 100, n / 10, "IVF64,SQ8") for n in (1, 10, 30)),
        *(CurvePoint(9, 0.9, k, "IVF64,RaBitQ,Refine(SQ8)", k_factor=k) for k in (4.0, 8.0)),
    ]
    drawn = fromstring(recall_chart(points, points[3], 0.9))
    dots = [dot for dot in drawn.iter(f"{SVG}circle") if dot.find(f"{SVG}title") is not None]
    assert len(dots) == len(points)
    lists = {dot.find(f"{SVG}title").text: dot for dot in dots if "IVF64,SQ8" in dot.find(f"{SVG}title").text}  # type: ignore[union-attr,operator]
    xs = [float(dot.get("cx", "")) for dot in lists.values()]
    ys = [float(dot.get("cy", "")) for dot in lists.values()]
    assert xs == sorted(xs)
    assert ys == sorted(ys, reverse=True)
    (ring,) = [dot for dot in drawn.iter(f"{SVG}circle") if dot.get("fill") == "none"]
    assert (float(ring.get("cx", "")), float(ring.get("cy", ""))) == (xs[-1], ys[-1])
    names = {text.text for text in drawn.iter(f"{SVG}text")}
    assert {"SQfp16", "IVF64,SQ8", "IVF64,RaBitQ,Refine(SQ8), k_factor 4"} <= names
