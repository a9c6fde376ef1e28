"""Compare the simulated queues with the closed forms of queueing theory, with fixed seeds."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable

import pytest
import simpy

from benchmarks.fleet.queues import Batches, SharedCores, Steps, Thread

CUSTOMERS = 12_000
Serve = Callable[[float], Steps]


def sojourns(
    serve_in: Callable[[simpy.Environment], Serve], rate: float, service: Callable[[random.Random], float]
) -> list[float]:
    """Return the time from arrival to departure of each customer, the first ones left out."""
    env, dice, found = simpy.Environment(), random.Random(7), list[float]()
    serve = serve_in(env)

    def one(seconds: float) -> Steps:
        began = env.now
        yield from serve(seconds)
        found.append(env.now - began)

    def arrive() -> Steps:
        for _ in range(CUSTOMERS):
            yield env.timeout(dice.expovariate(rate))
            env.process(one(service(dice)))

    env.process(arrive())
    env.run()
    assert len(found) == CUSTOMERS
    return found[CUSTOMERS // 10 :]


def in_turn(servers: int) -> Callable[[simpy.Environment], Serve]:
    """Serve in the order of arrival, each of so many servers with a core of its own."""
    return lambda env: Thread(env, SharedCores(env, servers), servers).work


def shared(cores: int) -> Callable[[simpy.Environment], Serve]:
    """Serve all at once, on so many cores that they share."""

    def serve_in(env: simpy.Environment) -> Serve:
        all_cores = SharedCores(env, cores)

        def serve(seconds: float) -> Steps:
            yield all_cores.work(seconds)

        return serve

    return serve_in


def waits(servers: int, load: float) -> float:
    """Return the probability that a customer of M/M/c waits, by Erlang's C formula; `load` is λ/μ."""
    last = load**servers / math.factorial(servers) * servers / (servers - load)
    return last / (sum(load**k / math.factorial(k) for k in range(servers)) + last)


@pytest.mark.parametrize("load", [0.3, 0.7])
def test_one_server_in_turn(load: float) -> None:
    found = sojourns(in_turn(1), load, lambda dice: dice.expovariate(1))
    assert statistics.mean(found) == pytest.approx(1 / (1 - load), rel=0.08)
    # The time in M/M/1 is exponential.
    assert statistics.quantiles(found, n=20)[-1] == pytest.approx(math.log(20) / (1 - load), rel=0.1)


@pytest.mark.parametrize("serve", [in_turn, shared])
@pytest.mark.parametrize(("servers", "load"), [(2, 1.4), (4, 3.0)])
def test_several_servers(
    serve: Callable[[int], Callable[[simpy.Environment], Serve]], servers: int, load: float
) -> None:
    found = sojourns(serve(servers), load, lambda dice: dice.expovariate(1))
    # Sharing and waiting in turn have the same numbers in the system, hence the same mean.
    assert statistics.mean(found) == pytest.approx(1 + waits(servers, load) / (servers - load), rel=0.08)


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_equal_work_in_turn_waits_half_as_long(load: float) -> None:
    found = sojourns(in_turn(1), load, lambda _: 1.0)
    assert statistics.mean(found) == pytest.approx(1 + load / (2 * (1 - load)), rel=0.08)


@pytest.mark.parametrize("service", [lambda _: 1.0, lambda dice: dice.choice((0.25, 0.25, 0.25, 3.25))])
def test_on_shared_cores_only_the_mean_of_the_work_counts(service: Callable[[random.Random], float]) -> None:
    assert statistics.mean(sojourns(shared(1), 0.7, service)) == pytest.approx(1 / 0.3, rel=0.08)


def test_threads_beyond_the_cores_run_slower_and_others_do_not() -> None:
    env = simpy.Environment()
    cores = SharedCores(env, 2)
    done: list[tuple[str, float]] = []

    def work(name: str, at: float, seconds: float) -> Steps:
        yield env.timeout(at)
        yield cores.work(seconds)
        done.append((name, env.now))

    for name, at, seconds in (("a", 0, 4.0), ("b", 0, 4.0), ("c", 2, 1.0), ("d", 20, 1.5), ("e", 30, 0.0)):
        env.process(work(name, at, seconds))
    env.run()
    # From 2 on, three share two cores: c has done its second after one and a half; a and b have half a second less.
    assert done == [
        ("c", pytest.approx(3.5)), ("a", pytest.approx(4.5)), ("b", pytest.approx(4.5)), ("d", pytest.approx(21.5)),
        ("e", pytest.approx(30)),
    ]  # fmt: skip
    assert cores.used() == pytest.approx(10.5)


def test_texts_that_arrive_during_a_batch_are_the_next_one() -> None:
    env = simpy.Environment()
    encoder = Batches(env, SharedCores(env, 1), lambda texts: 1.0 + 0.1 * texts, most=3)
    done: list[float] = []

    def text(at: float) -> Steps:
        yield env.timeout(at)
        yield encoder.encode()
        done.append(round(env.now, 6))

    for at in (0, 0.1, 0.2, 0.3, 0.4, 9):
        env.process(text(at))
    env.run()
    # One alone, then three of the four that wait, then the fourth.
    assert done == [1.1, 2.4, 2.4, 2.4, 3.5, 10.1]
    assert (encoder.batches, encoder.texts) == (4, 6)


def test_work_that_begins_on_resting_cores_takes_longer() -> None:
    env = simpy.Environment()
    cores = SharedCores(env, 2, cold=0.5)
    done: list[float] = []

    def work(at: float) -> Steps:
        yield env.timeout(at)
        yield cores.work(4.0)
        done.append(env.now)

    for at in (0, 1, 20):
        env.process(work(at))
    env.run()
    # A half more on two resting cores, a quarter more beside one other.
    assert done == [pytest.approx(6.0), pytest.approx(6.0), pytest.approx(26.0)]


def test_a_thread_that_wakes_keeps_others_waiting_and_no_core_working() -> None:
    env = simpy.Environment()
    cores = SharedCores(env, 2)
    thread = Thread(env, cores, handoff=0.5)
    done: list[float] = []

    def work() -> Steps:
        yield from thread.work(1.0)
        done.append(env.now)

    for _ in range(2):
        env.process(work())
    env.run()
    assert done == [1.5, 3.0]
    assert cores.used() == 2.0


def test_longer_texts_take_longer_in_a_batch() -> None:
    env = simpy.Environment()
    encoder = Batches(env, SharedCores(env, 1), lambda length: 1.0 + length, most=8)
    done: list[float] = []

    def text(at: float, length: float) -> Steps:
        yield env.timeout(at)
        yield encoder.encode(length)
        done.append(env.now)

    for at, length in ((0, 1.0), (0.5, 0.5), (0.6, 2.5)):
        env.process(text(at, length))
    env.run()
    assert done == [2.0, 6.0, 6.0]
