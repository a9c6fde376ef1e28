"""BibTeX and BibLaTeX: entries of a `.bib` file. bibtexparser divides the file into blocks and fields."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping

from akin.papers.authors import MORE_AUTHORS, Author, parse_author, parse_authors
from akin.papers.bibliography.entry import (
    BrokenEntry,
    Entry,
    clean_key,
    doi_of_address,
    find_date,
    find_ids,
    names_arxiv,
    page_range,
    publisher_of,
    short,
    split_keywords,
    web_address,
)
from akin.papers.bibliography.journals import journal_of_macro
from akin.papers.bibliography.markup import plain_abstract, plain_title
from akin.papers.categories import CATEGORIES
from akin.papers.publication import KINDS, Publication

_KINDS = dict.fromkeys(KINDS, "") | {
    "conference": "inproceedings",
    **dict.fromkeys(("review", "suppperiodical"), "article"),
    **dict.fromkeys(("mvbook", "collection", "mvcollection", "reference", "mvreference"), "book"),
    **dict.fromkeys(("bookinbook", "suppbook"), "inbook"),
    **dict.fromkeys(("inreference", "suppcollection"), "incollection"),
    "mvproceedings": "proceedings",
    "report": "techreport",
    "thesis": "phdthesis",
}
_MASTERS = re.compile(r"master|\bm\.?sc\b|\bm\.?a\b|bachelor|diplom", re.IGNORECASE)
_FIRST_FIELDS = (*("journal", "journaltitle"), *("booktitle", "eventtitle", "howpublished"))
_PUBLISHERS = ("publisher", "school", "institution", "organization")
_FIELD_START = re.compile(r"\s*+,?\s*+([A-Za-z][\w:-]*+)\s*+=")
_WORD = re.compile(r"[^\s#,{}\"=]++")
_SPLIT_AND = re.compile(r"[{}]| and ", re.IGNORECASE)
_OTHERS = ("others", "et al", "et al.")
_SPLIT_COMMA = re.compile(r"[{},]")
_GROUP = re.compile(r"\{([^{}]*+(?:\{[^{}]*+\}[^{}]*+)*+)\}")
_FAMILY_IN_BRACES = re.compile(r"([^{}]*+)\s\{([^{}]*+)\}")
# BibTeX allows the line to end between the type and the brace; bibtexparser 2.1 reads such an entry as a comment.
_LATE_BRACE = re.compile(r"^([^\S\n]*+@\w++[^\S\n]*+)(\n\s*+)([{(])", re.MULTILINE)
# It also takes a sign behind an even number of backslashes as escaped, and does not count a line end behind one.
_BACKSLASHES = re.compile(r"(?<!\\)((?:\\\\)++)(?=[{}\",=])|(\\)(?=\n)")
_EXCERPT = 400
_CROSS_REFERENCED = 8  # steps of `crossref`, so that a circle ends


def bibtex_entries(text: str) -> Iterator[Entry | BrokenEntry]:
    """Yield the entries of a file, in its order.

    `@string` and the names of months are replaced, `crossref` and `xdata` give the fields that an entry lacks. A
    missing comma between two fields is read as if it were there.

    Raises:
        ImportError: bibtexparser is not installed.
    """
    from bibtexparser import model
    from bibtexparser.splitter import Splitter

    # It logs each broken block; here, blocks are counted, and a request may have thousands.
    logging.getLogger("bibtexparser").setLevel(logging.CRITICAL)
    text = _LATE_BRACE.sub(r"\1\3\2", _BACKSLASHES.sub(lambda found: f"{found[0]} ", text))
    blocks = Splitter(text).split().blocks
    for duplicate in (model.DuplicateBlockKeyBlock, model.DuplicateFieldKeyBlock):
        blocks = [(each.ignore_error_block if isinstance(each, duplicate) else None) or each for each in blocks]
    macros = {each.key.lower(): _value(each.value, {})[0] for each in blocks if isinstance(each, model.String)}
    raw = {id(each): _fields(each, macros) for each in blocks if isinstance(each, model.Entry)}
    by_key = {each.key.lower(): raw[id(each)] for each in reversed(blocks) if isinstance(each, model.Entry)}
    for block in blocks:
        line = (block.start_line or 0) + 1
        if isinstance(block, model.Entry):
            yield _entry(line, block.entry_type.lower(), block.key, _with_parents(raw[id(block)], by_key))
        elif isinstance(block, model.ParsingFailedBlock):
            excerpt = (block.raw or "")[:_EXCERPT]
            key = re.match(r"@\w+\s*+[{(]\s*+([^\s,{}=\"]++)\s*+,", excerpt)
            yield BrokenEntry(line, _fault(block.error), excerpt, clean_key(key[1]) if key else None)


def bibtex_names(text: str) -> tuple[Author, ...]:
    """Return the authors of a field: names that `and` divides, "First von Last", "von Last, Jr, First" or `{Group}`.

    `and others` at the end is the author `MORE_AUTHORS`.
    """
    text = " ".join(text.split())
    names = [name for part in _divide(_SPLIT_AND, f" {text}") if (name := part.strip())]
    if len(names) == 1 and (";" in text or text.count(",") > 2) and not names[0].startswith("{"):
        return parse_authors(plain_title(text))
    authors = tuple(author for name in names if (author := _author(name)) is not None)
    has_more = bool(authors) and names[-1].strip(" ,").lower() in _OTHERS
    return (*authors, MORE_AUTHORS) if has_more else authors


def _author(name: str) -> Author | None:
    name = name.strip().strip(",").strip()
    if name.lower() in ("and", *_OTHERS):
        return None
    if group := _GROUP.fullmatch(name):
        return Author(plain_title(group[1]), collaboration=True) if plain_title(group[1]) else None
    parts = [plain_title(part) for part in _divide(_SPLIT_COMMA, name)]
    if len(parts) == 1:
        divided = _FAMILY_IN_BRACES.fullmatch(name)
        if divided and (given := plain_title(divided[1])):
            return Author(plain_title(divided[2]), given)
        found = parse_author(parts[0])
    elif len(parts) == 2:
        found = Author(parts[0], parts[1]) if parts[0] else Author(parts[1])
    else:
        found = Author(parts[0], " ".join(parts[2:]), parts[1])
    return found if any(map(str.isalpha, found.name)) else None


def _divide(separator: re.Pattern[str], text: str) -> list[str]:
    """Return the parts of a text between separators outside braces."""
    parts, depth, at = [], 0, 0
    for found in separator.finditer(text):
        if found[0] == "{":
            depth += 1
        elif found[0] == "}":
            depth = max(0, depth - 1)
        elif depth == 0:
            parts.append(text[at : found.start()])
            at = found.end()
    return [*parts, text[at:]]


def _fields(block: object, macros: Mapping[str, str]) -> dict[str, str]:
    """Return the values of an entry's fields by their names in small letters; the first of two wins."""
    fields: dict[str, str] = {}
    for field in getattr(block, "fields", []):
        name, rest = field.key.lower().strip(), str(field.value)
        for _ in range(100):  # fields of one entry without commas between them
            value, rest = _value(rest, macros)
            if value.strip():
                fields.setdefault(name, value)
            following = _FIELD_START.match(rest)
            if following is None:
                break
            name, rest = following[1].lower(), rest[following.end() :]
    return fields


def _value(text: str, macros: Mapping[str, str]) -> tuple[str, str]:
    """Return the value at the beginning of a text, its parts around `#` joined, and the text behind it."""
    parts: list[str] = []
    while True:
        text = text.lstrip()
        if text[:1] == "{":
            end = _end_of_braces(text)
            parts.append(text[1 : end - 1])
        elif text[:1] == '"':
            end = _end_of_quotes(text)
            parts.append(text[1 : end - 1])
        elif word := _WORD.match(text):
            end = word.end()
            parts.append(macros.get(word[0].lower(), word[0]))
        else:
            return "".join(parts), text
        text = text[end:].lstrip()
        if not text.startswith("#"):
            return "".join(parts), text
        text = text[1:]


def _end_of_braces(text: str) -> int:
    depth = 0
    for found in re.finditer(r"(?<!\\)[{}]", text):
        depth += 1 if found[0] == "{" else -1
        if depth == 0:
            return found.end()
    return len(text)


def _end_of_quotes(text: str) -> int:
    depth = 0
    for found in re.finditer(r"(?<!\\)[{}\"]", text[1:]):
        if found[0] == '"' and depth <= 0:
            return found.end() + 1
        depth += (found[0] == "{") - (found[0] == "}")
    return len(text)


def _with_parents(fields: dict[str, str], by_key: Mapping[str, dict[str, str]]) -> dict[str, str]:
    """Return the fields of an entry with those of the entries that it refers to; their title is its book's title."""
    for _ in range(_CROSS_REFERENCED):
        book, data = fields.get("crossref"), fields.get("xdata")
        key = book or (data or "").partition(",")[0]
        parent = by_key.get(key.strip().lower()) if key else None
        if parent is None or parent is fields:
            return fields
        inherited = dict(parent)
        if book:
            title = inherited.pop("title", "")
            for name in ("author", "abstract", "doi", "eprint", "keywords", "url", "crossref", "xdata"):
                inherited.pop(name, None)
            inherited |= {"booktitle": inherited.get("booktitle") or title} if title else {}
        fields = {**inherited, **{name: value for name, value in fields.items() if name not in ("crossref", "xdata")}}
        if book is None and "xdata" in parent:
            fields["xdata"] = parent["xdata"]
    return fields


def _entry(line: int, kind: str, key: str, fields: Mapping[str, str]) -> Entry:
    get = fields.get
    archive = (get("archiveprefix") or get("eprinttype") or "arxiv").lower()
    url = web_address(get("url", "").replace("\\", "")) or web_address(get("howpublished", "").replace("\\", ""))
    journal = next((journal_of_macro(plain_title(fields[name])) for name in _FIRST_FIELDS if name in fields), "")
    eprints = [get("eprint", "") if archive == "arxiv" else "", get("arxivid", ""), url, journal, get("note", "")]
    if journal.lower() == "corr":
        eprints.append(get("volume", ""))
    arxiv_id, doi = find_ids(get("doi", "") or doi_of_address(url), (plain_title(text[:500]) for text in eprints))
    if names_arxiv(journal, arxiv_id) or web_address(journal):
        journal = ""
    authors, editors = bibtex_names(get("author", "")), bibtex_names(get("editor", ""))
    title, subtitle = plain_title(get("title", "")), plain_title(get("subtitle", ""))
    primary = get("primaryclass", get("eprintclass", "")).strip()
    keywords = split_keywords(plain_title(get(name, "")) for name in ("keywords", "keyword", "mendeley-tags", "tags"))
    number = page_range(plain_title(get("number", "") or get("issue", "")))
    return Entry(
        line=line,
        title=f"{title}: {subtitle}" if title and subtitle else title or subtitle,
        abstract=plain_abstract(get("abstract", "")),
        authors=authors or editors,
        arxiv_id=arxiv_id,
        doi=doi,
        keywords=tuple(dict.fromkeys((primary, *keywords))) if primary in CATEGORIES else keywords,
        publication=Publication(
            kind=_kind(kind, get("type", "")),
            key=clean_key(key),
            venue=short(journal),
            volume=short(plain_title(get("volume", ""))) if journal else "",
            number=number if journal or kind != "article" else "",
            pages=page_range(plain_title(get("pages") or get("eid") or get("articleno") or "")),
            series=short(plain_title(get("series", ""))),
            publisher=publisher_of(
                next((plain_title(fields[name]) for name in _PUBLISHERS if name in fields), ""), arxiv_id
            ),
            url=url,
            date=find_date(get("date") or get("year", ""), plain_title(get("month", "")), get("day", "")),
            edited=bool(editors) and not authors,
        ),
    )


def _kind(kind: str, of: str) -> str:
    found = _KINDS.get(kind, "misc") or kind
    return "mastersthesis" if found == "phdthesis" and (kind == "masterthesis" or _MASTERS.search(of[:200])) else found


def _fault(error: object) -> str:
    return str(getattr(error, "abort_reason", error)).strip()[:200]
