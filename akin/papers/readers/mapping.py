"""Mapping of a paper's fields to those of a record: `id=_id,title=title,abstract=text`."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as MappingABC

import msgspec

from akin.papers.errors import MappingError

_TARGETS = (
    "id",
    "title",
    "abstract",
    "authors",
    "categories",
    "published",
    "updated",
    "doi",
    "journal_ref",
    "comments",
    "withdrawn",
    "versions",
)
_SYNONYMS = {"date": "published", "text": "abstract", "journal-ref": "journal_ref", "comment": "comments"}

# Names of these fields in other collections, the most frequent first; only used to suggest a mapping.
_USUAL_NAMES = {
    "id": ("_id", "id", "paper_id", "arxiv_id", "doc_id", "docid", "corpusid", "paperId", "pid", "uid", "uri", "url"),
    "title": ("title", "name", "paper_title", "heading"),
    "abstract": ("abstract", "text", "summary", "contents", "content", "body", "description", "paperAbstract"),
}


class Mapping(msgspec.Struct, frozen=True):
    """Name of the record's field for each of a paper's fields; None if the record has none.

    A dot separates the names of nested objects ("meta.title"), unless the record has a field with exactly that name.
    """

    id: str
    title: str | None = None
    abstract: str | None = None
    authors: str | None = None
    categories: str | None = None
    published: str | None = None
    updated: str | None = None
    doi: str | None = None
    journal_ref: str | None = None
    comments: str | None = None
    withdrawn: str | None = None
    versions: str | None = None
    publication: str | None = None  # only of an export of papers, whose names are a paper's own

    def __str__(self) -> str:
        """Return the form of the command line: `id=_id,title=title,abstract=text`."""
        return ",".join(f"{target}={field}" for target, field in self.items())

    def items(self) -> list[tuple[str, str]]:
        """Return the pairs of a paper's field and the record's field, of the mapped fields."""
        return [(name, field) for name in _TARGETS if (field := getattr(self, name)) is not None]


def parse_mapping(mapping: str | MappingABC[str, str] | Mapping) -> Mapping:
    """Return the mapping that a command line's text or a dictionary describes.

    Raises:
        MappingError: it names a field that papers do not have, names one twice, or lacks the id or both title and
            abstract.
    """
    if isinstance(mapping, Mapping):
        return mapping
    pairs = list(mapping.items()) if not isinstance(mapping, str) else [_pair(part) for part in mapping.split(",")]
    fields: dict[str, str] = {}
    for name, field in pairs:
        target = _SYNONYMS.get(name, name)
        if target not in _TARGETS:
            raise MappingError(f"a paper has no field {name!r}; it has {', '.join(_TARGETS)}")
        if target in fields:
            raise MappingError(f"the mapping names {target!r} twice")
        fields[target] = field
    if "id" not in fields or not {"title", "abstract"} & fields.keys():
        raise MappingError(
            "the mapping must name the id and the title or the abstract: id=_id,title=title,abstract=text"
        )
    return Mapping(**fields)


def check_fields(mapping: Mapping, known: Iterable[str]) -> None:
    """Raise an error if a mapping names a field that the file does not have.

    Args:
        mapping: the mapping.
        known: the fields of the records at the file's beginning; the parts of nested names are joined by dots.

    Raises:
        MappingError: a mapped field is not among them; the message lists them.
    """
    fields = list(dict.fromkeys(known))
    for target, field in mapping.items():
        if field not in fields:
            raise MappingError(
                f"there is no field {field!r} (mapped to {target!r}); the fields are {format_field_names(fields)}"
            )


def suggest_mapping(known: Iterable[str]) -> Mapping | None:
    """Return the mapping that these fields' names suggest, or None if they suggest none."""
    fields = set(known)
    found = {target: next((name for name in names if name in fields), None) for target, names in _USUAL_NAMES.items()}
    if found["id"] is None or not (found["title"] or found["abstract"]):
        return None
    return Mapping(id=found["id"], title=found["title"], abstract=found["abstract"])


def mapping_by_own_names(known: Iterable[str]) -> Mapping | None:
    """Return the mapping of records that name id, title and abstract as papers do; None for all other records.

    Capitals do not count, unless two fields differ in nothing else: then the one of small letters is taken.
    """
    fields = sorted(known, key=str.islower)
    if not {"id", "title", "abstract"} <= {field.lower() for field in fields}:
        return None
    targets = ((_SYNONYMS.get(field.lower(), field.lower()), field) for field in fields)
    return Mapping(**{target: field for target, field in targets if target in (*_TARGETS, "publication")})


def format_field_names(fields: Iterable[str]) -> str:
    """Return at most 20 field names for a message, and the number of the others."""
    names = list(fields)
    return ", ".join(repr(name) for name in names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def _pair(part: str) -> tuple[str, str]:
    name, equals, field = part.partition("=")
    if not equals or not name.strip() or not field.strip():
        raise MappingError(f"{part.strip()!r} is not a part of a mapping; write id=_id,title=title,abstract=text")
    return name.strip(), field.strip()
