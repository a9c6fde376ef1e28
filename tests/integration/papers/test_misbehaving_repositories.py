"""Harvests of repositories that break the protocol: each ends whole, or says what is missing and goes on next time."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from akin.papers import RemoteError, read_papers
from akin.papers.remote import Harvest, finished_harvests, harvest
from tests.integration.papers.conftest import POLICY, Answer, Server, send

DATE = "<responseDate>2024-02-01T10:00:00Z</responseDate>"
HEAD = f'<?xml version="1.0" encoding="UTF-8"?><OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">{DATE}'


def record(number: int, day: str = "2024-01-20", title: str = "A title") -> str:
    return (
        f"<record><header><identifier>oai:arXiv.org:2401.{number:05d}</identifier><datestamp>{day}</datestamp></header>"
        f'<metadata><arXivRaw xmlns="http://arxiv.org/OAI/arXivRaw/"><id>2401.{number:05d}</id><title>{title}</title>'
        f"<abstract>About {number}.</abstract></arXivRaw></metadata></record>"
    )


def page(*records: str, token: str = "", size: int | None = None) -> bytes:
    stated = f' completeListSize="{size}"' if size else ""
    end = f"<resumptionToken{stated}>{token}</resumptionToken></ListRecords></OAI-PMH>"
    return f"{HEAD}<ListRecords>{''.join(records)}{end}".encode()


def error(code: str, words: str = "No.") -> bytes:
    return f'{HEAD}<error code="{code}">{words}</error></OAI-PMH>'.encode()


def asked(request: BaseHTTPRequestHandler, name: str = "resumptionToken") -> str | None:
    return parse_qs(urlsplit(request.path).query).get(name, [None])[0]


def pages(by_token: dict[str | None, bytes | Answer], otherwise: bytes | Answer | None = None) -> Answer:
    """Answer each token with its page, and an unknown one with the usual error or another answer."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        found = by_token.get(asked(request), otherwise or error("badResumptionToken"))
        found(request) if callable(found) else send(request, 200, found)

    return answer


def status(code: int, body: bytes = b"") -> Answer:
    return lambda request: send(request, code, body)


class Run:
    """Harvests of one server into one folder, with the lines that they say."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.folder, self.said = server, folder, list[str]()

    def __call__(self, **options: Any) -> Harvest:
        return harvest(self.folder, url=f"{self.server.url}/oai", policy=POLICY, notify=self.said.append, **options)

    def ids(self, done: Harvest) -> list[str]:
        lines = (self.folder / done.file).read_bytes().splitlines()
        return [json.loads(line)["id"][5:] for line in lines if not json.loads(line).get("deleted")]

    def heard(self, words: str) -> bool:
        return any(words in line for line in self.said)


@pytest.fixture
def run(server: Server, tmp_path: Path) -> Run:
    return Run(server, tmp_path)


@pytest.mark.parametrize("bad", ["&#3; and \x0b", "&#xFFFF;", "A & B", "&nbsp;", "a < b"])
def test_a_broken_character_costs_no_record_and_no_other_request(server: Server, run: Run, bad: str) -> None:
    middle = page(record(3, title=f"Bad {bad} one"), record(4), token="t2")
    server.usual = pages({None: page(record(1), record(2), token="t1"), "t1": middle, "t2": page(record(5))})
    done = run()
    assert run.ids(done) == ["00001", "00002", "00003", "00004", "00005"]
    assert (done.repaired, done.lost, done.incomplete, len(server.asked)) == (1, 0, "", 3)
    assert run.heard("repaired in 2401.00003")


def test_a_record_that_cannot_be_read_is_named_and_the_harvest_goes_on(
    server: Server, run: Run, tmp_path: Path
) -> None:
    middle = page(record(3, title="<i>open"), record(4), token="t2")
    server.usual = pages({None: page(record(1), token="t1"), "t1": middle, "t2": page(record(5))})
    done = run()
    assert (done.records, done.lost, done.lost_ids, done.until) == (3, 1, ("2401.00003",), "2024-02-01")
    assert run.heard("2401.00003 cannot be read")
    # The damaged page was requested twice: damage on the way would be gone.
    assert len(server.asked) == 4
    reader = read_papers(tmp_path / done.file)
    assert [paper.id[5:] for paper in reader] == ["00001", "00004", "00005"]
    # An update with --complete keeps a paper whose record was rejected.
    assert reader.report.rejected_ids == {"2401.00003"}


def test_a_page_that_is_cut_each_time_stops_and_is_requested_again(server: Server, run: Run) -> None:
    whole = page(record(2), record(3))
    server.usual = pages({None: page(record(1), token="t1"), "t1": whole[:-300]})
    with pytest.raises(RemoteError, match=r"not well-formed.*1 records are kept; the same command continues"):
        run()
    server.usual = pages({None: page(record(9), token="t1"), "t1": whole})
    assert run.ids(run()) == ["00001", "00002", "00003"]


@pytest.mark.parametrize(
    "web_page",
    [b"<!DOCTYPE html><title>Maintenance</title><p>Back &mdash; soon", b"<html><title>Maintenance</title>"],
)
def test_a_web_page_is_said_and_the_harvest_goes_on_next_time(server: Server, run: Run, web_page: bytes) -> None:
    whole = pages({None: page(record(1), token="t1"), "t1": page(record(2))})
    server.usual = whole
    server.script = [None, *[status(200, web_page)] * 3]
    with pytest.raises(RemoteError, match="web page, “Maintenance”; stopped after 3 attempts"):
        run()
    assert run.ids(run()) == ["00001", "00002"]
    assert run.heard("continuing after 1 records")


@pytest.mark.parametrize("length", [1, 2, 3, 7])
def test_tokens_that_go_in_a_circle_end_the_harvest(server: Server, run: Run, length: int) -> None:
    ring = {f"t{n}": page(record(n + 1), token=f"t{(n + 1) % length}") for n in range(length)}
    server.usual = pages({None: page(record(99), token="t0", size=50), **ring})
    done = run()
    assert sorted(set(run.ids(done))) == sorted(["00099", *(f"{n + 1:05d}" for n in range(length))])
    assert "again and again" in done.incomplete
    assert len(server.asked) < 4 * length + 4
    assert (done.announced, done.until) == (50, "")


def test_one_page_under_ever_new_tokens_ends_the_harvest(server: Server, run: Run) -> None:
    tokens = iter(range(1000))
    server.usual = lambda request: send(request, 200, page(record(1), record(2), token=f"t{next(tokens)}", size=6))
    done = run(since="2024-01-01")
    assert (run.ids(done), done.missing, done.until) == (["00001", "00002"], 4, "2024-01-01")
    assert "again and again" in done.incomplete
    server.usual = lambda request: send(request, 200, page(token=f"t{next(tokens)}"))
    assert "without records" in run(since="2024-01-01").incomplete


def test_one_token_for_all_pages_is_no_circle(server: Server, run: Run) -> None:
    answers = iter([page(record(n), token="cursor") for n in range(1, 5)] + [page(record(5))])
    server.usual = lambda request: send(request, 200, next(answers))
    done = run()
    assert (run.ids(done), done.incomplete) == ([f"{n:05d}" for n in range(1, 6)], "")


def test_an_incomplete_harvest_leaves_a_complete_one_of_the_same_day(server: Server, run: Run) -> None:
    server.usual = pages({None: page(record(1), record(2))})
    whole = run()
    server.usual = pages({None: page(record(1), token="t"), "t": page(record(1), token="t")})
    part = run()
    assert part.file != whole.file
    assert {each.file for each in finished_harvests(run.folder)} == {whole.file, part.file}
    assert run.ids(whole) == ["00001", "00002"]


@pytest.mark.parametrize(
    "dead",
    [
        error("badResumptionToken"),
        error("databaseError", "Database error (may have expired)"),
        error("badArgument", "metadataPrefix is required"),
        error("somethingElse"),
        status(404),
        status(410, b"<html>Gone</html>"),
        status(422, error("badResumptionToken")),
        status(400, error("badArgument")),
    ],
    ids=["protocol", "database", "argument", "unknown", "404", "410", "422 with a reason", "400 with a reason"],
)
def test_a_token_that_is_refused_starts_a_new_list(server: Server, run: Run, dead: bytes | Answer) -> None:
    whole = page(record(1), record(2, title="A newer title"), record(3), size=3)
    server.usual = pages({None: whole}, dead)
    server.script = [status(200, page(record(1), record(2), token="dead", size=3))]
    done = run()
    assert sorted(run.ids(done)) == ["00001", "00002", "00003"]
    assert (done.records, done.missing, done.until, done.incomplete) == (3, 0, "2024-02-01", "")
    assert b"A newer title" in (run.folder / done.file).read_bytes()
    assert run.heard("starting again from the beginning")
    assert sorted(path.name for path in run.folder.iterdir()) == [done.file, f"{done.file}.json"]


def by_day(records: dict[int, str], dead_after: str) -> Callable[[BaseHTTPRequestHandler], None]:
    """Return a repository of ordered lists, of which the tokens of old lists expire."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        since = asked(request, "from") or ""
        if asked(request) == dead_after:
            send(request, 200, error("badResumptionToken"))
        else:
            later = [record(n, day) for n, day in records.items() if day >= since]
            send(request, 200, page(*later[:3], token="old", size=len(records)) if not since else page(*later))

    return answer


def test_an_ordered_list_is_started_again_from_its_last_day(server: Server, run: Run) -> None:
    server.usual = by_day({n: f"2024-01-{n:02d}" for n in range(10, 20)}, "old")
    done = run()
    assert run.ids(done) == [f"{n:05d}" for n in range(10, 20)]
    assert "from=2024-01-12" in server.asked[-1]
    assert (done.announced, done.missing, done.until) == (10, 0, "2024-02-01")


def test_a_list_that_was_not_ordered_after_all_is_incomplete(server: Server, run: Run) -> None:
    days = {1: "2024-01-10", 2: "2024-01-11", 3: "2024-01-12", 4: "2024-01-02", 5: "2024-01-15"}
    server.usual = by_day(days, "old")
    done = run()
    assert (done.missing, done.until) == (1, "")
    assert "started again on 2024-01-12" in done.incomplete


def test_tokens_that_never_work_stop_in_words_and_the_next_call_goes_on(server: Server, run: Run) -> None:
    first = page(record(1), record(2), token="dead")
    server.usual = pages({None: first})
    with pytest.raises(RemoteError, match=r"own resumption tokens; .* records are kept"):
        run()
    assert len(server.asked) == 6
    server.usual = pages({None: page(record(1), record(2), record(3))})
    assert sorted(run.ids(run())) == ["00001", "00002", "00003"]


def test_a_server_that_fails_for_one_token_starts_a_new_list_the_next_time(server: Server, run: Run) -> None:
    server.usual = pages({None: page(record(1), token="dead"), "dead": status(500)})
    with pytest.raises(RemoteError, match="500"):
        run()
    server.usual = pages({None: page(record(1), record(2)), "dead": status(500)})
    assert run.ids(run()) == ["00001", "00002"]


def test_a_failing_list_after_a_dead_token_loses_nothing(server: Server, run: Run) -> None:
    server.script = [status(200, page(record(1), token="dead")), status(200, error("badResumptionToken"))]
    server.usual = status(503)
    with pytest.raises(RemoteError, match="503"):
        run()
    server.usual = pages({None: page(record(2))})
    assert sorted(run.ids(run())) == ["00001", "00002"]


def test_no_records_is_a_success_at_the_start_and_behind_pages(server: Server, run: Run) -> None:
    server.usual = status(200, error("noRecordsMatch", "nothing new"))
    done = run(since="2024-01-20")
    assert (done.records, done.until, done.file) == (0, "2024-02-01", "arxiv-oai-2024-01-20-to-2024-02-01.jsonl")
    server.usual = status(422, error("noRecordsMatch"))
    assert run(since="2024-03-01").until == "2024-03-01"
    server.usual = pages({None: page(record(1), token="t1"), "t1": error("noRecordsMatch")})
    assert run.ids(run()) == ["00001"]
    server.usual = status(200, page())
    assert (run().records, run().incomplete) == (0, "")


def test_records_that_were_announced_and_did_not_come_are_counted(server: Server, run: Run) -> None:
    server.usual = pages({None: page(record(1), token="t1", size=9), "t1": page(record(2), size=9)})
    done = run()
    assert (done.records, done.announced, done.missing, done.incomplete) == (2, 9, 7, "")
    stored = msgspec.json.decode((run.folder / f"{done.file}.json").read_bytes(), type=Harvest)
    assert stored == done


@pytest.mark.parametrize(
    ("date", "until"),
    [
        ("", "2024-01-21"),
        ("<responseDate>Thu, 01 Feb 2024 10:00:00 GMT</responseDate>", "2024-02-01"),
        ("<responseDate>2024-02-01</responseDate>", "2024-02-01"),
        ("<responseDate>yesterday</responseDate>", "2024-01-21"),
    ],
)
def test_the_day_is_that_of_the_answer_or_of_the_newest_record(server: Server, run: Run, date: str, until: str) -> None:
    content = page(record(1, "2024-01-21T08:00:00Z"), record(2)).replace(DATE.encode(), date.encode())
    server.usual = status(200, content)
    assert run().until == until


def test_compressed_answers_are_read(server: Server, run: Run) -> None:
    content = gzip.compress(page(record(1)))
    server.usual = lambda request: send(request, 200, content, Content_Encoding="gzip")
    server.script = [lambda request: send(request, 200, b"no gzip", Content_Encoding="gzip")]
    assert run.ids(run()) == ["00001"]
    assert run.heard("compression is broken")


def test_another_format_is_taken_or_named(server: Server, run: Run) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        formats = b"<x><metadataPrefix>oai_dc</metadataPrefix><metadataPrefix>marc21</metadataPrefix></x>"
        offers = {"arXiv": page(record(1)), None: formats if "Formats" in request.path else page(record(2))}
        send(request, 200, offers.get(asked(request, "metadataPrefix"), error("cannotDisseminateFormat")))

    server.usual = answer
    assert run.ids(run()) == ["00001"]
    server.usual = lambda request: (
        answer(request) if "Formats" in request.path else send(request, 200, error("cannotDisseminateFormat"))
    )
    with pytest.raises(RemoteError, match=r"neither arXivRaw nor arXiv.*It offers oai_dc, marc21"):
        run()


def test_an_error_of_its_own_for_a_list_is_tried_again(server: Server, run: Run) -> None:
    server.usual = pages({None: page(record(1))})
    server.script = [status(200, error("databaseError", "busy"))]
    assert run.ids(run()) == ["00001"]
    assert run.heard("busy (databaseError)")


def test_accounts_and_progress_of_the_earlier_release_are_read(server: Server, run: Run) -> None:
    old = {"url": f"{server.url}/oai", "subset": None, "since": None, "until": "2024-01-15", "token": "t1"}
    line = b'{"id": "2401.00001"}\n'
    (run.folder / ".harvest.part").write_bytes(line)
    progress = {**old, "bytes": len(line), "records": 1, "deleted": 0, "unusable": 0}
    (run.folder / ".harvest.json").write_text(json.dumps(progress))
    server.usual = pages({"t1": page(record(2))})
    done = run()
    assert (run.ids(done), done.records, done.until) == (["00001", "00002"], 2, "2024-01-15")
    account = {"file": "a.jsonl", **{name: old[name] for name in ("url", "subset", "since", "until")}}
    account |= {"records": 1, "deleted": 0, "unusable": 0, "sha256": "0"}
    (run.folder / "a.jsonl.json").write_text(json.dumps(account))
    assert [each.file for each in finished_harvests(run.folder)] == ["a.jsonl", done.file]
