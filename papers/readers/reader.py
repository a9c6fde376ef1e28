"""One way in for every format: a stream of papers with a report."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from collections.abc import Mapping as MappingABC
from pathlib import Path
from types import TracebackType
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
    """The papers of a file, read once, in the order of the file.

    Iterate it to the end, or use it as a context manager to close it early. `report`, `bytes_read` and `bytes_total`
    may be looked at any time.

    Attributes:
        path: the file.
        format: the format it is read as.
        mapping: the mapping it is read through, in the formats that have one.
        report: what was kept and what was not, so far.
        bytes_total: the size on disk; None for a pipe.
    """

    def __init__(self, file: PaperFile, layout: FileLayout, strict: bool, rejects: RejectsFile | None) -> None:
        """Takes over the open source and the rejects file; `read_papers` is the way to make one."""
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
        """Bytes of the file, compressed if it is, read so far: with `bytes_total` the share that is done."""
        return self._file.bytes_read

    def __iter__(self) -> Iterator[Paper]:
        """The rest of the papers.

        Raises:
            BadRecord: a record is bad and the reading is strict.
            PaperFileUnreadable: the file breaks off or is corrupt.
        """
        return self._papers

    def __enter__(self) -> Self:
        """The reader itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the reader."""
        self.close()

    def close(self) -> None:
        """Closes the file and the rejects file; done at the end of the papers by itself."""
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
    """Opens a file of papers and reads them as a stream; memory does not grow with the file but for ids' digests.

    Reads the arXiv metadata snapshot, JSON lines and CSV of any layout through a mapping, ACL Anthology XML and the
    sample corpus, each plain or gzip. The format is told by the first records.

    Args:
        path: the file.
        mapping: the source's fields for a paper's, `id=_id,title=title,abstract=text` or a dictionary of the same;
            not needed where the format has its own.
        strict: stop at the first bad record instead of setting it aside.
        rejects: where bad records are written, as JSON lines; the file exists afterwards only if there are any.
        fmt: the format, to overrule what the records tell.

    Returns:
        The reader. It is open: read it to the end or close it.

    Raises:
        PaperFileNotFound: there is no such file.
        PaperFileUnreadable: it is a directory, empty, or may not be read.
        UnknownFormat: it is none of the formats.
        MappingError: a mapping is needed, is malformed, or does not fit the file.
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
    assert layout.mapping is not None, "the formats left are read through a mapping, which a plan has for them"
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
