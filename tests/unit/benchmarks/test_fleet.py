"""Simulate machines and fleets with invented times, whose answers are known; read measured ones; refuse others."""

from __future__ import annotations

import json
import math
import statistics
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from benchmarks.fleet import command
from benchmarks.fleet.compare import compare, comparison_table
from benchmarks.fleet.measure import Alone, Load, busy_times
from benchmarks.fleet.predict import Goal, predict, prediction_table
from benchmarks.fleet.simulation import Autoscaler, simulate_autoscaler, simulate_fleet, simulate_trial
from benchmarks.fleet.times import MachineTimes, SearchTimes, Trial, combine, read_times, write_times

# Ten times as slow as real ones: fewer requests are simulated.
TIMES = MachineTimes(
    cores=2, papers=1000, searches=[SearchTimes(40.0, 10.0, 10.0)], python_ms=20.0, batch_ms=10.0, text_ms=10.0,
    delay_ms=10.0, generator_ms=0.0, alone_ms=80.0,
)  # fmt: skip
NO_BATCHES = msgspec.structs.replace(TIMES, batch_ms=0.0, text_ms=20.0)


def test_a_single_search_takes_the_longer_half_and_what_is_before_and_after() -> None:
    found = simulate_fleet(TIMES, 1, 0.2, 200)
    # 10 of delay and 10 of Python, 40 of words beside 20 + 10 of encoder and vectors, 10 of ranking, 10 of Python.
    assert found.p50_ms == pytest.approx(80.0)
    assert TIMES.core_ms == 100.0


def test_the_cores_are_used_as_much_as_the_load_says() -> None:
    found = simulate_fleet(NO_BATCHES, 2, 20, 100)
    assert found.utilisation == pytest.approx(20 * 0.1 / 4, rel=0.06)
    assert found.per_second == pytest.approx(20, rel=0.06)
    assert found.refused == 0


def test_a_saturated_machine_answers_what_its_cores_can_and_refuses_the_rest() -> None:
    found = simulate_fleet(NO_BATCHES, 1, 50, 60)
    assert found.per_second == pytest.approx(20, rel=0.08)
    assert found.refused == pytest.approx(0.6, abs=0.05)
    # 32 run and 128 wait: 160 at 20 a second.
    assert found.p95_ms == pytest.approx(8000, rel=0.1)


def test_batches_let_a_busy_machine_answer_more() -> None:
    one_by_one = msgspec.structs.replace(TIMES, batch_ms=0.0, text_ms=60.0)
    batched = msgspec.structs.replace(TIMES, batch_ms=55.0, text_ms=5.0)
    assert one_by_one.core_ms == batched.core_ms
    assert simulate_fleet(batched, 1, 40, 40).per_second > 1.3 * simulate_fleet(one_by_one, 1, 40, 40).per_second


def test_many_machines_are_better_than_one_at_the_same_share() -> None:
    alone, many = simulate_fleet(TIMES, 1, 15, 60), simulate_fleet(TIMES, 8, 120, 15)
    assert many.p99_ms < 0.8 * alone.p99_ms


@pytest.mark.parametrize(("machines", "rate"), [(0, 10.0), (1, 0.0), (1, -1.0)])
def test_a_fleet_of_nothing_is_refused(machines: int, rate: float) -> None:
    with pytest.raises(ValueError, match="a machine at least, and a load above 0"):
        simulate_fleet(TIMES, machines, rate)


def test_the_load_generator_takes_its_part_of_a_measured_machine() -> None:
    with_generator = msgspec.structs.replace(TIMES, generator_ms=40.0)
    free, busy = simulate_trial(TIMES, 12, 60), simulate_trial(with_generator, 12, 60)
    assert not free.overloaded
    assert free.p95_ms
    assert busy.p95_ms
    assert busy.p95_ms > 1.2 * free.p95_ms
    assert simulate_trial(TIMES, 90, 10).errors


def test_predictions_keep_the_goal_and_name_what_decides() -> None:
    goal = Goal(p99_ms=600, utilisation=0.6, spare=1, cores=2, price=0.2)
    found = predict(TIMES, 30, goal)
    assert found.machines >= math.ceil(30 * 0.1 / 1.2) + 1
    assert found.outcome.p99_ms <= found.failed.p99_ms <= 600
    assert found.month == pytest.approx(found.machines * 0.2 * 730)
    assert found.million == pytest.approx(found.month / (30 * 730 * 3.6e3) * 1e6)
    strict = predict(TIMES, 30, replace(goal, p99_ms=140))
    assert (strict.bound, found.bound) == ("p99", "cores")
    assert strict.machines > found.machines
    assert "| 30 |" in prediction_table([found], goal)


def test_a_goal_below_the_time_of_one_search_is_refused() -> None:
    with pytest.raises(SystemExit, match="no fleet answers 10 searches a second with a p99 of 50 ms"):
        predict(TIMES, 10, Goal(p99_ms=50, cores=2))


def test_an_autoscaler_follows_a_load_late_and_goes_back() -> None:
    scaler = Autoscaler(target=0.6, least=2, every=15, start=60, calm=60)
    moments = simulate_autoscaler(TIMES, lambda at: 15.0 if at < 120 or at > 420 else 40.0, 900, scaler)
    machines = {round(each.at): each.machines for each in moments}
    assert machines[105] == 2
    assert machines[180] == 2  # those that were asked for at 135 come a minute later
    assert max(machines.values()) >= 4
    assert machines[900] < max(machines.values())
    busy = next(each for each in moments if each.at == 180)
    calm = next(each for each in moments if each.at == 405)
    assert busy.p99_ms
    assert calm.p99_ms
    assert busy.p99_ms > 3 * calm.p99_ms


def test_the_simulation_agrees_with_itself_and_differences_are_named(tmp_path: Path) -> None:
    trials = [simulate_trial(TIMES, rate, 60, "other") for rate in (6.0, 12.0, 90.0)]
    times = msgspec.structs.replace(TIMES, trials=trials)
    found = compare(times)
    assert [each.figure for each in found] == ["p50 ms", "p95 ms", "p50 ms", "p95 ms", "answers/s"]
    assert all(each.agrees for each in found)
    slower = msgspec.structs.replace(times, python_ms=60.0)
    assert "(differs)" in comparison_table(compare(slower))
    write_times(times, tmp_path / "times.json")
    assert read_times(tmp_path / "times.json") == times


def test_without_measured_loads_there_is_nothing_to_compare() -> None:
    with pytest.raises(SystemExit, match="measure again"):
        compare(TIMES)


def test_the_published_times_add_up_to_those_of_the_log() -> None:
    times = read_times(Path(command.__file__).with_name("times-2.5m.json"))
    assert (times.papers, times.cores, times.core_ms) == (2_500_000, 2, pytest.approx(18.0))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read .*make bench NAME=fleet"),
        ("{", "has no times of a machine"),
        ("[]", "has no times of a machine"),
        (json.dumps({"cores": 0}), "has no times of a machine"),
    ],
)
def test_files_that_are_no_times_are_refused(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "times.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SystemExit, match=message):
        read_times(path)


def load(used: float, service: float, triton: float, generator: float, batch: float = 1.0) -> Load:
    return Load(Trial(100 * used, 10, 100 * used, 10.0, 20.0, 0, False), used, service, triton, generator, batch)


def test_times_of_busy_cores_are_where_the_line_through_the_loads_ends() -> None:
    alone = Alone(9.0, [SearchTimes(0.5, 0.5, 1.0, 0.8), SearchTimes(1.5, 0.5, 1.0, 1.2)], 5.0, 3.0, 1.5)
    calm = [load(0.1, 5.8, 3.8, 0.95, 1.0), load(0.5, 5.0, 3.0, 0.75, 1.5), load(0.9, 4.2, 2.2, 0.55, 2.0)]
    found = busy_times(alone, calm, per_batch=1.5, per_text=1.0, handoff_ms=0.1)
    assert found.generator_ms == pytest.approx(0.5)
    # 4 ms of the service at full use, of 5 alone: stages are four fifths, Python what is left.
    assert [each.words for each in found.searches] == pytest.approx([0.4, 1.2])
    assert [each.length for each in found.searches] == [0.8, 1.2]
    assert found.python_ms == pytest.approx(4.0 - (0.8 + 0.4 + 0.8))
    # 2 ms of the encoder at full use, in batches of 1.5: as much for the batch as for the text.
    assert (found.batch_ms, found.text_ms) == (pytest.approx(1.5), pytest.approx(1.0))
    # 11 at rest by the line, 6.5 at full use.
    assert found.cold == pytest.approx((11 - 6.5) / 6.5)
    assert found.delay_ms == pytest.approx(1.0)


def test_noise_that_falls_the_other_way_makes_no_negative_times() -> None:
    alone = Alone(9.0, [SearchTimes(0.5, 0.5, 1.0)], 4.0, 3.0, 0.2)
    found = busy_times(alone, [load(0.2, 3.0, 2.0, 0.5), load(0.8, 5.0, 2.5, 0.6)], 1.0, 1.0, handoff_ms=0.1)
    assert found.cold == 0
    assert found.delay_ms == 0
    assert found.searches[0].words == pytest.approx(0.5)


def test_the_median_of_each_figure_counts() -> None:
    trials = [
        Trial(9.0, 10, 9.0, 5.0, 30.0, 0, False), Trial(9.0, 10, 8.0, 6.0, 10.0, 4, False),
        Trial(9.0, 10, 8.5, 7.0, 20.0, 2, True),
    ]  # fmt: skip
    assert combine(trials, statistics.median) == Trial(9.0, 10, 8.5, 6.0, 20.0, 2, True)


def test_halves_that_hold_the_lock_of_python_wait_for_each_other() -> None:
    released = msgspec.structs.replace(TIMES, cores=4)
    locked = msgspec.structs.replace(released, locked_ms=100.0)
    free, held = simulate_fleet(released, 1, 12, 60), simulate_fleet(locked, 1, 12, 60)
    assert held.p50_ms > 1.3 * free.p50_ms
    # Python is the only thread: 80 ms of it, and 20 in the encoder.
    assert simulate_fleet(locked, 1, 40, 60).per_second == pytest.approx(1000 / 80, rel=0.1)


def test_resting_cores_and_handoffs_make_a_single_search_longer() -> None:
    cold = msgspec.structs.replace(TIMES, cold=0.5)
    # The words begin on resting cores, the encoder beside them on a half: 65 of the lower half and 35 + 10 in turn.
    assert 80 < simulate_fleet(cold, 1, 0.2, 200).p50_ms < 120
    handed = msgspec.structs.replace(TIMES, handoff_ms=5.0)
    # Before, ranking, and after: the halves need no lock here.
    assert simulate_fleet(handed, 1, 0.2, 200).p50_ms == pytest.approx(95.0)


def test_the_command_predicts_from_a_file_and_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trials = [Trial(5, 10, 5, 90.0, 140.0, 0, False)]
    write_times(msgspec.structs.replace(TIMES, trials=trials), tmp_path / "times.json")
    monkeypatch.setattr("benchmarks.fleet.charts._STEPS", 3)
    monkeypatch.setattr("benchmarks.fleet.charts._MINUTES", 3)
    monkeypatch.setattr("benchmarks.fleet.charts._MACHINES", 1.0)
    monkeypatch.setattr("benchmarks.fleet.predict._CELL", 2)
    places = ["--times", str(tmp_path / "times.json"), "--charts", str(tmp_path / "c")]
    arguments = ["fleet", "predict", *places, "--loads", "5", "--p99", "1000"]
    monkeypatch.setattr("sys.argv", arguments)
    command.main()
    assert "| 5 |" in capsys.readouterr().out
    drawn = {path.name: path.read_text() for path in (tmp_path / "c").iterdir()}
    assert set(drawn) == {"fleet-machine.svg", "fleet-utilisation.svg", "fleet-autoscaler.svg"}
    assert all(text.startswith("<svg") for text in drawn.values())
    assert "p95, measured" in drawn["fleet-machine.svg"]
