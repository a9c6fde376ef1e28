"""Reader of the sample corpus's format: one JSON array of bookmarked arXiv papers."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from akin.papers.arxiv_id import parse_arxiv_id
from akin.papers.authors import listed_authors
from akin.papers.errors import UnknownFormat
from akin.papers.paper import Paper
from akin.papers.readers.fields import parse_day
from akin.papers.readers.paper_file import PaperFile
from akin.papers.readers.report import Flaw, Reason, flaw
from akin.papers.text import clean_abstract, clean_text


class _Record(msgspec.Struct, gc=False):
    """Fields that are read of a record; the bookmark's own title, tags and comments are skipped."""

    arxiv_num: str = ""
    arxiv_title: str = ""
    arxiv_summary: str = ""
    arxiv_author: list[str] = []
    arxiv_firstAuthor: str = ""  # spelt as the format spells it
    arxiv_published: str = ""
    arxiv_updated: str = ""


_decode_record = msgspec.json.Decoder(_Record).decode
_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


def sample_papers(file: PaperFile) -> Iterator[tuple[int, Paper | Flaw]]:
    """Yield the papers and flaws of the array, each with its place in the array, counted from 1.

    Raises:
        UnknownFormat: the file is not one JSON array.
    """
    try:
        records = _decode_array(file.read())
    except (msgspec.DecodeError, RecursionError) as error:
        raise UnknownFormat(file.path, f"is not the sample corpus, a JSON array: {error}") from error
    for place, raw in enumerate(records, start=1):
        yield place, _paper(bytes(raw))


def _paper(raw: bytes) -> Paper | Flaw:
    try:
        record = _decode_record(raw)
    except msgspec.ValidationError as error:
        return flaw(Reason.WRONG_TYPE, raw, detail=str(error))
    except UnicodeDecodeError:
        return flaw(Reason.INVALID_UTF8, raw)
    except (msgspec.DecodeError, RecursionError) as error:
        return flaw(Reason.BROKEN_JSON, raw, detail=str(error))
    arxiv_id = parse_arxiv_id(record.arxiv_num)
    if arxiv_id is None:
        return flaw(Reason.NO_ID, raw)
    title, abstract = clean_text(record.arxiv_title), clean_abstract(record.arxiv_summary)
    if not title or not abstract:
        return flaw(Reason.NO_ABSTRACT if title else Reason.NO_TITLE, raw, arxiv_id.id)
    # The list of authors has no order; a field of its own names the first author.
    names = dict.fromkeys(name for name in map(clean_text, [record.arxiv_firstAuthor, *record.arxiv_author]) if name)
    return Paper(
        id=arxiv_id.id,
        title=title,
        abstract=abstract,
        authors=listed_authors(names),
        published=parse_day(record.arxiv_published),
        updated=parse_day(record.arxiv_updated),
    )
