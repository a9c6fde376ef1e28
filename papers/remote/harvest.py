"""Harvest of arXiv's metadata, page by page into one file; an interrupted harvest is resumed."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path

import msgspec

from papers.errors import RemoteError
from papers.remote.http import BadAnswer, Client, Notify, RetryPolicy
from papers.remote.oai import OaiPage, Refusal, page_url, parse_page
from papers.remote.partial import partial_file
from storage.durable import replace_file, sync

ARXIV = "https://oaipmh.arxiv.org/oai"
"""Address of arXiv's repository, from its help page for harvesters."""

_STATE, _PART = ".harvest.json", ".harvest.part"
_LARGEST_PAGE = 256 << 20
_RESTARTS = 2


class Harvest(msgspec.Struct, frozen=True):
    """Account of a finished harvest, stored beside its file, in `<name>.json`.

    Attributes:
        file: the file's name in the folder.
        url: the address of the repository.
        subset: the harvested set; None for all.
        since: the first day of the harvested changes; None for all.
        until: the day of the repository's first answer, from which the next harvest starts.
        records: the number of papers.
        deleted: the number of records of deleted papers.
        unusable: the number of records without id or metadata, which are not in the file.
        sha256: the digest of the file.
    """

    file: str
    url: str
    subset: str | None
    since: str | None
    until: str
    records: int
    deleted: int
    unusable: int
    sha256: str


class _State(msgspec.Struct):
    """Progress of an unfinished harvest."""

    url: str
    subset: str | None
    since: str | None
    until: str = ""
    token: str | None = None
    bytes: int = 0
    records: int = 0
    deleted: int = 0
    unusable: int = 0

    @property
    def finished(self) -> bool:
        """True after the last page, which has no resumption token."""
        return bool(self.until) and self.token is None

    @property
    def name(self) -> str:
        """Name of the finished file."""
        until = self.until or self.since or ""
        name = f"arxiv-oai-{self.since or 'all'}-to-{until or 'none'}.jsonl"
        return f"{self.subset.replace(':', '-')}-{name}" if self.subset else name

    def account(self, sha256: str) -> Harvest:
        """Return the account of the finished harvest whose file has this digest."""
        own = {"file": self.name, "until": self.until or self.since or "", "sha256": sha256}
        return msgspec.convert(msgspec.structs.asdict(self) | own, Harvest)


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

    After an interruption at any moment, the next call with the same arguments continues after the last complete page,
    or starts again if the repository no longer accepts that page's resumption token.

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
        return _HarvestRun(folder, file, _State(url, subset, since), client, notify, progress).run()


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
    wanted: _State
    client: Client
    notify: Notify
    progress: Callable[[int, int | None], None]

    def run(self) -> Harvest:
        state = self._resume()
        restarts = 0
        self.file.truncate(state.bytes)
        while not state.finished:
            try:
                page = self._page(state)
            except Refusal as refusal:
                if refusal.code == "noRecordsMatch" and not state.token:
                    break
                if refusal.code != "badResumptionToken" or restarts >= _RESTARTS:
                    raise RemoteError(f"{state.url}: {refusal}.") from refusal
                self.notify("the repository no longer accepts the resumption token: starting again from the beginning")
                restarts += 1
                state = self._new_state()
                self.file.truncate(0)
                continue
            self._keep(page, state)
            self.progress(state.records + state.deleted, page.total)
        return self._finish(state)

    def _page(self, state: _State) -> OaiPage:
        address = page_url(state.url, token=state.token, since=state.since, subset=state.subset)

        def attempt() -> OaiPage:
            content = bytearray()
            with self.client.get(address, {}) as response:
                for block in response.iter_raw():
                    content += block
                    if len(content) > _LARGEST_PAGE:
                        raise BadAnswer(f"the answer is longer than {_LARGEST_PAGE:,} bytes")
            return parse_page(bytes(content))

        return self.client.retry(state.url, attempt)

    def _keep(self, page: OaiPage, state: _State) -> None:
        content = b"".join(msgspec.json.encode(record) + b"\n" for record in page.records)
        self.file.write(content)
        self.file.flush()
        os.fsync(self.file.fileno())
        deleted = sum("deleted" in record for record in page.records)
        # The first page's day, so that the next harvest includes what changed during this one.
        state.until = state.until or page.date[:10]
        state.token = page.token
        state.bytes += len(content)
        state.records += len(page.records) - deleted
        state.deleted += deleted
        state.unusable += page.unusable
        replace_file(self.folder / _STATE, msgspec.json.encode(state))

    def _resume(self) -> _State:
        try:
            state = msgspec.json.decode((self.folder / _STATE).read_bytes(), type=_State)
            size = os.fstat(self.file.fileno()).st_size
        except (FileNotFoundError, msgspec.DecodeError):
            return self._new_state()
        same = (state.url, state.subset, state.since) == (self.wanted.url, self.wanted.subset, self.wanted.since)
        if not same or size < state.bytes:
            return self._new_state()
        self.notify(f"continuing after {state.records + state.deleted:,} records of an earlier harvest")
        return state

    def _new_state(self) -> _State:
        return msgspec.structs.replace(self.wanted)

    def _finish(self, state: _State) -> Harvest:
        self.file.seek(0)
        done = state.account(hashlib.file_digest(self.file, "sha256").hexdigest())
        # After an interruption between these steps, the next harvest into the folder completes them.
        (self.folder / _PART).rename(self.folder / done.file)
        _write_account(self.folder, done)
        return done


def _unrecorded_harvest(folder: Path) -> Harvest | None:
    """Return the account of a finished harvest whose file is renamed and whose state still exists, otherwise None.

    A process that is killed after renaming the file and before removing its state leaves this situation.
    """
    try:
        state = msgspec.json.decode((folder / _STATE).read_bytes(), type=_State)
        if not state.finished or (folder / state.name).stat().st_size != state.bytes:
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
