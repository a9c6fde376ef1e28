"""Test the arithmetic of the cost calculator, and that its page has the results of its own defaults."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

from akin.stack_settings import ROOT

PAGE = (ROOT / "docs/cost.md").read_text("utf-8")
SCRIPT = ROOT / "docs/assets/cost.js"
BEFORE, OF_RESULTS, AFTER = re.split(r"^## (?:Results|Rates and assumptions)$", PAGE, flags=re.MULTILINE)
ROWS, RESULTS = (
    dict(re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", text, re.MULTILINE)) for text in (BEFORE + AFTER, OF_RESULTS)
)
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="there is no node on this machine; `make docs-test` uses Chromium")


def run(expression: str) -> object:
    program = f"const cost = require({json.dumps(str(SCRIPT))}); console.log(JSON.stringify({expression}))"
    done = subprocess.run([NODE or "node", "-e", program], capture_output=True, text=True, check=True, timeout=30)
    made: object = json.loads(done.stdout)
    return made


def defaults() -> dict[str, float]:
    return {name: float(value.replace(",", "")) for name, value in ROWS.items()}


def test_every_input_is_used_and_every_one_that_is_used_is_there() -> None:
    used = set(re.findall(r"\binput\.(\w+)", SCRIPT.read_text("utf-8")))
    assert used | {"memory"} == set(ROWS)
    assert len(RESULTS) > 10


def test_measured_defaults_are_the_figures_of_the_pages_of_performance() -> None:
    log = (ROOT / "docs/performance-log.md").read_text("utf-8")
    figures = (ROOT / "docs/performance.md").read_text("utf-8")
    value = defaults()
    assert "| **Akin, Triton gRPC** | 191 |" in figures
    assert value["encode_rate"] == 191 // 2
    assert "ours through Triton, 8 clients | 4,350" in (ROOT / "docs/gpu.md").read_text("utf-8")
    assert value["gpu_rate"] == 4350
    assert "| resident, MB | 15 | 59 | 315 | 1,067 |" in figures
    assert value["packed_bytes"] == pytest.approx(1067e6 / 2.5e6 / 384, abs=0.005)
    assert "2,249 MB resident" in log
    assert value["paper_bytes"] == pytest.approx((2249 - 1067) / 2.5, abs=0.5)
    assert "at most 3,285 MB resident with both" in log
    assert value["update_factor"] == pytest.approx(3285 / 2249, abs=0.005)
    assert "9 in Tantivy, 4 in the encoder, 5 in the service" in log
    assert (value["search_ms"], value["search_ms_per_million"] * 2.5) == (9, 9)
    assert f"**{value['encoder_mb']:g} after 200,000**" in log
    assert "(catalogue 3.6, vectors 1.2, lexical index 0.9)" in log
    assert value["disk_bytes"] * 2.5e6 == pytest.approx((3.6 + 0.9) * 1e9)
    assert value["disk_factor"] == pytest.approx(1.2e9 / 1067e6, abs=0.006)


@needs_node
def test_the_page_has_the_results_of_its_defaults() -> None:
    made = run(
        f"Object.entries(cost.estimate({json.dumps(defaults())})).map(([name, each]) => [name, cost.shown(each)])"
    )
    assert dict(made) == RESULTS  # type: ignore[call-overload]


@needs_node
def test_a_small_corpus_is_exact_and_a_busy_one_needs_machines() -> None:
    given = defaults() | {"papers": 10_000, "searches": 100, "cores": 2, "utilisation": 0.5, "spare": 0, "snapshots": 1}
    made = run(f"cost.estimate({json.dumps(given)})")
    assert isinstance(made, dict)
    ms = 9 + 3.6 * 0.01
    assert made["search_ms_all"] == pytest.approx(ms)
    assert made["machines"] == 1  # 100 searches of 9.036 ms are 0.9 cores of the one that may be busy
    memory = 10_000 * (384 * 4 + 473) / 1e6 * 1.46 + 832 + 1000
    assert made["memory_gb"] == pytest.approx(memory / 1000)
    assert made["disk_gb"] == pytest.approx(10_000 * (1800 + 384 * 4 * 1.12 + 2 * 384) / 1e9)
    assert made["build_hours"] == pytest.approx(10_000 / 190 / 3600)
    more = run(f"cost.estimate({json.dumps(given | {'searches': 1000})})")
    assert isinstance(more, dict)
    assert more["machines"] == 10
    assert made["month_money"] == pytest.approx(
        0.2 * 730 + made["disk_gb"] * 0.1 + 20_000 / 190 / 3600 * 0.2,
    )
    assert made["million_money"] == pytest.approx(made["month_money"] / (100 * 0.3 * 730 * 3600 / 1e6))


@needs_node
def test_what_is_no_number_is_none() -> None:
    texts = [
        "2,500,000",
        " 12.5 ",
        ".5",
        "1e6",
        "1,5",
        "",
        "-3",
        "Infinity",
        "NaN",
        "0x10",
        "1 000",
        "1,00,000",
        "5,000.25",
    ]
    read = run(f"{json.dumps(texts)}.map(cost.numberOf)")
    assert read == [2_500_000, 12.5, 0.5, 1e6, None, None, None, None, None, None, None, None, 5000.25]


@needs_node
@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("papers", [1, 1e9], [0, -1]),
        ("spare", [0, 2], [0.5, -1]),
        ("snapshots", [1, 3], [0, 1.5]),
        ("changed", [0, 10], [-1]),
        ("utilisation", [0.1, 1], [0, 1.1]),
        ("mean_share", [1], [2]),
    ],
)
def test_inputs_have_bounds(name: str, good: list[float], bad: list[float]) -> None:
    assert run(f"{json.dumps([*good, *bad])}.map((each) => cost.usable({json.dumps(name)}, each))") == (
        [True] * len(good) + [False] * len(bad)
    )
    assert run(f"[NaN, Infinity].map((each) => cost.usable({json.dumps(name)}, each))") == [False, False]


@needs_node
def test_every_default_is_within_its_bounds() -> None:
    given = json.dumps(defaults())
    assert run(f"Object.entries({given}).filter(([name, each]) => !cost.usable(name, each))") == []
