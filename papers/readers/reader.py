"""Entry point for all formats: a stream of papers with a report."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from collections.abc import Mapping as MappingABC
from pathlib import Path
from typing import Self

from papers.errors import BadRecord
from papers.paper import Paper
from papers.readers.acl_anthology import acl_papers
from papers.readers.arxiv_snapshot import arxiv_paper
from papers.readers.detection import FileLayout, Format, detect_layout
from papers.readers.mapped_records import csv_papers, json_paper
from papers.readers.mapping import Mapping, parse_mapping
from papers.readers.paper_file import LONGEST_LINE, PaperFile
from papers.readers.report import BROKEN, Flaw, Reason, RejectsFile, Report, Withdrawn, flaw
from papers.readers.sample_file import sample_papers
from papers.readers.seen_ids import SeenIds


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

    def __init__(self, file: PaperFile, layout: FileLayout, strict: bool, rejects: RejectsFile | None) -> None:
        """Take over the open file and the rejects file. Call `read_papers` to make a reader."""
        self.path = file.path
        self.format = layout.format
        self.mapping = layout.mapping
        self.report = Report()
        self.bytes_total = file.bytes_total
        self._file = file
        self._strict = strict
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

    def _read(self, records: Iterator[tuple[int, Paper | Flaw | Withdrawn]]) -> Iterator[Paper]:
        report, is_new = self.report, SeenIds().add
        record: Paper | Flaw | Withdrawn | None = None
        try:
            for line, record in records:
                if isinstance(record, Flaw):
                    self._reject(line, record)
                elif isinstance(record, Withdrawn):
                    report.withdrawn[record.id] = None
                elif is_new(record.id):
                    report.kept += 1
                    report.withdrawn.pop(record.id, None)
                    if record.published is None and record.updated is None:
                        report.undated += 1
                    yield record
                else:
                    self._reject(line, flaw(Reason.DUPLICATE_ID, record.title or record.abstract, record.id))
            report.cut_off = report.cut_off or (isinstance(record, Flaw) and record.reason in BROKEN)
        finally:
            self.close()

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

    Supports the arXiv metadata snapshot, JSON lines and CSV of any layout through a mapping, ACL Anthology XML and the
    sample corpus, each plain or gzip. The first records show the format.

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
        reader = PaperReader(file, layout, strict, RejectsFile(Path(rejects)) if rejects is not None else None)
        on_error.pop_all()
    return reader


def _records(file: PaperFile, layout: FileLayout, report: Report) -> Iterator[tuple[int, Paper | Flaw | Withdrawn]]:
    if layout.format is Format.ARXIV:
        return _line_by_line(file, arxiv_paper)
    if layout.format is Format.ACL:
        return acl_papers(file.path, file.lines())
    if layout.format is Format.SAMPLE:
        return sample_papers(file)
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
