"""Account of a finished harvest, and the progress of an unfinished one."""

from __future__ import annotations

import msgspec

from akin.papers.remote.oai import FORMATS

MOST_NAMED = 20
"""Ids of lost records that an account names."""


class Harvest(msgspec.Struct, frozen=True):
    """Account of a finished harvest, stored beside its file, in `<name>.json`.

    Attributes:
        file: the file's name in the folder.
        url: the address of the repository.
        subset: the harvested set; None for all.
        since: the first day of the harvested changes; None for all.
        until: the day of the repository's first answer, from which the next harvest starts; after an incomplete harvest
            `since`, or empty if that is None.
        records: the number of papers.
        deleted: the number of records of deleted papers.
        unusable: the number of records without id or metadata, which are not in the file.
        sha256: the digest of the file.
        repaired: the number of records from whose text characters were removed or replaced.
        lost: the number of records that could not be read; the file has a line with the id of each, if it is known.
        lost_ids: the first of these ids.
        announced: the number of records that the repository announced; None if it announced none.
        incomplete: the reason why the end of the list was not reached; empty if it was.
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
    repaired: int = 0
    lost: int = 0
    lost_ids: tuple[str, ...] = ()
    announced: int | None = None
    incomplete: str = ""

    @property
    def missing(self) -> int:
        """Number of records that the repository announced and did not send."""
        return max(0, (self.announced or 0) - self.records - self.deleted - self.unusable - self.lost)


class HarvestState(msgspec.Struct):
    """Progress of an unfinished harvest; files of earlier releases lack the fields with a default value.

    Attributes:
        token: the resumption token of the next page.
        bytes: the size of the part that holds complete pages.
        start: the first day of the present list, if the list was started again later than at `since`.
        form: the format that the repository offers.
        first: the day of the oldest record.
        newest: the day of the newest record.
        ordered: True if every record was at least as new as all before it.
        overlaps: True if the part may hold records twice, because a list was started again.
        refused: the token that the server answered with an error, at the end of the previous call.
        ended: True after the last page, which has no resumption token.
    """

    url: str
    subset: str | None
    since: str | None
    until: str = ""
    token: str | None = None
    bytes: int = 0
    records: int = 0
    deleted: int = 0
    unusable: int = 0
    repaired: int = 0
    lost: int = 0
    lost_ids: tuple[str, ...] = ()
    announced: int | None = None
    incomplete: str = ""
    start: str | None = None
    form: str = FORMATS[0]
    first: str = ""
    newest: str = ""
    ordered: bool = True
    overlaps: bool = False
    refused: str | None = None
    ended: bool = False

    @property
    def next_day(self) -> str:
        """Day from which the next harvest starts, so that nothing is left out."""
        if self.incomplete:
            return self.since or ""
        return max(self.until or self.newest, self.since or "")

    @property
    def name(self) -> str:
        """Name of the finished file."""
        until = max(self.until or self.newest, self.since or "")
        # An incomplete harvest does not replace a complete one of the same day.
        end = "-incomplete" if self.incomplete else ""
        name = f"arxiv-oai-{self.since or 'all'}-to-{until or 'none'}{end}.jsonl"
        return f"{self.subset.replace(':', '-').replace('/', '-')}-{name}" if self.subset else name

    @property
    def restart_day(self) -> str | None:
        """Day from which a list can be started again without the pages before it.

        Repositories need not order their lists. If the days of all records so far only grow, and there are several, the
        records that are still to come are taken to be no older. Otherwise it is the harvest's own first day.
        """
        return self.newest if self.ordered and self.first < self.newest else self.since

    def note_days(self, days: list[str]) -> None:
        """Take note of the days of a page's records."""
        for day in days:
            self.first = min(self.first or day, day)
            self.ordered = self.ordered and day >= self.newest
            self.newest = max(self.newest, day)

    def account(self, sha256: str) -> Harvest:
        """Return the account of the finished harvest whose file has this digest."""
        own = {"file": self.name, "until": self.next_day, "sha256": sha256}
        return msgspec.convert(msgspec.structs.asdict(self) | own, Harvest)


def read_state(content: bytes) -> HarvestState:
    """Return a stored progress.

    Raises:
        msgspec.DecodeError: the content is not one.
    """
    state = msgspec.json.decode(content, type=HarvestState)
    # Progress is stored after a page only. Earlier releases did not store that it was the last one.
    state.ended = state.ended or (bool(state.until) and state.token is None)
    return state
