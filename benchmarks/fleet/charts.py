"""Draw the charts of docs/scaling.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from akin.charts import Line, as_svg, draw_lines, new_figure
from benchmarks.fleet.compare import simulate_mean
from benchmarks.fleet.predict import Goal, simulate_cell
from benchmarks.fleet.simulation import Autoscaler, Moment, simulate_autoscaler
from benchmarks.fleet.times import MachineTimes

_STEPS = 10
PEAK = 4.0
"""Highest load of the rising one, as a multiple of the lowest."""
_MINUTES = 20
_MACHINES = 2.0


def draw(times: MachineTimes, goal: Goal, folder: Path) -> list[Path]:
    """Write the charts as SVG, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "fleet-machine.svg": _machine(times),
        "fleet-utilisation.svg": _utilisation(times, goal),
        "fleet-autoscaler.svg": _autoscaler(times, goal),
    }
    for name, text in content.items():
        (folder / name).write_text(text)
    return [folder / name for name in content]


def _machine(times: MachineTimes) -> str:
    """Draw latency against load of the measured machine, simulated and measured."""
    calm = [trial for trial in times.trials if not trial.overloaded]
    most = max((trial.rate for trial in calm), default=600 * times.cores / (times.core_ms + times.generator_ms))
    rates = [most * step / _STEPS for step in range(1, _STEPS + 1)]
    simulated = [simulate_mean(times, rate, 20.0) for rate in rates]
    lines = [
        Line("p50, simulated", [(each.rate, each.p50_ms) for each in simulated]),
        Line("p95, simulated", [(each.rate, each.p95_ms) for each in simulated]),
        Line("p50, measured", [(each.rate, each.p50_ms) for each in calm]),
        Line("p95, measured", [(each.rate, each.p95_ms) for each in calm]),
    ]
    figure, [axes] = new_figure(7, [3])
    draw_lines(axes, [line for line in lines if line.points], "searches a second", "ms", title="One machine")
    return as_svg(figure, "Latency of one machine against its load, measured and simulated")


def _utilisation(times: MachineTimes, goal: Goal) -> str:
    """Draw p99 against the share of the cores that are used, for fleets of several sizes."""
    lines = []
    for machines in (1, 3, 12):
        points = []
        for step in range(2, _STEPS):
            share = step / _STEPS
            rate = machines * goal.cores * share * 1000 / times.core_ms
            points.append((share * 100, simulate_cell(times, rate, machines, goal.cores).p99_ms))
        lines.append(Line(f"{machines} machine{'s' if machines > 1 else ''}", points))
    figure, [axes] = new_figure(7, [3])
    draw_lines(axes, lines, "% of the cores, for batches of one", "p99 in ms", limit=goal.p99_ms)
    return as_svg(figure, "99th percentile of the latency against the share of the cores that are used")


def rising(times: MachineTimes, goal: Goal) -> list[Moment]:
    """Return what a fleet does whose load rises in five minutes to four times, and falls after a while."""
    base = _MACHINES / 2 * goal.cores * goal.utilisation * 1000 / times.core_ms

    def rate(at: float) -> float:
        up, down = 300.0, 900.0
        risen = min(1.0, max(0.0, (at - up) / 300)) - min(1.0, max(0.0, (at - down) / 300))
        return base * (1 + (PEAK - 1) * risen)

    return simulate_autoscaler(
        times, rate, 60.0 * _MINUTES, Autoscaler(target=goal.utilisation), cores=goal.cores, seed=1
    )


def _autoscaler(times: MachineTimes, goal: Goal) -> str:
    moments = rising(times, goal)
    figure, axes = new_figure(7, [1.6, 1.6, 1.6])
    for each, (name, unit, points) in zip(axes, _series(moments), strict=True):
        draw_lines(each, [Line(name, points)], "minutes", unit, dots=False)
    return as_svg(figure, "Load, machines and p99 of a fleet whose load rises to four times within five minutes")


def _series(moments: Sequence[Moment]) -> list[tuple[str, str, list[tuple[float, float | None]]]]:
    return [
        ("searches a second", "1/s", [(each.at / 60, each.rate) for each in moments]),
        ("machines", "", [(each.at / 60, each.machines) for each in moments]),
        ("p99", "ms", [(each.at / 60, each.p99_ms) for each in moments]),
    ]
