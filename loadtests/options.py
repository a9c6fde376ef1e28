"""Read and check the command line of a load test, before anything is started."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from loadtests.errors import BadOption

ROOT = Path(__file__).resolve().parent.parent
SCENARIOS = ("reference", "reader", "paster", "triton", "mixed")
REQUESTS = ("short", "long", "embed", "reference")
SEARCH_MODES = ("hybrid", "dense", "lexical")
SPACINGS = ("poisson", "equal")

_JUDGED = ("soak", "overload")  # their reports are in dist/

_PART = re.compile(r"(\d+(?:\.\d+)?)(h|m|s|)")
_UNIT_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "": 1.0}
_MOST_USERS = 10_000
_LONGEST = 6 * 3600.0


@dataclass(frozen=True)
class Options:
    """Options of a load test.

    Attributes:
        kind: `users` (simulated users who wait for answers), `rate` (requests at a constant rate), `soak` (mixed
            requests for a long time, with hot swaps) or `overload` (many times the rate that is sustained).
        duration: Seconds of the final measurement.
        users: The number of users in the last level.
        levels: The number of levels.
        scenario: The kind of users; one of `SCENARIOS`.
        requests: The kind of requests at a constant rate; one of `REQUESTS`.
        mode: The mode of searches at a constant rate; one of `SEARCH_MODES`.
        spacing: How arrivals at a constant rate are spaced; one of `SPACINGS`.
        limit_ms: The highest p95 at which a rate counts as fast, in ms.
        budget: The time limit for finding the highest rate, in seconds.
        rates: The rates to measure instead of looking for the highest fast one; empty to look for it.
        rate: The requests a second of a soak.
        every: The seconds between two hot swaps of a soak.
        times: The rate of an overload, as a multiple of the highest one that is sustained.
        service: The address of a running service; None for the local stack.
        metrics: The address of the service's counters; None if it has none.
        triton: The address of Triton's gRPC, host:port; None for the stack's.
        corpus: The corpus that the stack has to search, as for `akin index build`; None for any.
        queries: The file to draw queries from; None to draw them from the papers that are searched.
        seed: The seed of everything random.
        output: The folder of the reports.
        akin: The command that starts stacks.
    """

    kind: str
    duration: float
    users: int
    levels: int
    scenario: str
    requests: str
    mode: str
    spacing: str
    limit_ms: float
    budget: float
    rates: tuple[float, ...]
    rate: float
    every: float
    times: float
    service: str | None
    metrics: str | None
    triton: str | None
    corpus: str | None
    queries: Path | None
    seed: int
    output: Path
    akin: Path


def read_options(arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> Options:
    """Read a command line.

    Raises:
        BadOption: A value cannot be used; the message names the option.
        SystemExit: The option is `--help`.
    """
    given = _parser().parse_args(arguments)
    if given.queries is not None and not given.queries.is_file():
        raise BadOption(f"--queries: {given.queries} does not exist or is not a file.")
    if given.service is not None and not re.fullmatch(r"http://[^/\s]+/?", given.service):
        raise BadOption(f"--service is {given.service!r}: it must look like http://127.0.0.1:8080.")
    if given.metrics is not None and not re.fullmatch(r"http://[^/\s]+/?", given.metrics):
        raise BadOption(f"--metrics is {given.metrics!r}: it must look like http://127.0.0.1:8081.")
    if given.service is not None and given.corpus is not None:
        raise BadOption("--corpus needs a stack that is started here; a service under --service has its own papers.")
    data = Path(environ.get("AKIN_DATA") or ROOT / "data").expanduser().absolute()
    folder = ROOT / "dist" / given.kind if given.kind in _JUDGED else data / "loadtests"
    return Options(
        kind=given.kind,
        duration=given.duration,
        users=getattr(given, "users", 0),
        levels=getattr(given, "levels", 0),
        scenario=getattr(given, "scenario", ""),
        requests=getattr(given, "requests", ""),
        mode=getattr(given, "mode", ""),
        spacing=getattr(given, "spacing", ""),
        limit_ms=getattr(given, "p95", 0.0),
        budget=getattr(given, "budget", 0.0),
        rates=getattr(given, "rates", ()),
        rate=getattr(given, "rate", 0.0),
        every=getattr(given, "every", 0.0),
        times=getattr(given, "times", 0.0),
        service=given.service.rstrip("/") if given.service else None,
        metrics=given.metrics.rstrip("/") if given.metrics else _metrics(given.service, environ),
        triton=given.triton,
        corpus=given.corpus,
        queries=given.queries,
        seed=given.seed,
        output=(given.output or folder).absolute(),
        akin=given.akin.absolute(),
    )


def _metrics(service: str | None, environ: Mapping[str, str]) -> str | None:
    port = environ.get("AKIN_SERVICE_METRICS_PORT") or "8081"
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise BadOption(f"AKIN_SERVICE_METRICS_PORT is {port!r}: it must be a port from 0 to 65535.")
    host = urlsplit(service or "http://127.0.0.1").hostname or ""
    return f"http://{f'[{host}]' if ':' in host else host}:{int(port)}" if int(port) else None


def seconds(text: str) -> float:
    """Return the seconds of a duration such as `90`, `60s`, `2m` or `1m30s`.

    Raises:
        BadOption: The text is no duration between one second and six hours.
    """
    parts = _PART.findall(text)
    found = sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != text or not 1 <= found <= _LONGEST:
        raise BadOption(f"{text!r} is no duration from 1 s to 6 h; write it like 60s, 2m or 1m30s.")
    return found


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadOption(f"{message.removesuffix('.')}. `--help` lists the options.")


def _parser() -> _Parser:
    shared = _Parser(add_help=False)
    shared.add_argument("--corpus", help="the papers that a stack started here searches: a file, or `sample`")
    shared.add_argument("--queries", type=Path, metavar="FILE", help="a file of papers to draw queries from")
    shared.add_argument("--service", metavar="URL", help="measure this service, and start nothing")
    shared.add_argument(
        "--metrics",
        metavar="URL",
        help="the service's counters (default: its host, at AKIN_SERVICE_METRICS_PORT or 8081)",
    )
    shared.add_argument("--triton", metavar="HOST:PORT", help="Triton's gRPC address (default: the stack's)")
    shared.add_argument("--seed", type=int, default=0, help="the seed of everything random (default 0)")
    shared.add_argument(
        "--output", type=Path, help="folder of the reports (default: data/loadtests; dist/soak and dist/overload)"
    )
    shared.add_argument("--akin", type=Path, default=ROOT / ".venv" / "bin" / "akin", help=argparse.SUPPRESS)

    parser = _Parser(prog="python -m loadtests", description="Measure the service under load, and write a report.")
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="users|rate|soak|overload", parser_class=_Parser)

    users = kinds.add_parser("users", parents=[shared], help="more and more users who wait for their answers")
    users.add_argument(
        "--users",
        type=_whole_number(1, _MOST_USERS),
        default=20,
        help="users in the last level (20)",
    )
    users.add_argument("--duration", type=seconds, default=60.0, help="of the last level (60s)")
    users.add_argument("--levels", type=_whole_number(1, 50), default=5, help="number of levels (5)")
    users.add_argument("--scenario", choices=SCENARIOS, default="reference", help="kind of users (reference)")

    rate = kinds.add_parser(
        "rate", parents=[shared], help="requests at a constant rate; finds the highest rate that is fast"
    )
    rate.add_argument("--duration", type=seconds, default=30.0, help="at the highest rate (30s)")
    rate.add_argument("--budget", type=seconds, default=180.0, help="time limit for finding that rate (3m)")
    rate.add_argument("--p95", type=_milliseconds, default=100.0, help="limit in ms (100)")
    rate.add_argument(
        "--rates", type=_rates, default=(), help="measure these rates, with commas between them, and look for no other"
    )
    rate.add_argument("--requests", choices=REQUESTS, default="short", help="kind of requests (short)")
    rate.add_argument("--mode", choices=SEARCH_MODES, default="hybrid", help="mode of the searches (hybrid)")
    rate.add_argument(
        "--spacing",
        choices=SPACINGS,
        default="poisson",
        help="arrivals at random, as of many users, or equally spaced (poisson)",
    )

    soak = kinds.add_parser(
        "soak", parents=[shared], help="mixed requests with hot swaps on a stack of its own; nothing may grow or fail"
    )
    soak.add_argument("--duration", type=seconds, default=1800.0, help="of the whole (30m)")
    soak.add_argument("--rate", type=_rate, default=10.0, help="requests a second (10)")
    soak.add_argument("--every", type=seconds, default=180.0, help="pause between hot swaps (3m)")

    overload = kinds.add_parser(
        "overload", parents=[shared], help="many times the highest fast rate; goodput must stay, and recover at once"
    )
    overload.add_argument("--duration", type=seconds, default=300.0, help="of the overload (5m)")
    overload.add_argument("--times", type=_rate, default=10.0, help="multiple of the highest fast rate (10)")
    overload.add_argument("--budget", type=seconds, default=120.0, help="time limit for finding that rate (2m)")
    overload.add_argument("--p95", type=_milliseconds, default=100.0, help="limit of that rate in ms (100)")
    overload.add_argument("--requests", choices=REQUESTS, default="short", help="kind of requests (short)")
    overload.add_argument("--mode", choices=SEARCH_MODES, default="hybrid", help="mode of the searches (hybrid)")
    overload.set_defaults(spacing="poisson")
    return parser


def _number(kind: str, least: float, most: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            found = float(text)
        except ValueError:
            found = 0.0
        if not least <= found <= most:
            raise BadOption(f"{text!r} is no {kind} from {least:g} to {most:,}.")
        return found

    return read


_rate = _number("number", 0.1, 1_000)
_milliseconds = _number("number of milliseconds", 1, 60_000)


def _rates(text: str) -> tuple[float, ...]:
    return tuple(_rate(part) for part in text.split(","))


def _whole_number(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise BadOption(f"{text!r} is no whole number from {least} to {most:,}.")
        return int(text)

    return read
