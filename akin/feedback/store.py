"""Feedback in one SQLite file: complete or absent after a crash, of bounded size, and deleted after a number of days.

Several processes may use the file at once. What is deleted is overwritten, and the file shrinks.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from akin.feedback.records import Mark, MarkedSearch, ShownSearch

FILE = "feedback.sqlite"
_PAGE = 4096
_BUSY_SECONDS = 10.0
_TABLES = """
CREATE TABLE IF NOT EXISTS search (id TEXT PRIMARY KEY, time TEXT NOT NULL, record BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS search_time ON search (time);
CREATE TABLE IF NOT EXISTS mark (
    search TEXT NOT NULL, paper TEXT NOT NULL, record BLOB NOT NULL, PRIMARY KEY (search, paper)
) WITHOUT ROWID;
PRAGMA user_version = 1;
"""

_search = msgspec.json.Decoder(ShownSearch).decode
_mark = msgspec.json.Decoder(Mark).decode
_encode = msgspec.json.Encoder().encode


class FeedbackError(Exception):
    """Feedback that cannot be read or stored; the message names the file, the reason and the next step."""


class FeedbackFull(FeedbackError):
    """Feedback that the size limit, or the disk, has no room for; nothing of it was stored."""


class Summary(msgspec.Struct, frozen=True):
    """Number of searches and of marks that are stored, their days and their size."""

    searches: int
    interleaved: int
    useful: int
    not_useful: int
    opened: int
    comments: int
    first: str | None
    last: str | None
    bytes: int


class FeedbackStore:
    """Feedback in a folder."""

    def __init__(
        self, folder: Path, *, days: int, most_bytes: int, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Take a folder, which need not exist yet.

        Args:
            folder: Folder of the file.
            days: Days after which a search and its marks are deleted.
            most_bytes: Size that the file may have.
            now: Returns the present moment, in UTC.
        """
        self.path = folder / FILE
        self.days, self.most_bytes = days, most_bytes
        self._now = now

    def time(self) -> str:
        """Return the present moment as records have it."""
        return self._now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def put(self, search: ShownSearch, mark: Mark) -> None:
        """Store a mark and its search, durably; a mark on the same result is replaced, and stays opened if it was.

        Raises:
            FeedbackFull: There is no room.
            FeedbackError: The file cannot be written.
        """
        with self._open(write=True) as db:
            self._expire(db)
            key = (search.id, mark.paper)
            found = db.execute("SELECT record FROM mark WHERE search = ? AND paper = ?", key).fetchone()
            if found:
                before = _mark(found[0])
                if mark.useful is None:
                    mark = msgspec.structs.replace(mark, useful=before.useful, comment=before.comment)
                mark = msgspec.structs.replace(mark, opened=mark.opened or before.opened)
            db.execute("INSERT OR IGNORE INTO search VALUES (?, ?, ?)", (search.id, search.time, _encode(search)))
            db.execute("INSERT OR REPLACE INTO mark VALUES (?, ?, ?)", (*key, _encode(mark)))

    def withdraw(self, search: str, paper: str) -> bool:
        """Delete everything that is stored about a result; return True if there was something.

        Raises:
            FeedbackError: The file cannot be written.
        """
        if not self.path.exists():
            return False
        with self._open(write=True) as db:
            gone = db.execute("DELETE FROM mark WHERE search = ? AND paper = ?", (search, paper)).rowcount
            db.execute(
                "DELETE FROM search WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM mark WHERE search = ?1)", (search,)
            )
            return gone > 0

    def read(self, since: str = "") -> Iterator[MarkedSearch]:
        """Yield the searches from a day on (`2026-01-31`), the oldest first, with their marks by rank.

        Raises:
            FeedbackError: The file cannot be read.
        """
        if not self.path.exists():
            return
        # Read everything before anything is done with it, so that no writer waits for the reader.
        with self._open() as db:
            if not db.execute("PRAGMA user_version").fetchone()[0]:
                return  # a process was killed before it made the tables
            marks: dict[str, list[Mark]] = {}
            for identity, record in db.execute("SELECT search, record FROM mark"):
                marks.setdefault(identity, []).append(_mark(record))
            asked = "SELECT record FROM search WHERE time >= ? ORDER BY time, id"
            searches = [_search(record) for (record,) in db.execute(asked, (max(since, self._oldest()),))]
        for search in searches:
            yield MarkedSearch(search, sorted(marks.get(search.id, []), key=lambda mark: mark.rank))

    def summary(self) -> Summary:
        """Return what is stored, in numbers.

        Raises:
            FeedbackError: The file cannot be read.
        """
        searches = list(self.read())
        marks = [mark for each in searches for mark in each.marks]
        times = [each.search.time for each in searches]
        return Summary(
            searches=len(searches),
            interleaved=sum(each.search.teams is not None for each in searches),
            useful=sum(mark.useful is True for mark in marks),
            not_useful=sum(mark.useful is False for mark in marks),
            opened=sum(mark.opened for mark in marks),
            comments=sum(mark.comment is not None for mark in marks),
            first=min(times, default=None),
            last=max(times, default=None),
            bytes=self.path.stat().st_size if self.path.exists() else 0,
        )

    def delete(self, *, before: str | None = None, search: str | None = None) -> int:
        """Delete the searches before a day, or one search, or all, with their marks; return how many.

        Raises:
            FeedbackError: The file cannot be written.
        """
        if not self.path.exists():
            return 0
        with self._open(write=True) as db:
            if search is not None:
                return _delete(db, "id = ?", search)
            return _delete(db, "time < ?", before if before is not None else "9999")

    def expire(self) -> int:
        """Delete the searches that are older than the number of days, with their marks; return how many.

        Raises:
            FeedbackError: The file cannot be written.
        """
        if not self.path.exists():
            return 0
        with self._open(write=True) as db:
            return self._expire(db)

    def _expire(self, db: sqlite3.Connection) -> int:
        return _delete(db, "time < ?", self._oldest())

    def _oldest(self) -> str:
        return (self._now() - timedelta(days=self.days)).strftime("%Y-%m-%dT%H:%M:%SZ")

    @contextmanager
    def _open(self, *, write: bool = False) -> Iterator[sqlite3.Connection]:
        """Open the file for one transaction; it is opened anew each time, as the folder may be deleted meanwhile."""
        try:
            if write:
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                # SQLite gives its journal the same mode.
                self.path.touch(mode=0o600)
            db = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise FeedbackError(f"feedback cannot be stored in {self.path}: {_reason(error)}.") from error
        try:
            if write:
                # Before there is a table, or the file would not shrink.
                db.execute("PRAGMA auto_vacuum = FULL")
                db.execute("PRAGMA secure_delete = ON")
                db.execute("PRAGMA synchronous = FULL")
                db.execute("PRAGMA journal_mode = TRUNCATE")
                db.execute(f"PRAGMA max_page_count = {max(self.most_bytes // _PAGE, 16)}")
                if not db.execute("PRAGMA user_version").fetchone()[0]:
                    db.executescript(f"PRAGMA page_size = {_PAGE}; BEGIN IMMEDIATE; {_TABLES} COMMIT;")
            db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            yield db
            db.execute("COMMIT")
        except sqlite3.Error as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                raise FeedbackFull(
                    f"{self.path} has no room for more feedback: it may have {self.most_bytes / 1e6:.0f} MB "
                    "(AKIN_FEEDBACK_MEGABYTES), or the disk is full. Make room on the disk, or export the oldest and "
                    "delete it: akin feedback delete --before DAY."
                ) from error
            raise FeedbackError(f"feedback in {self.path} cannot be used: {_reason(error)}.") from error
        except msgspec.MsgspecError as error:
            raise FeedbackError(f"{self.path} has a record that cannot be read ({error}).") from error
        finally:
            # Closing rolls back what was not committed.
            db.close()


def _delete(db: sqlite3.Connection, condition: str, value: str) -> int:
    db.execute(f"DELETE FROM mark WHERE search IN (SELECT id FROM search WHERE {condition})", (value,))
    return db.execute(f"DELETE FROM search WHERE {condition}", (value,)).rowcount


def _reason(error: Exception) -> str:
    return str(error.strerror if isinstance(error, OSError) else error)
