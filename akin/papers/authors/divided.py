"""Authors of arXiv's `authors_parsed`: lists of family name, given names, suffix and affiliations.

arXiv makes these lists of the printed one, and corrects them in part by hand. Their division of a name is kept. What is
no person in them ("for the KAPPA", ":", "Collaboration") is read as in a printed list.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from akin.papers.authors.author import Author
from akin.papers.authors.person import divide, is_suffix, tidy
from akin.papers.authors.printed import UNUSUAL, join_tex, parse_authors
from akin.papers.authors.roles import Name, authors_of, group_in_brackets, join_initials
from akin.papers.text import clean_text

_GROUPS = re.compile("collaborat|consorti|group|team|behalf|for the|project|experiment", re.IGNORECASE)


def snapshot_authors(text: str | list[str] | None, parsed: Sequence[Sequence[str]]) -> tuple[Author, ...]:
    """Return the authors of a record that has the printed list and the divided one.

    Where collaborations are among them, the printed list may say more: arXiv's rule cuts "KAPPA/LUMEN Collaboration"
    and "B. Reyes for the KAPPA and LUMEN Collaborations" into pieces. Then the collaborations of the printed list are
    taken, with the people of the divided one. A list with more people than the other is taken as it is.
    """
    divided = divided_authors(parsed)
    text = ", ".join(text) if isinstance(text, list) else text
    if not text or not _GROUPS.search(text):
        return divided
    printed = parse_authors(text)
    people = [author for author in divided if not author.collaboration]
    count = sum(not author.collaboration for author in printed)
    if len(people) != count:
        return divided if len(people) > count else printed
    following = iter(people)
    return tuple(author if author.collaboration else _fuller(author, next(following)) for author in printed)


def divided_authors(parsed: Sequence[Sequence[str]]) -> tuple[Author, ...]:
    """Return the authors of the lists: family name, given names, suffix and affiliations each."""
    names = join_initials(_names(parsed))
    if UNUSUAL.search(" ".join([name for name, _ in names])) is None:
        return tuple([author for _, author in names if author is not None and author.family])
    return tuple(authors_of(names))


def _fuller(printed: Author, divided: Author) -> Author:
    return printed if not divided.given and printed.family == divided.family else divided


def _names(parsed: Sequence[Sequence[str]]) -> list[Name]:
    names: list[Name] = []
    groups: dict[str, None] = {}
    for parts in parsed:
        family, given, suffix = (tidy(clean_text(part)).strip(" ,") for part in (*parts[:3], "", "", "")[:3])
        author = Author(family, given, suffix)
        if is_suffix(family) and " " in given and not suffix:
            author = divide(f"{given} {family}")  # arXiv's rule does not know "IV."
        name = author.name
        if "\\" in name or "~" in name:
            name = " ".join(join_tex(name).split())
        names.append((name, author if name == author.name else divide(name)))
        for affiliation in parts[3:]:
            if group := group_in_brackets(affiliation):
                groups[group] = None
    return names + [(group, None) for group in groups]
