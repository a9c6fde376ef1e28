from __future__ import annotations

import pytest

from loadtests.prometheus import parse, summarise_histogram


def exposition(embed: tuple[int, int, int, float], fetch: tuple[int, int, int, float] | None = None) -> str:
    lines = ["# HELP stage_seconds Time in a stage.", "# TYPE stage_seconds histogram"]
    for stage, figures in {"embed": embed, "fetch": fetch}.items():
        if figures is not None:
            for bound, count in zip(("0.01", "0.02", "+Inf"), figures, strict=False):
                lines.append(f'stage_seconds_bucket{{le="{bound}",stage="{stage}"}} {count}.0')
            lines.append(f'stage_seconds_count{{stage="{stage}"}} {figures[2]}.0')
            lines.append(f'stage_seconds_sum{{stage="{stage}"}} {figures[3]}')
    return "\n".join(lines)


def test_lines_are_read_with_their_labels() -> None:
    series = parse('a_total{x="1",y="q\\"uote, {brace}"} 3.0\nplain 1e+09\n# plain 5\n')
    assert series == {("a_total", (("x", "1"), ("y", 'q"uote, {brace}'))): 3.0, ("plain", ()): 1e9}


@pytest.mark.parametrize("text", ["broken\n", 'bad{a="b"} word\n', "<html>\n"])
def test_a_text_of_another_format_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the parser's own error
        parse(text)


def test_only_durations_between_the_readings_count() -> None:
    before, after = parse(exposition((100, 100, 100, 0.5))), parse(exposition((110, 130, 130, 0.9)))
    (embed,) = summarise_histogram(before, after, "stage_seconds", "stage")
    assert (embed.label, embed.count) == ("embed", 30)
    assert embed.mean_ms == pytest.approx(1000 * 0.4 / 30)
    # 10 of 30 up to 10 ms, the other 20 up to 20 ms: the 15th is a quarter of the way through the second bucket.
    assert embed.p50_ms == pytest.approx(12.5)
    assert embed.p95_ms == pytest.approx(10 + 10 * (28.5 - 10) / 20)


def test_stages_keep_their_order_and_idle_ones_are_left_out() -> None:
    before = parse(exposition((1, 1, 1, 0.1), (1, 1, 1, 0.1)))
    after = parse(exposition((1, 1, 1, 0.1), (3, 3, 3, 0.2)))
    assert [each.label for each in summarise_histogram(before, after, "stage_seconds", "stage")] == ["fetch"]


def test_a_percentile_above_the_last_bucket_is_its_bound() -> None:
    (embed,) = summarise_histogram({}, parse(exposition((0, 1, 10, 50.0))), "stage_seconds", "stage")
    assert embed.p95_ms == pytest.approx(20)


def test_a_restarted_process_counts_from_zero() -> None:
    before, after = parse(exposition((50, 50, 50, 5.0))), parse(exposition((4, 4, 4, 0.02)))
    (embed,) = summarise_histogram(before, after, "stage_seconds", "stage")
    assert embed.count == 4
    assert embed.mean_ms == pytest.approx(5)
