"""Find words by a pattern, `photo*` or `wom?n`, in the lexical index.

The index holds stems, not the words themselves: `photovoltaic` is `photovolta`, `operators` is `oper`. So a pattern
also finds the stems of words that it matches: each letter is tried for a `?`, and common endings for a `*`. Letters
behind the last sign are stemmed too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice, product
from string import ascii_lowercase

from tantivy import Query, Schema

from retrieval_service.adapters.english import english_analyzer, name_analyzer
from retrieval_service.adapters.tex import to_plain_text
from retrieval_service.filter import Clause, Field

_ENDINGS = (
    *("", "e", "s", "es", "y", "ed", "er", "al", "ic", "ly", "ing", "ion", "ity", "ive", "ize", "ous", "able", "ical"),
    *("ally", "ment", "ness", "ance", "ence", "ation", "ations", "ization", "ically", "fulness", "iveness"),
)
_REST_OF_ENDINGS = sorted({ending[begun:] for ending in _ENDINGS for begun in range(len(ending) + 1)})
_INSIDE = sorted({rest[:end] for rest in [*_REST_OF_ENDINGS, "ator"] for end in range(len(rest) + 1)})
_UNKNOWN = "obob"  # letters that no rule of the stemmer touches
_MOST_WORDS = 1_000
_SIGNS = re.compile(r"([*?])")


class WordPatterns:
    """Translates clauses with patterns to queries."""

    def __init__(self, schema: Schema, fields: Mapping[Field, Sequence[str]]) -> None:
        """Take the index's schema, and its fields for each field of a clause."""
        self._schema = schema
        self._fields = fields
        self._names = name_analyzer()
        self._english = english_analyzer()

    def queries(self, clause: Clause) -> list[Query]:
        """Return the queries of which a paper meets at least one if it meets the clause, whether it excludes or not."""
        names = ("author",) if clause.field is Field.AUTHOR else self._fields[clause.field]
        found: list[Query] = []
        for value in map(str, clause.values):
            for name in names:
                found.append(Query.regex_query(self._schema, name, self._expression(value, name)))
                if name == "author":
                    continue
                if (stemmed := self._with_stemmed_end(value)) != value:
                    found.append(Query.regex_query(self._schema, name, self._expression(stemmed, name)))
                if stems := self._stems(value):
                    found.append(Query.term_set_query(self._schema, name, list(stems)))
        return found

    def _expression(self, value: str, name: str) -> str:
        # Initials are terms of their own that end in a star.
        signs = {"*": "[^*]*" if name == "author" else ".*", "?": "[^*]"}
        return "".join(signs.get(part) or re.escape(self.plain_word(part)) for part in _SIGNS.split(value) if part)

    def plain_word(self, part: str) -> str:
        """Return a word, or a part of one, in small letters with accents folded, not stemmed."""
        return "".join(self._names.analyze(to_plain_text(part)))

    def _with_stemmed_end(self, value: str) -> str:
        """Return a pattern whose letters behind the last sign are as they are in stems."""
        end = _SIGNS.split(value)[-1]
        if not end:
            return value
        before = value[: -len(end)]
        folded = self.plain_word(_SIGNS.sub(_UNKNOWN, before))
        stem = "".join(self._english.analyze(folded + self.plain_word(end)))
        return before + stem.removeprefix(folded) if stem.startswith(folded) else value

    def _stems(self, value: str) -> list[str]:
        """Return the stems of words that a pattern matches; of a pattern with several `*`, none."""
        parts = _SIGNS.split(value)
        if parts.count("*") > 1:
            return []
        inside = _INSIDE if parts[-1] else _REST_OF_ENDINGS
        choices = {"*": inside, "?": ascii_lowercase}
        ways = product(*(choices.get(part) or (self.plain_word(part),) for part in parts if part))
        return sorted({*self._english.analyze(" ".join(map("".join, islice(ways, _MOST_WORDS))))})
