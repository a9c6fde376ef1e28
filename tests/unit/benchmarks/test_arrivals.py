from __future__ import annotations

from benchmarks.arrivals import markdown
from benchmarks.report import Row


def rows(rate: float) -> list[Row]:
    found = []
    for kind in ("short, hybrid", "short, dense", "long, hybrid"):
        system = f"akin over HTTP, {kind}"
        found.append(Row(system, "d", "rate", rate, "1/s"))
        if rate:
            found += [
                Row(system, "d", "p50_ms_under_load", 16.4, "ms"),
                Row(system, "d", "p95_ms_under_load", 38.6, "ms"),
            ]
    people = {"rate": 65.4, "p50_under_load": 23.0, "p95_under_load": 85.0, "errors": 0}
    return found + [Row("akin over HTTP, 100 people", "d", name, value) for name, value in people.items()]


def test_the_rows_are_those_of_the_table() -> None:
    lines = markdown(rows(104.6), 20).splitlines()
    assert lines[0] == "| load | target | sustained for 20 s |"
    assert lines[2] == "| short hybrid searches | 100 a second, p95 100 ms | 105 a second, p50 16, p95 39 ms |"
    assert lines[4].startswith("| abstracts, hybrid | p95 120 ms | 105 a second")
    assert lines[5].endswith("| 65 answers/s, p50 23, p95 85 ms, 0 errors |")
    assert markdown(rows(0), 20).count("no rate was fast") == 3
