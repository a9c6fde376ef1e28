"""Read files of citations into pairs of rows of a corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from akin.indexing.references.identities import CorpusRows, SourceIds
from akin.indexing.references.pairs import PairFiles
from akin.indexing.references.sources import Kind, ScholarCitation, ScholarPaper, SourceFile, Work

_AT_ONCE = 1 << 18
_NAMED = np.dtype([("row", "<u4"), ("work", "<u8")])
_MOST = np.iinfo(np.uint32).max
_REPORT_EVERY = 10_000
_DIGITS = 19
_NOBODY = (1 << 64) - 1

_Record = TypeVar("_Record")
OnRead = Callable[[SourceFile], None]


class Collector:
    """Collects pairs of rows from files.

    Attributes:
        totals: the citations that a source states for each row, int64 [papers]; 0 if none does.
        states_totals: True if a source stated any.
        counts: references of a paper to itself (`self`), and to papers outside the corpus (`outside`).
        matched: True for each row that a source knows, bool [papers].
    """

    def __init__(self, rows: CorpusRows, pairs: PairFiles, folder: Path, on_read: OnRead) -> None:
        """Take the corpus, the pairs to add to, a folder for what is read before its ids are known, and a listener."""
        self.totals = np.zeros(len(rows), np.int64)
        self.states_totals = False
        self.counts: Counter[str] = Counter()
        self.matched = np.zeros(len(rows), np.bool_)
        self._rows, self._pairs, self._folder = rows, pairs, folder
        self._on_read = on_read
        self._works, self._scholar = SourceIds(), SourceIds()

    def read(self, files: Sequence[SourceFile]) -> None:
        """Read files in the order of their kinds.

        Raises:
            PaperFileError: A file cannot be read to its end, or most of its lines are no records.
        """
        named = self._folder / "named"
        with named.open("wb") as references:
            for file in files:
                if file.kind is Kind.OPENALEX:
                    for batch in _batches(self._references(file), _NAMED):
                        references.write(batch.tobytes())
                elif file.kind is Kind.OPENALEX_MERGED:
                    self._read_mergers(file)
                elif file.kind is Kind.S2_PAPERS:
                    self._read_papers(file)
                self._on_read(file)
        self._resolve(named)
        named.unlink()
        for file in files:
            if file.kind is Kind.S2_CITATIONS:
                for batch in _batches(self._citations(file), np.dtype(np.uint64)):
                    self._add(self._scholar.rows_of(batch[:, 0]), self._scholar.rows_of(batch[:, 1]))
            elif file.kind is Kind.PAIRS:
                for batch in _batches(self._row_pairs(file), np.dtype(np.int64)):
                    self._add(batch[:, 0], batch[:, 1])
            self._on_read(file)

    def _add(self, citing: NDArray[np.int64], cited: NDArray[np.int64]) -> None:
        """Add pairs of rows, of which -1 is a paper outside the corpus."""
        inside, known = citing >= 0, (citing >= 0) & (cited >= 0)
        own = known & (citing == cited)
        self.counts["outside"] += int(np.count_nonzero(inside & (cited < 0)))
        self.counts["self"] += int(np.count_nonzero(own))
        self.matched[citing[inside]] = True
        self.matched[cited[cited >= 0]] = True
        known &= ~own
        if known.any():
            self._pairs.add(citing[known], cited[known])

    def _reported(self, file: SourceFile, records: Iterable[_Record]) -> Iterator[_Record]:
        """Yield records, and tell the listener from time to time."""
        for number, record in enumerate(records):
            if number % _REPORT_EVERY == 0:
                self._on_read(file)
            yield record

    def _references(self, file: SourceFile) -> Iterable[tuple[int, int]]:
        """Yield the row and each reference of those works of OpenAlex that are papers of the corpus."""
        for work in self._reported(file, file.records(Work)):
            if (own := work_number(work.id)) is None:
                file.note_broken(file.lines, f"{work.id[:40]!r} is no id of OpenAlex")
                continue
            row = self._row_of(work)
            if row is None:
                continue
            self._works.add(own, row)
            self._state(row, work.cited_by_count)
            for reference in work.referenced_works or ():
                cited = work_number(reference)
                if cited is None:
                    self.counts["outside"] += 1
                else:
                    yield row, cited

    def _row_of(self, work: Work) -> int | None:
        ids = [text for text in (work.ids or {}).values() if isinstance(text, str)]
        places = [*(work.locations or ()), *([work.primary_location] if work.primary_location else ())]
        texts = [text for place in places for text in (place.landing_page_url, place.pdf_url, place.id) if text]
        dois = [text for text in (work.doi, *ids) if text]
        for text in (*dois, *texts):
            if "arxiv" in text.lower() and (row := self._by_arxiv(text)) is not None:
                return row
        for text in dois:
            if (row := self._rows.by_doi(text)) is not None:
                return row
        return self._rows.by_own_id(work.id.rpartition("/")[2])

    def _by_arxiv(self, text: str) -> int | None:
        # "pmh:oai:arXiv.org:2101.00001" is the key of arXiv's record.
        row = self._rows.by_doi(text) if "10.48550" in text else None
        return self._rows.by_arxiv(text.removeprefix("pmh:")) if row is None else row

    def _read_mergers(self, file: SourceFile) -> None:
        for old, new in file.rows():
            one, other = work_number(old), work_number(new)
            if one is not None and other is not None:
                self._works.add_merger(one, other)

    def _read_papers(self, file: SourceFile) -> None:
        for paper in self._reported(file, file.records(ScholarPaper)):
            given = {name.lower(): text for name, text in (paper.externalids or {}).items() if isinstance(text, str)}
            row = self._rows.by_arxiv(given.get("arxiv"))
            row = self._rows.by_doi(given.get("doi")) if row is None else row
            row = self._rows.by_own_id(given.get("acl")) if row is None else row
            if row is not None:
                self._scholar.add(paper.corpusid, row)
                self._state(row, paper.citationcount)

    def _citations(self, file: SourceFile) -> Iterable[tuple[int, int]]:
        for citation in self._reported(file, file.records(ScholarCitation)):
            # A side that is null was recognised by nobody; no paper has the largest number.
            citing, cited = citation.citingcorpusid, citation.citedcorpusid
            yield _NOBODY if citing is None else citing, _NOBODY if cited is None else cited

    def _row_pairs(self, file: SourceFile) -> Iterable[tuple[int, int]]:
        for citing, cited in self._reported(file, file.rows()):
            yield self._row_of_text(citing), self._row_of_text(cited)

    def _row_of_text(self, text: str) -> int:
        """Return the row of an id in a file of pairs; a cell of OpenCitations has several ids, as `doi:10.1/a`."""
        for each in (text, *(text.split() if " " in text else ())):
            if (row := self._rows.by_id(each)) is not None:
                return row
            if (work := work_number(each)) is not None and (found := int(self._works.rows_of([work])[0])) >= 0:
                return found
            name, _, number = each.lower().partition(":")
            if name == "corpusid" and number.isascii() and number.isdecimal() and len(number) < _DIGITS:
                return int(self._scholar.rows_of([int(number)])[0])
        return -1

    def _state(self, row: int, total: int | None) -> None:
        self.matched[row] = True
        if total is not None:
            self.states_totals = True
            self.totals[row] = max(self.totals[row], min(total, _MOST))

    def _resolve(self, named: Path) -> None:
        """Add the references whose ids were stored while not all works were known."""
        with named.open("rb") as file:
            while len(batch := np.fromfile(file, _NAMED, _AT_ONCE)):
                self._add(batch["row"].astype(np.int64), self._works.rows_of(batch["work"]))


def work_number(text: str | None) -> int | None:
    """Return the number of an id of OpenAlex, `W2741809807` or its address; None for another text."""
    if not text:
        return None
    digits = text.rpartition("/")[2][1:]
    if len(digits) < _DIGITS and digits.isascii() and digits.isdecimal() and text[-len(digits) - 1] in "Ww":
        return int(digits)
    return None


def _batches(records: Iterable[tuple[int, int]], kind: np.dtype[Any]) -> Iterable[NDArray[Any]]:
    batch: list[tuple[int, int]] = []
    for record in records:
        batch.append(record)
        if len(batch) == _AT_ONCE:
            yield np.array(batch, kind)
            batch.clear()
    if batch:
        yield np.array(batch, kind)
