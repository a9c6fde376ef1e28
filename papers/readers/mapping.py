"""Which field of somebody's record is which field of a paper: `id=_id,title=title,abstract=text`."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as MappingABC

import msgspec

from papers.errors import MappingError

_TARGETS = ("id", "title", "abstract", "authors", "categories", "published", "updated", "doi", "journal_ref")
_SYNONYMS = {"date": "published", "text": "abstract", "journal-ref": "journal_ref"}

# What other collections call these fields, likeliest first; only ever used to suggest a mapping.
_USUAL_NAMES = {
    "id": ("_id", "id", "paper_id", "arxiv_id", "doc_id", "docid", "corpusid", "paperId", "pid", "uid", "uri", "url"),
    "title": ("title", "name", "paper_title", "heading"),
    "abstract": ("abstract", "text", "summary", "contents", "content", "body", "description", "paperAbstract"),
}


class Mapping(msgspec.Struct, frozen=True):
    """The source's field for each of a paper's; None where the source has none.

    A dot reaches into nested objects ("meta.title") unless the source has a field of that very name.
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

    def __str__(self) -> str:
        """As it is written: `id=_id,title=title,abstract=text`."""
        return ",".join(f"{target}={field}" for target, field in self.items())

    def items(self) -> list[tuple[str, str]]:
        """Pairs of a paper's field and the source's, of those that are mapped."""
        return [(name, field) for name in _TARGETS if (field := getattr(self, name)) is not None]


def parse_mapping(mapping: str | MappingABC[str, str] | Mapping) -> Mapping:
    """A mapping from how it is written on a command line or as a dictionary.

    Raises:
        MappingError: it names a field no paper has, names one twice, or lacks the id or both title and abstract.
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
    """Refuses a mapping that names a field which the file does not have.

    Args:
        mapping: the mapping.
        known: the fields seen at the file's head, nested ones with dots.

    Raises:
        MappingError: a field is not among them; the message lists those that are.
    """
    fields = list(dict.fromkeys(known))
    for target, field in mapping.items():
        if field not in fields:
            raise MappingError(f"there is no field {field!r} (mapped to {target!r}); there are {listing(fields)}")


def suggest_mapping(known: Iterable[str]) -> Mapping | None:
    """The mapping that the usual names suggest for a file with these fields, if they suggest one."""
    fields = set(known)
    found = {target: next((name for name in names if name in fields), None) for target, names in _USUAL_NAMES.items()}
    if found["id"] is None or not (found["title"] or found["abstract"]):
        return None
    return Mapping(id=found["id"], title=found["title"], abstract=found["abstract"])


def mapping_by_own_names(known: Iterable[str]) -> Mapping | None:
    """The mapping of a file whose fields have a paper's own names, if it has the id, the title and the abstract."""
    fields = list(known)
    if not {"id", "title", "abstract"} <= set(fields):
        return None
    return Mapping(
        **{_SYNONYMS.get(field, field): field for field in fields if _SYNONYMS.get(field, field) in _TARGETS}
    )


def listing(fields: Iterable[str]) -> str:
    """Field names for a message, cut where nobody would read on."""
    names = list(fields)
    return ", ".join(repr(name) for name in names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def _pair(part: str) -> tuple[str, str]:
    name, equals, field = part.partition("=")
    if not equals or not name.strip() or not field.strip():
        raise MappingError(f"{part.strip()!r} is no part of a mapping; write id=_id,title=title,abstract=text")
    return name.strip(), field.strip()
