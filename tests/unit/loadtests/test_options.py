from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.errors import BadOption
from loadtests.options import ROOT, read_options, seconds


@pytest.mark.parametrize(
    ("text", "expected"), [("60s", 60), ("90", 90), ("2m", 120), ("1m30s", 90), ("1.5m", 90), ("6h", 21_600)]
)
def test_durations_have_units(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "s", "0s", "0.5s", "-5s", "1 m", "60sec", "7h", "1e3", "nan", "60s!"])
def test_other_texts_are_no_durations(text: str) -> None:
    with pytest.raises(BadOption, match="no duration"):
        seconds(text)


@pytest.mark.parametrize("value", ["0", "-3", "many", "1.5", "10001", "²", ""])
def test_a_wrong_number_of_users_is_refused_with_the_option(value: str) -> None:
    with pytest.raises(BadOption, match="--users"):
        read_options(["users", f"--users={value}"])


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["users", "--duration", "soon"], "--duration"),
        (["users", "--scenario", "robots"], "robots"),
        (["users", "--service", "localhost:8080"], "--service"),
        (["users", "--service", "http://127.0.0.1:1", "--corpus", "sample"], "--corpus"),
        (["users", "--queries", "/no/such/file"], "/no/such/file"),
        (["rate", "--p95", "0"], "--p95"),
        (["rate", "--mode", "fuzzy"], "fuzzy"),
        (["rate", "--spacing", "wide"], "wide"),
        (["rate", "--users", "3"], "--users"),
        (["rate", "--rates", "20,,40"], "--rates"),
        (["rate", "--rates", "20,fast"], "--rates"),
        ([], "users|rate"),
    ],
)
def test_wrong_options_are_refused_with_their_name(arguments: list[str], named: str) -> None:
    with pytest.raises(BadOption) as caught:
        read_options(arguments)
    assert named in str(caught.value)


def test_defaults_and_the_folder_of_reports() -> None:
    options = read_options(["users"], {})
    assert (options.users, options.duration, options.scenario) == (20, 60, "reference")
    assert options.output == ROOT / "data" / "loadtests"
    assert read_options(["rate"]).rates == ()
    assert read_options(["rate", "--rates", "20,40.5"]).rates == (20.0, 40.5)
    assert read_options(["rate"], {"AKIN_DATA": "/srv/akin"}).output == Path("/srv/akin/loadtests")
    assert read_options(["rate", "--output", "/tmp/x"], {"AKIN_DATA": "/srv/akin"}).output == Path("/tmp/x")


@pytest.mark.parametrize(
    ("arguments", "port", "place"),
    [
        ([], "", "http://127.0.0.1:8081"),
        ([], "9", "http://127.0.0.1:9"),
        ([], "0", None),
        (["--service", "http://papers.example:8080"], "", "http://papers.example:8081"),
        (["--service", "http://[::1]:8080/"], "", "http://[::1]:8081"),
        (["--metrics", "http://10.0.0.1:1/"], "0", "http://10.0.0.1:1"),
    ],
)
def test_the_counters_are_read_at_the_metrics_port(arguments: list[str], port: str, place: str | None) -> None:
    assert read_options(["users", *arguments], {"AKIN_SERVICE_METRICS_PORT": port}).metrics == place


def test_a_wrong_metrics_port_is_refused_with_its_name() -> None:
    with pytest.raises(BadOption, match="AKIN_SERVICE_METRICS_PORT"):
        read_options(["users"], {"AKIN_SERVICE_METRICS_PORT": "many"})
    with pytest.raises(BadOption, match="--metrics"):
        read_options(["users", "--metrics", "localhost:8081"], {})
