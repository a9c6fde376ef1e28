"""Entry point for all formats: a stream of papers with a report."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from collections.abc import Mapping as MappingABC
from pathlib import Path
from typing import Self

import msgspec

from akin.papers.arxiv_id import parse_arxiv_id, restore_zeros
from akin.papers.categories import CATEGORIES
from akin.papers.errors import BadRecord, PaperFileUnreadable
from akin.papers.paper import Paper
from akin.papers.readers.acl_anthology import acl_papers
from akin.papers.readers.arxiv_snapshot import arxiv_paper
from akin.papers.readers.detection import FileLayout, Format, detect_layout
from akin.papers.readers.library_file import library_file_papers
from akin.papers.readers.mapped_records import csv_papers, json_paper
from akin.papers.readers.mapping import Mapping, parse_mapping
from akin.papers.readers.paper_file import LONGEST_LINE, PaperFile
from akin.papers.readers.report import BROKEN, Flaw, Joined, Reason, RejectsFile, Report, Withdrawn, flaw
from akin.papers.readers.sample_file import sample_papers
from akin.papers.readers.seen_ids import SeenIds

# In a cell of CSV, or the value of a field of JSON.
_ID_WITH_VERSION = re.compile(rb"[\"\n,;\t][^\"\n,;\t ]{0,100}\d{3}v\d{1,3}(?:\.pdf)?[\"\n\r,;\t]")
# Ids are printed, typed and put in addresses: controls of terminals and of the direction of writing are no part of one.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
# Of an id in a spreadsheet: "704.0001", "1903.1", "9901997" without its archive, "2.40109E+03".
_LOST_PARTS = re.compile(r"\d{3,4}\.\d{1,5}|\d{5,7}|\d\.\d+[eE]\+0[34]", re.ASCII)


class PaperReader:
    """Papers of a file, read once, in the order of the file.

    Iterate it to the end, or use it as a context manager to close it early. `report`, `bytes_read` and `bytes_total`
    are up to date at any time.

    Attributes:
        path: the file.
        format: the format of the file.
        mapping: the mapping of its fields; None for formats without one.
        report: the papers kept and the records rejected so far.
        bytes_total: the size on disk; None for a pipe.
    """

    def __init__(
        self,
        file: PaperFile,
        layout: FileLayout,
        strict: bool,
        rejects: RejectsFile | None,
        newest: dict[str, int] | None = None,
    ) -> None:
        """Take over the open file and the rejects file. Call `read_papers` to make a reader.

        `newest` has the newest version of the papers that the file has in several versions.
        """
        self.path = file.path
        self.format = layout.format
        self.mapping = layout.mapping
        self.report = Report()
        self.bytes_total = file.bytes_total
        self._file = file
        self._strict = strict
        self._newest = newest or {}
        self._arxiv = 0
        self._rejects = rejects
        self._papers = self._read(_records(file, layout, self.report))

    @property
    def bytes_read(self) -> int:
        """Bytes of the (possibly compressed) file read so far; divided by `bytes_total`, the progress."""
        return self._file.bytes_read

    def __iter__(self) -> Iterator[Paper]:
        """Return the iterator over the remaining papers.

        Raises:
            BadRecord: a record is bad and the reading is strict.
            PaperFileUnreadable: the file breaks off or is corrupt.
        """
        return self._papers

    def __enter__(self) -> Self:
        """Return the reader itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the reader."""
        self.close()

    def close(self) -> None:
        """Close the file and the rejects file. Reading to the last paper closes them too."""
        self._file.close()
        if self._rejects is not None:
            self._rejects.close()

    def _read(self, records: Iterator[tuple[int, Paper | Flaw | Withdrawn | Joined]]) -> Iterator[Paper]:
        report, is_new = self.report, SeenIds().add
        record: Paper | Flaw | Withdrawn | Joined | None = None
        try:
            for line, record in records:
                if isinstance(record, Flaw):
                    self._reject(line, record)
                    continue
                if isinstance(record, Withdrawn):
                    report.withdrawn[record.id] = None
                    continue
                if isinstance(record, Joined):
                    report.joined += 1
                    continue
                if _UNPRINTABLE.search(record.id):
                    detail = f"the id {record.id[:80]!r} has characters that cannot be shown"
                    self._reject(line, flaw(Reason.UNPRINTABLE_ID, record.title or record.abstract, detail=detail))
                    continue
                if self.format is not Format.LIBRARY:
                    record = self._with_canonical_id(record)
                if record.versions < self._newest.get(record.id, 0):
                    report.rejected[Reason.OLDER_VERSION] += 1
                elif is_new(record.id):
                    report.kept += 1
                    report.withdrawn.pop(record.id, None)
                    if record.published is None and record.updated is None:
                        report.undated += 1
                    yield record
                elif record.id in self._newest:
                    report.rejected[Reason.OLDER_VERSION] += 1
                else:
                    self._reject(line, flaw(Reason.DUPLICATE_ID, record.title or record.abstract, record.id))
            report.cut_off = report.cut_off or (isinstance(record, Flaw) and record.reason in BROKEN)
        finally:
            self.close()

    def _with_canonical_id(self, paper: Paper) -> Paper:
        """Return the paper with arXiv's canonical id: without address and version, with the zeros that it lost."""
        paper_id = paper.id
        # An address with a fragment or a parameter may be one of several parts of a paper.
        found = None if any(sign in paper_id for sign in "#? ") else parse_arxiv_id(paper_id)
        if found is not None:
            self._arxiv += 1
            if found.id == paper_id:
                return paper
            return msgspec.structs.replace(paper, id=found.id, versions=max(paper.versions, found.version or 0))
        if not _LOST_PARTS.fullmatch(paper_id):
            return paper
        # In another collection, such an id is whole.
        if 2 * self._arxiv <= self.report.kept and CATEGORIES.keys().isdisjoint(paper.categories):
            return paper
        if restored := restore_zeros(paper_id):
            self.report.restored_ids += 1
            return msgspec.structs.replace(paper, id=restored)
        self.report.doubtful_ids += 1
        return paper

    def _reject(self, line: int, bad: Flaw) -> None:
        self.report.reject(bad)
        if self._rejects is not None:
            self._rejects.write(line, bad)
        if self._strict:
            raise BadRecord(self.path, line, bad.reason, bad.detail)


def read_papers(
    path: str | os.PathLike[str],
    mapping: str | MappingABC[str, str] | Mapping | None = None,
    *,
    strict: bool = False,
    rejects: str | os.PathLike[str] | None = None,
    fmt: Format | str | None = None,
) -> PaperReader:
    """Open a file of papers, to be read as a stream; of the file, only digests of the ids are kept in memory.

    Supports the arXiv metadata snapshot, JSON lines and CSV of any layout through a mapping, ACL Anthology XML, the
    sample corpus, and libraries (BibTeX, RIS, CSL-JSON, Zotero's CSV), each plain or gzip; and Parquet files, whose
    rows are read as JSON lines are. The first records show the format. A library is read as a whole.

    Args:
        path: the file.
        mapping: the record's field for each of a paper's fields, as `id=_id,title=title,abstract=text` or a dictionary;
            not needed for formats with fixed fields.
        strict: raise an error at the first bad record instead of rejecting it.
        rejects: the file for bad records, as JSON lines; it exists afterwards only if there are any.
        fmt: the format; None to detect it.

    Returns:
        The open reader: read it to the end or close it.

    Raises:
        PaperFileNotFound: the file does not exist.
        PaperFileUnreadable: the file is a directory, empty, or cannot be read.
        UnknownFormat: the file has none of the formats.
        MappingError: the mapping is missing, malformed, or does not fit the file.
        OSError: a stale rejects file cannot be removed.
    """
    wanted = parse_mapping(mapping) if mapping is not None else None
    with contextlib.ExitStack() as on_error:
        file = PaperFile(Path(path))
        on_error.callback(file.close)
        layout = detect_layout(file, wanted, Format(fmt) if fmt is not None else None)
        newest = _newest_versions(file, layout)
        reader = PaperReader(file, layout, strict, RejectsFile(Path(rejects)) if rejects is not None else None, newest)
        on_error.pop_all()
    return reader


def _newest_versions(file: PaperFile, layout: FileLayout) -> dict[str, int]:
    """Return the newest version of the papers that are in a file in several versions.

    A file whose first ids have no version is not read for this, and a pipe cannot be read twice.
    """
    if file.bytes_total is None or layout.format in (Format.ACL, Format.SAMPLE, Format.LIBRARY):
        return {}
    if not _ID_WITH_VERSION.search(file.head()):
        return {}
    newest: dict[str, int] = {}
    is_new = SeenIds().add
    with contextlib.closing(PaperFile(file.path)) as again, contextlib.suppress(PaperFileUnreadable):
        for _, record in _records(again, layout, Report()):
            if not isinstance(record, Paper) or any(sign in record.id for sign in "#? "):
                continue
            found = parse_arxiv_id(record.id)
            if found is not None and not is_new(found.id):
                newest[found.id] = max(newest.get(found.id, 0), record.versions, found.version or 0)
    return newest


def _records(
    file: PaperFile, layout: FileLayout, report: Report
) -> Iterator[tuple[int, Paper | Flaw | Withdrawn | Joined]]:
    if layout.format is Format.ARXIV:
        return _line_by_line(file, arxiv_paper)
    if layout.format is Format.ACL:
        return acl_papers(file.path, file.lines())
    if layout.format is Format.SAMPLE:
        return sample_papers(file)
    if layout.format is Format.LIBRARY:
        return library_file_papers(file)
    assert layout.mapping is not None, "detect_layout returns a mapping for the remaining formats"
    if layout.format is Format.CSV:
        return csv_papers(file.lines(), layout.mapping, report)
    return _line_by_line(file, json_paper(layout.mapping))


def _line_by_line(
    file: PaperFile, parse: Callable[[bytes], Paper | Flaw | Withdrawn]
) -> Iterator[tuple[int, Paper | Flaw | Withdrawn]]:
    for number, line in file.lines():
        if line is None:
            yield number, flaw(Reason.LINE_TOO_LONG, "", detail=f"longer than {LONGEST_LINE:,} bytes")
        elif not line.isspace():
            yield number, parse(line)
