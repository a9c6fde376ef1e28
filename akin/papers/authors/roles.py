"""Recognition of what a list of names has besides people: collaborations, suffixes, "et al.", marks of footnotes.

Every name of a list goes through here, whether it was cut out of a printed list or comes divided.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from akin.papers.authors.author import Author
from akin.papers.authors.person import divide, is_initials, is_suffix

Name = tuple[str, Author | None]
"""A name in natural order, and the author if the source divides it."""

_KINDS = "collab(?:oration)?|consortium|team|group|experiment|project|alliance|initiative|committee|survey"
_PLURALS = {
    "collaborations": "Collaboration", "consortia": "Consortium", "consortiums": "Consortium", "teams": "Team",
    "groups": "Group", "experiments": "Experiment", "projects": "Project", "surveys": "Survey",
}  # fmt: skip
_INSTITUTIONS = (
    r"universit\w{1,3}|institut[eo]?|istituto|osservatorio|observatory|laborator(?:y|ies)|department|cent(?:er|re)|academy"
    r"|foundation|corporation|inc|ltd|gmbh"
)
UNUSUAL_WORDS = (
    rf"\b(?:{_KINDS}|{'|'.join(_PLURALS)}|{_INSTITUTIONS}|et\.? ?al|others|for|behalf|representing|members?|authors?"
    r"|eds?|editors?|appendix|by|the|ph\.? ?d|m\. ?d|md|m\.? ?sc)\b"
)
_KIND = re.compile(rf"(?:^|[\s-])(?:{_KINDS})\.?$", re.IGNORECASE)
_KIND_WITHIN = re.compile(r"\s(?:collaboration|consortium|team|working group)\s", re.IGNORECASE)
_INSTITUTION = re.compile(rf"\b(?:{_INSTITUTIONS})\b", re.IGNORECASE)
_FOR = re.compile(r"(?:^|\s)(?:on (?:the )?behalf of|representing|members? of|for)\s+", re.IGNORECASE)
_THE = re.compile(r"the\s+", re.IGNORECASE)
_NO_PERSON = re.compile(
    r"(?:et\.? ?al\w?|(?:and )?others|authors?|by|ph\.? ?d|m\. ?d|md|m\.? ?sc|eds?|editors?)\.?", re.IGNORECASE
)
_ET_AL = re.compile(r"\s(?:et\.? ?al|and others)\b.*", re.IGNORECASE)
_LETTER = re.compile(r"[^\W\d_]")
_INITIALS = re.compile("[A-ZÀ-ÖØ-Þ]{1,3}")
_NO_INITIALS = frozenset(("NG", "I", "IV", "V"))
_VOWEL = re.compile("[AEIOUY]")
_MARKS_BEFORE = re.compile(
    r"\d+(?:\s+|(?=[^\W\d_]{2}))|(?:and|by|&)\s+"
    r"|with (?:an?|the) (?:appendix|appendices|contributions?)(?: \w+)? by\s+",
    re.IGNORECASE,
)
_MARKS_BEHIND = re.compile(r"(?<=[^\W\d_])\s?\d+$")
_ACRONYM = re.compile(r"[A-Z]{3}")
_EDGES = ' \t,;:*#|/^_+=<>"“”«»†‡§¶∗⋆★✉⁎'


def authors_of(names: Iterable[Name]) -> list[Author]:
    """Return the people and collaborations of a list of names, in its order, each collaboration once."""
    found: list[Author] = []
    since_for = -1  # place of "for the KAPPA", to which "LUMEN Collaborations" may follow
    for printed, divided in names:
        name = _ET_AL.sub("", printed.strip(_EDGES)).rstrip(_EDGES)
        if not _LETTER.search(name) or _NO_PERSON.fullmatch(name):
            continue
        if is_suffix(name) and found and not (found[-1].suffix or found[-1].collaboration):
            found[-1] = Author(found[-1].family, found[-1].given, name)
            continue
        person, group = _parts(name)
        if person:
            found.append(_person(person, printed, divided))
        if not group:
            continue
        if plural := _PLURALS.get(_last_word(group)):
            _divide_plural(found, group, plural, since_for)
        elif _KIND.search(group) and 0 <= since_for < len(found):
            # "for the Science and Technology Group" was cut at its "and".
            parts = [one.name for one in found[since_for:]]
            found[since_for:] = [_group(f"{', '.join(parts)} and {_without_article(group)}")]
        else:
            found.append(_group(group))
        since_for = len(found) - 1 if not _is_complete(group) else -1
    known: dict[str, None] = {}
    return [one for one in found if not one.collaboration or _first(known, group_key(one.family))]


def join_initials(names: list[Name]) -> list[Name]:
    """Return the names of a list; where family names and initials alternate, "Lind, A., Reyes, B.", join them.

    "Lind A, Reyes BC", PubMed's manner, has initials without dots behind each family name.
    """
    if len(names) > 1 and names[0][0][-1:].isupper() and (turned := initials_last(names)):
        return turned
    if len(names) < 2 or not any(is_initials(name) for name, _ in names):
        return names
    people = [name for name, _ in names if not _is_complete(name) and not _NO_PERSON.fullmatch(name)]
    one_word = len(people) == 2 and divide(f"A {people[0]}").family == people[0]
    if len(people) % 2 or not (len(people) > 2 or one_word):
        return names
    if not all(map(is_initials, people[1::2])) or any(map(is_initials, people[::2])):
        return names
    families = set(people[::2])
    joined: list[Name] = []
    given = iter(people[1::2])
    for name, _ in names:
        if name in families:
            initials = next(given)
            joined.append((f"{initials} {name}", Author(name, initials)))
        elif not is_initials(name):
            joined.append((name, None))
    return joined


def initials_last(names: list[Name]) -> list[Name]:
    """Return the names of a list in PubMed's manner, divided; an empty list if one of them has another manner."""
    found: list[Name] = []
    certain = False
    for name, divided in names:
        if divided is None and _KIND.search(name):
            found.append((name, None))
            continue
        family, _, initials = name.rpartition(" ")
        if divided is not None or not family[-1:].islower() or not _INITIALS.fullmatch(initials):
            return []
        # "Xiaoming LI" has its family name in capitals, and "Ed Poe V" a suffix.
        certain |= not (_VOWEL.search(initials[1:]) or initials in _NO_INITIALS)
        found.append((f"{initials} {family}", Author(family, initials)))
    return found if certain else []


def group_key(name: str) -> str:
    """Return what equals in two spellings of one collaboration: "The X Collaboration" and "X collaboration"."""
    return _without_article(name).casefold()


def group_in_brackets(text: str) -> str | None:
    """Return the collaboration in brackets behind people, "(for the STAR Collaboration)", or None if there is none."""
    text = " ".join(text.split())
    start = _FOR.match(text)
    name = _without_article(text[start.end() :] if start else text)
    said = bool(start) or _last_word(name) in ("collaboration", "collaborations", "consortium", "consortia")
    return name if said and "," not in name and (_KIND.search(name) or _last_word(name) in _PLURALS) else None


def is_institution(name: str) -> bool:
    """Return True if a name has a word such as University."""
    return bool(_INSTITUTION.search(name))


def _parts(name: str) -> tuple[str, str]:
    """Return the person and the collaboration in a name; either may be empty."""
    if start := _FOR.search(name):
        who, what = name[: start.start()].rstrip(_EDGES), name[start.end() :]
        if not who:
            return "", _without_article(what)
        if _is_complete(what) or (" " in who and not is_institution(who)):
            return who, _without_article(what)
    words = name.count(" ")
    if name.startswith("the ") and words > 1:
        return "", name[4:]
    initials = name.rpartition(" ")[0]
    if (
        words
        and not is_initials(initials.split(" ")[0] if "." in initials else "")
        and (_is_complete(name) or _KIND_WITHIN.search(name) or is_institution(name))
    ):
        return "", name
    return name, ""


def _person(name: str, printed: str, divided: Author | None) -> Author:
    if start := _MARKS_BEFORE.match(name):
        name = name[start.end() :]
    if " " in name:
        name = _MARKS_BEHIND.sub("", name).strip(_EDGES)
    return divided if divided is not None and name == printed else divide(name)


def _divide_plural(found: list[Author], last: str, kind: str, since_for: int) -> None:
    """Turn "KAPPA" and "LUMEN Collaborations" into the collaborations of these names."""
    first = since_for if 0 <= since_for < len(found) else len(found)
    while first > 0 and since_for < 0 and _may_be_group(found[first - 1]):
        first -= 1
    names = [one.name for one in found[first:]]
    if not names:
        found.append(_group(last))
        return
    names.append(last.rpartition(" ")[0])
    found[first:] = [
        _group(name if _is_complete(name) else f"{_without_article(name)} {kind}") for name in names if name
    ]


def _may_be_group(author: Author) -> bool:
    return not author.suffix and (not author.given or bool(_ACRONYM.search(author.name)))


def _group(name: str) -> Author:
    return Author(name.strip(_EDGES), collaboration=True)


def _is_complete(name: str) -> bool:
    return bool(_KIND.search(name)) or _last_word(name) in _PLURALS


def _last_word(name: str) -> str:
    return name.rpartition(" ")[2].lower()


def _without_article(name: str) -> str:
    start = _THE.match(name)
    return name[start.end() :] if start else name


def _first(known: dict[str, None], key: str) -> bool:
    first = key not in known
    known[key] = None
    return first
