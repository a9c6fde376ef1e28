"""Harvest of arXiv's metadata, page by page into one file; an interrupted harvest is resumed."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Container
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path

import msgspec

from akin.papers.errors import RemoteError
from akin.papers.readers.fields import parse_day
from akin.papers.remote.account import MOST_NAMED, Harvest, HarvestState, read_state
from akin.papers.remote.http import BadAnswer, Client, Notify, RetryPolicy, raise_permanent, status_of
from akin.papers.remote.oai import CODES, FORMATS, OaiPage, Refusal, Unreadable, offered_formats, page_url, parse_page
from akin.papers.remote.overlap import keep_newest
from akin.papers.remote.partial import partial_file
from akin.storage.durable import replace_file, sync

ARXIV = "https://oaipmh.arxiv.org/oai"
"""Address of arXiv's repository, from its help page for harvesters."""

_STATE, _PART, _UNIQUE = ".harvest.json", ".harvest.part", ".harvest.unique"
_LARGEST_PAGE = 256 << 20
_RESTARTS = 2
_REPEATS = 3
_MOST_EMPTY = 50
_MOST_SHOWN = 5
_STATUSES_OF_TOKENS = (400, 404, 405, 406, 409, 410, 412, 414, 422)
_ERRORS_WITH_REASON = (*_STATUSES_OF_TOKENS, 403)


def harvest(
    folder: Path,
    *,
    url: str = ARXIV,
    since: str | None = None,
    subset: str | None = None,
    policy: RetryPolicy | None = None,
    notify: Notify = lambda _: None,
    progress: Callable[[int, int | None], None] = lambda _, __: None,
) -> Harvest:
    """Write all records that changed since a day to one file, in the layout of arXiv's metadata snapshot.

    After an interruption at any moment, the next call with the same arguments continues after the last complete page.
    If the repository no longer accepts that page's resumption token, a new list is started, and no record is lost.
    A list that does not end is given up: the account says so, and its day is that of the harvest's start.

    Args:
        folder: the folder for the file.
        url: the address of the repository.
        since: a day, `YYYY-MM-DD`; None for all records.
        subset: a set of the repository, such as `cs` or `physics:hep-th`; None for all.
        policy: pauses and attempts; None for those that arXiv requires.
        notify: receives a line about each failure after which another attempt follows.
        progress: receives the records so far and, if it is known, the total.

    Raises:
        RemoteError: the repository cannot be reached, refuses, or sends unusable answers; another process is harvesting
            into the folder; or the file cannot be written. The pages fetched so far are kept.
    """
    with partial_file(folder / _PART) as file:
        if (done := _unrecorded_harvest(folder)) is not None:
            _write_account(folder, done)
            if (done.url, done.subset, done.since) == (url, subset, since):
                notify(f"{done.file} is complete: the earlier harvest was interrupted after its last page")
                (folder / _PART).unlink()
                return done
        client = Client(policy or RetryPolicy(), notify)
        return _HarvestRun(folder, file, HarvestState(url, subset, since), client, notify, progress).run()


def finished_harvests(folder: Path) -> list[Harvest]:
    """Return the finished harvests of a folder, the oldest first."""
    found = []
    for path in folder.glob("*.jsonl.json"):
        with contextlib.suppress(msgspec.DecodeError):
            found.append(msgspec.json.decode(path.read_bytes(), type=Harvest))
    if (unwritten := _unrecorded_harvest(folder)) is not None:
        found = [harvest for harvest in found if harvest.file != unwritten.file] + [unwritten]
    return sorted(found, key=lambda harvest: (harvest.until, harvest.file))


@dataclass
class _HarvestRun:
    """One call of `harvest`."""

    folder: Path
    file: BufferedRandom
    wanted: HarvestState
    client: Client
    notify: Notify
    progress: Callable[[int, int | None], None]

    def __post_init__(self) -> None:
        self.restarts = self.repeats = self.empty = self.pages = 0
        self.repeated = False
        self.restarted_at = ""
        self.last = self.mark = b""

    def run(self) -> Harvest:
        state = self._resume()
        self.file.truncate(state.bytes)
        while not state.ended:
            try:
                page = self._page(state)
            except Refusal as refusal:
                if refusal.code == "noRecordsMatch":
                    # Some repositories answer this in place of a last page without records.
                    state.until = state.until or day_of(refusal.date)
                    state.ended = True
                elif state.token:
                    self._restart(state, str(refusal))
                elif refusal.code == "cannotDisseminateFormat" and not state.bytes:
                    self._next_format(state)
                else:
                    raise RemoteError(f"{state.url}: {refusal}.") from refusal
            except RemoteError as error:
                self._stop_or_restart(state, error)
            else:
                self._keep(page, state)
                self.progress(state.records + state.deleted, page.total)
        return self._finish(state)

    def _page(self, state: HarvestState) -> OaiPage:
        """Return the next page, or what can be read of it if it is damaged each time."""
        since = state.start or state.since
        address = page_url(state.url, token=state.token, since=since, subset=state.subset, form=state.form)
        damage = ""

        def attempt() -> OaiPage:
            nonlocal damage
            try:
                return parse_page(self._content(address, _ERRORS_WITH_REASON))
            except Unreadable as error:
                if error.complete and damage == str(error):
                    return error.page
                damage = str(error)
                raise
            except Refusal as refusal:
                # A code that the protocol does not have may be of a trouble that passes.
                if not state.token and refusal.code not in CODES:
                    raise BadAnswer(str(refusal)) from refusal
                raise

        try:
            return self.client.retry(state.url, attempt)
        except RemoteError as error:
            if isinstance(error.__cause__, Unreadable) and error.__cause__.complete:
                return error.__cause__.page
            raise

    def _content(self, address: str, accept: Container[int] = ()) -> bytes:
        content = bytearray()
        with self.client.get(address, {}, accept=accept) as response:
            for block in response.iter_bytes():
                content += block
                if len(content) > _LARGEST_PAGE:
                    raise BadAnswer(f"the answer is longer than {_LARGEST_PAGE:,} bytes")
            # Some repositories send the protocol's errors with a status of their own.
            if not response.is_success and b"<error" not in content:
                raise_permanent(address, response)
        return bytes(content)

    def _next_format(self, state: HarvestState) -> None:
        """Go on to the next format that is understood.

        Raises:
            RemoteError: there is none; the message names the formats that the repository offers.
        """
        following = FORMATS[FORMATS.index(state.form) + 1 :]
        if following:
            self.notify(f"the repository does not offer {state.form}: trying {following[0]}")
            state.form = following[0]
            return
        offered: list[str] = []
        with contextlib.suppress(RemoteError, BadAnswer):
            address = f"{state.url}?verb=ListMetadataFormats"
            offered = self.client.retry(state.url, lambda: offered_formats(self._content(address)))
        others = f" It offers {', '.join(offered[:20])}." if offered else ""
        raise RemoteError(f"{state.url}: offers neither {' nor '.join(FORMATS)}; other formats are not read.{others}")

    def _restart(self, state: HarvestState, reason: str) -> None:
        """Start a new list; the records of the previous ones are kept.

        Raises:
            RemoteError: new lists broke off too, and brought no newer records.
        """
        if state.newest > self.restarted_at:
            self.restarts, self.restarted_at = 0, state.newest
        if self.restarts >= _RESTARTS:
            raise RemoteError(
                f"{state.url}: {reason}. The repository does not accept its own resumption tokens; "
                f"{_kept(state)}; run the same command again later."
            )
        self.restarts += 1
        state.token, state.start, state.overlaps = None, state.restart_day, True
        self.last = self.mark = b""
        where = f"from {state.start}" if state.start != state.since else "from the beginning"
        self.notify(f"{reason}; the resumption token is no longer accepted: starting again {where}")

    def _stop_or_restart(self, state: HarvestState, error: RemoteError) -> None:
        """Start a new list if the error is the resumption token's.

        Raises:
            RemoteError: the error, if it is not, or if only the next call can tell.
        """
        status = status_of(error)
        if not state.token:
            raise error
        if status in _STATUSES_OF_TOKENS:
            self._restart(state, f"the server answered {status}")
            return
        # The server may be down, or it may fail for this token each time.
        may_be_the_token = status in (500, 502, 504) or type(error.__cause__) is BadAnswer
        if may_be_the_token and state.refused == state.token:
            state.refused = None
            self._restart(state, "the server failed for this resumption token in the previous call too")
            return
        if may_be_the_token:
            state.refused = state.token
            self._save(state)
        raise RemoteError(f"{error} {_kept(state)}; the same command continues after them.") from error

    def _keep(self, page: OaiPage, state: HarvestState) -> None:
        lines = [msgspec.json.encode(record) for record in page.records]
        # A reader rejects the line of a lost record and names its id, so that no update takes the paper for withdrawn.
        lines += [msgspec.json.encode({"id": each} if each else {}) for each, _ in page.lost]
        content = b"".join(line + b"\n" for line in lines)
        state.incomplete = self._trouble(page, state, content)
        if self.repeated:
            content, page = b"", OaiPage(page.date, token=page.token, total=page.total)
        self._report(page)
        self.file.write(content)
        self.file.flush()
        os.fsync(self.file.fileno())
        deleted = sum("deleted" in record for record in page.records)
        # The first page's day, so that the next harvest includes what changed during this one.
        state.until = state.until or day_of(page.date)
        state.note_days([day for record in page.records if (day := day_of(record["update_date"]))])
        state.token = None if state.incomplete else page.token
        state.ended = state.token is None
        state.bytes += len(content)
        state.records += len(page.records) - deleted
        state.deleted += deleted
        state.unusable += page.unusable
        state.repaired += len(page.repaired)
        state.lost += len(page.lost)
        state.lost_ids = (*state.lost_ids, *(each for each, _ in page.lost if each))[:MOST_NAMED]
        if state.start in (None, state.since):
            state.announced = page.total or state.announced
        self._save(state)

    def _trouble(self, page: OaiPage, state: HarvestState, content: bytes) -> str:
        """Return the reason why the list will not end, or an empty text; note whether the page is a repeated one."""
        self.pages += 1
        digest = hashlib.sha256(content).digest()
        self.repeated = bool(content) and digest in (self.last, self.mark)
        self.repeats += self.repeated
        self.empty = 0 if content else self.empty + 1
        self.last = digest
        # Brent's method: a cycle of any length meets a mark that is renewed after 1, 2, 4, 8, … pages.
        if self.pages & (self.pages - 1) == 0:
            self.mark = digest
        if self.repeated and page.token and (page.token == state.token or self.repeats >= _REPEATS):
            return "the repository sends the same page again and again"
        if page.token and self.empty >= _MOST_EMPTY:
            return f"the repository sent {self.empty} pages without records, one after another"
        return ""

    def _report(self, page: OaiPage) -> None:
        """Say what was repaired or lost."""
        if page.repairs:
            self.notify(f"{page.repairs:,} broken characters repaired in {_names(page.repaired)}")
        if page.lost:
            self.notify(f"{_names([each for each, _ in page.lost])} cannot be read and is missing")
        for form, count in page.unknown.items():
            self.notify(f"{count:,} records are in the format {form}; only {' and '.join(FORMATS)} are read")

    def _resume(self) -> HarvestState:
        try:
            state = read_state((self.folder / _STATE).read_bytes())
            size = os.fstat(self.file.fileno()).st_size
        except (FileNotFoundError, msgspec.DecodeError):
            return self._new_state()
        same = (state.url, state.subset, state.since) == (self.wanted.url, self.wanted.subset, self.wanted.since)
        if not same or size < state.bytes:
            return self._new_state()
        self.notify(f"continuing after {state.records + state.deleted:,} records of an earlier harvest")
        return state

    def _new_state(self) -> HarvestState:
        return msgspec.structs.replace(self.wanted)

    def _save(self, state: HarvestState) -> None:
        replace_file(self.folder / _STATE, msgspec.json.encode(state))

    def _finish(self, state: HarvestState) -> Harvest:
        if not state.overlaps:
            self.file.seek(0)
            done = state.account(hashlib.file_digest(self.file, "sha256").hexdigest())
            # After an interruption between these steps, the next harvest into the folder completes them.
            (self.folder / _PART).rename(self.folder / done.file)
            _write_account(self.folder, done)
            return done
        # The part is kept until the account is written: an interrupted call does this work again.
        part, unique = self.folder / _PART, self.folder / _UNIQUE
        found = keep_newest(part, unique)
        for name, value in found._asdict().items():
            setattr(state, name, value)
        with unique.open("rb") as file:
            done = state.account(hashlib.file_digest(file, "sha256").hexdigest())
        if done.missing and not done.incomplete and state.start != state.since:
            state.incomplete = f"the list was started again on {state.start}, and not all records came"
            done = state.account(done.sha256)
        sync(unique)
        unique.rename(self.folder / done.file)
        _write_account(self.folder, done)
        part.unlink()
        return done


def day_of(text: str) -> str:
    """Return the day of a time in any usual form, as 2026-01-31; an empty text if it is no time."""
    day = parse_day(text.strip())
    return day.isoformat() if day and len(text.strip()) >= len("2026-01-31") else ""


def _kept(state: HarvestState) -> str:
    return f"{state.records + state.deleted:,} records are kept"


def _names(ids: list[str | None]) -> str:
    """Return records by their ids, a few of them."""
    known = [each for each in ids if each][:_MOST_SHOWN]
    others = len(ids) - len(known)
    more = f"{others:,} {'more ' if known else ''}record{'s' if others > 1 else ''}" if others else ""
    return " and ".join(part for part in (", ".join(known), more) if part)


def _unrecorded_harvest(folder: Path) -> Harvest | None:
    """Return the account of a finished harvest whose file is renamed and whose state still exists, otherwise None.

    A process that is killed after renaming the file and before removing its state leaves this situation.
    """
    try:
        state = read_state((folder / _STATE).read_bytes())
        if not state.ended or (folder / state.name).stat().st_size != state.bytes:
            return None
        if (folder / _PART).exists() and (folder / _PART).stat().st_size >= state.bytes > 0:
            return None
        with (folder / state.name).open("rb") as file:
            return state.account(hashlib.file_digest(file, "sha256").hexdigest())
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _write_account(folder: Path, done: Harvest) -> None:
    replace_file(folder / f"{done.file}.json", msgspec.json.encode(done))
    sync(folder)
    (folder / _STATE).unlink(missing_ok=True)
