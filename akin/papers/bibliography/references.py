"""References in a text that someone pastes or sends: a library, or lines of ids, DOIs and titles."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from akin.papers.arxiv_id import parse_arxiv_id
from akin.papers.bibliography.entry import BrokenEntry, find_ids
from akin.papers.bibliography.exports import ExportedPaper, detect_export, exported_papers
from akin.papers.bibliography.formats import LibraryFormat, detect_library, read_entries
from akin.papers.bibliography.written_out import LIST_MARK, arxiv_id_in, ids_in, references_in, title_in
from akin.papers.doi import bare_doi
from akin.papers.text import clean_text

_BLOCK = re.compile(rb"@\w*+[ \t]*+[{(]")
_BLOCKS_OF_ONE = 4  # with `@string`, `@comment` and signs in texts
_LONGEST_TITLE = 1_000
_SHOWN = 200


class TooManyReferences(ValueError):
    """A text has more parts that begin as an entry than anybody wants to read."""


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """Reference to a paper that a corpus may have.

    Attributes:
        line: the line of the text on which it starts, counted from 1; 0 if it comes from no text.
        text: the reference as it is shown in an answer: its title, or its line.
        key: its citation key; may be empty.
        title: its title; may be empty.
        authors: the family names of its authors.
        year: the year of publication, or None.
        doi: the bare DOI, or None.
        arxiv_id: the canonical arXiv id, or None.
        paper_id: a text that may be an id of the corpus, or None.
        problem: why it cannot be read, or None.
    """

    line: int = 0
    text: str = ""
    key: str = ""
    title: str = ""
    authors: tuple[str, ...] = ()
    year: int | None = None
    doi: str | None = None
    arxiv_id: str | None = None
    paper_id: str | None = None
    problem: str | None = None


def read_references(text: str, most: int) -> tuple[str, Iterator[Reference]]:
    """Return the format of a text, `lines` if it is no library and no export, and its references in their order.

    Raises:
        TooManyReferences: the text is BibTeX, which is read as a whole, with more blocks than several times `most`.
        ValueError: the text is CSL-JSON, and not one array of JSON; the references raise it.
    """
    if exported := detect_export(text):
        return exported.value, map(_of_paper, exported_papers(text, exported))
    data = text.encode("utf-8", "replace")
    form = detect_library(data)
    if form is LibraryFormat.BIBTEX and len(_BLOCK.findall(data)) > most * _BLOCKS_OF_ONE:
        raise TooManyReferences(f"more than {most * _BLOCKS_OF_ONE} blocks")
    return (form.value, _of_library(data, form)) if form else ("lines", _of_lines(data.decode()))


def _of_library(data: bytes, form: LibraryFormat) -> Iterator[Reference]:
    for entry in read_entries(data, form):
        if isinstance(entry, BrokenEntry):
            shown = " ".join(entry.text.split())[:_SHOWN]
            yield Reference(line=entry.line, text=shown, key=entry.key or "", problem=entry.detail)
            continue
        key = entry.publication.key
        named = bool(entry.title or entry.doi or entry.arxiv_id)
        yield Reference(
            line=entry.line,
            text=(entry.title or entry.arxiv_id or entry.doi or key)[:_SHOWN],
            key=key,
            title=entry.title[:_LONGEST_TITLE],
            authors=tuple(author.family for author in entry.authors),
            year=entry.year,
            doi=entry.doi,
            arxiv_id=entry.arxiv_id,
            problem=None if named else "it has no title, no DOI and no arXiv id",
        )


def _of_paper(paper: ExportedPaper) -> Reference:
    title, known = clean_text(paper.title), parse_arxiv_id(paper.id)
    year = (paper.published or "")[:4]
    named = title or paper.id or paper.doi
    return Reference(
        line=paper.line,
        text=(title or paper.id)[:_SHOWN],
        title=title[:_LONGEST_TITLE],
        authors=paper.families,
        year=int(year) if year.isascii() and year.isdigit() else None,
        doi=bare_doi(paper.doi or ""),
        arxiv_id=known.id if known else None,
        paper_id=paper.id[:_SHOWN] or None,
        problem=paper.problem or (None if named else "it has no title, no DOI and no id"),
    )


def _of_lines(text: str) -> Iterator[Reference]:
    for number, line in references_in(text):
        written = clean_text(line)
        if not any(map(str.isalnum, written)):
            continue
        if ids := ids_in(written):
            yield from (Reference(line=number, text=each, arxiv_id=each, paper_id=each) for each in ids)
            continue
        plain = written[mark.end() :] if (mark := LIST_MARK.match(written)) else written
        known = parse_arxiv_id(written) or parse_arxiv_id(plain)
        # A DOI or an arXiv id among the words of a reference is that of the reference.
        arxiv_id, doi = (known.id, None) if known else find_ids(bare_doi(plain) or "", (arxiv_id_in(plain) or "",))
        yield Reference(
            line=number,
            text=written[:_SHOWN],
            title="" if known or doi else title_in(plain)[:_LONGEST_TITLE].rstrip(" ."),
            doi=doi,
            arxiv_id=arxiv_id,
            paper_id=written if len(written) <= _SHOWN else None,
        )
