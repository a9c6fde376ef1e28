from __future__ import annotations

import re
from xml.etree.ElementTree import fromstring

from akin.charts import INK, Line, as_png, as_svg, draw_bars, draw_lines, new_figure

SVG = "{http://www.w3.org/2000/svg}"


def drawing(lines: list[Line], **options: object) -> str:
    figure, (axes,) = new_figure(6, [3])
    draw_lines(axes, lines, "users <all>", "ms", **options)  # type: ignore[arg-type]
    return as_svg(figure, "ms & users")


def test_a_point_has_its_figures_as_a_tooltip_and_a_missing_one_has_none() -> None:
    drawn = fromstring(drawing([Line('p95 <of "all">', [(1, 10), (2, None), (3, 30)])]))
    assert [tip.text for tip in drawn.iter(f"{SVG}title")] == ['p95 <of "all">: 10 at 1', 'p95 <of "all">: 30 at 3']
    texts = {text.text for text in drawn.iter(f"{SVG}text")}
    assert {'p95 <of "all">', "users <all>", "ms"} <= texts


def test_tooltips_can_be_given_and_dots_left_out() -> None:
    line = Line("p95", [(1, 10), (2, 20)], ["first", "second"])
    assert re.findall("<title>(.*?)</title>", drawing([line])) == ["first", "second"]
    assert "<title>" not in drawing([line], dots=False)


def test_a_gap_breaks_the_line_and_a_limit_is_drawn() -> None:
    figure, (axes,) = new_figure(6, [3])
    draw_lines(axes, [Line("p95", [(1, 10), (2, None), (3, 30)])], "users", "ms", limit=100)
    assert [each != each for each in axes.lines[0].get_ydata()] == [False, True, False]
    assert 'id="limit"' in as_svg(figure, "")


def test_the_same_figures_give_the_same_bytes_that_suit_light_and_dark_pages() -> None:
    line = Line("p95", [(1, 10), (2, 20)])
    first = drawing([line], log_x=True, log_y=True)
    assert first == drawing([line], log_x=True, log_y=True)
    assert first.startswith('<svg class="chart" role="img" aria-label="ms &amp; users"')
    assert INK not in first
    assert "currentColor" in first
    assert "prefers-color-scheme:dark" in first


def test_a_logarithmic_axis_has_plain_numbers_also_within_one_decade() -> None:
    for points, expected in (([(0.1, 1), (100, 2)], {"0.1", "1", "10", "100"}), ([(0.3, 1), (0.8, 2)], {"0.4", "0.6"})):
        texts = {text.text for text in fromstring(drawing([Line("a $ b $", points)], log_x=True)).iter(f"{SVG}text")}
        assert expected | {"a $ b $"} <= texts
        assert not any("mathdefault" in str(text) for text in texts)


def test_bars_have_their_names_and_figures() -> None:
    figure, (axes,) = new_figure(6, [2])
    draw_bars(axes, "rates", {"ours": 1200.4, "theirs": 300}, ["ours"])
    texts = {text.text for text in fromstring(as_svg(figure, "rates")).iter(f"{SVG}text")}
    assert {"ours", "theirs", "1,200", "300", "rates"} <= texts
    assert as_png(figure).startswith(b"\x89PNG")
