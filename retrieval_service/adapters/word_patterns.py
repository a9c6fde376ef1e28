"""Find words by a pattern, `photo*` or `wom?n`, in the lexical index.

The index holds stems, not the words themselves: `photovoltaic` is `photovolta`. So a beginning also finds the stems
that it has with common endings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tantivy import Query, Schema

from retrieval_service.adapters.english import english_analyzer, name_analyzer
from retrieval_service.adapters.tex import to_plain_text
from retrieval_service.filter import Clause, Field

_ENDINGS = (
    *("", "e", "s", "es", "y", "ed", "er", "al", "ic", "ly", "ing", "ion", "ity", "ive", "ize", "ous", "able", "ical"),
    *("ally", "ment", "ness", "ance", "ence", "ation", "ations", "ization", "ically", "fulness", "iveness"),
)
_REST_OF_ENDINGS = sorted({ending[begun:] for ending in _ENDINGS for begun in range(len(ending) + 1)})
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
                if name != "author":
                    found += [Query.term_query(self._schema, name, stem, "freq") for stem in self._stems(value)]
        return found

    def _expression(self, value: str, name: str) -> str:
        # Initials are terms of their own that end in a star.
        signs = {"*": "[^*]*" if name == "author" else ".*", "?": "[^*]"}
        return "".join(signs.get(part) or re.escape(self._folded(part)) for part in _SIGNS.split(value) if part)

    def _folded(self, part: str) -> str:
        return "".join(self._names.analyze(to_plain_text(part)))

    def _stems(self, value: str) -> list[str]:
        """Return the stems that are shorter than the beginning, which the expression cannot find."""
        beginning = value[:-1]
        if not value.endswith("*") or _SIGNS.search(beginning):
            return []
        folded = self._folded(beginning)
        words = " ".join(folded + ending for ending in _REST_OF_ENDINGS)
        return sorted({stem for stem in self._english.analyze(words) if not stem.startswith(folded)})
