"""Parse the query box: words that rank papers, and conditions that papers meet.

    "neural operator" -transformer au:"Zongyi Li" cat:cs.LG,math.* turbulence
    (au:"Ada Verne" OR au:"Ivo Kestrel") ANDNOT ti:survey

Conditions are the same for both searches, dense and lexical. Users paste titles and abstracts with hyphens, colons,
brackets and capitals, so unclear cases are words: `AND`, `OR`, `NOT`, `ANDNOT` and brackets act only beside a field or
a phrase (`boolean_query` joins them), and a text longer than `LONGEST_WITH_OPERATORS` has no operators unless it
consists of nothing else. What looks like an operator and is not read gets a note.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from retrieval_service.filter import Condition, negate
from retrieval_service.search.boolean_query import BOOLEANS, join_terms
from retrieval_service.search.pasted_queries import unpack_query
from retrieval_service.search.query_fields import NAMES, Term, day_range, day_term, read_term
from retrieval_service.search.sentences import Sentence, sentence

LONGEST_WITH_OPERATORS = 300
"""Characters. A longer query is a pasted text, unless all of it is operators."""

LONGEST_OF_OPERATORS = 4_000
"""Characters of a query that is all operators."""

_NAMES = "|".join(sorted(NAMES, key=len, reverse=True))
_UMLAUT = r"""\\"(?=[A-Za-z{])"""  # TeX's, as in Schr\"odinger: no quotation mark
_PHRASE = rf"""(?:[^"\\]|{_UMLAUT}|\\(?!"[A-Za-z{{]))*"""
_RANGE = r"""\[[^\[\]"\s]{0,20}\s+TO\s+[^\[\]"\s]{0,20}\]"""
_VALUE = rf"""(?:"(?P<phrase>{_PHRASE})"(?!\w)|(?P<range>{_RANGE})|(?P<word>[^\s"]\S*))"""
_OPENS = r"\((?!\)|[^\s()]{1,40}\)[^\s()])"  # a field's bracket, and not that of ti:(2+1)-dimensional
_PIECE = re.compile(rf"(?<!\S)(?P<not>-)?(?:(?P<name>{_NAMES}):)?{_VALUE}")
_PIECE_IN_BRACKETS = re.compile(
    rf"(?<!\S)(?P<opens>\(*)(?P<not>-)?(?P<inner>\(*)(?:(?P<name>{_NAMES}):(?P<group>{_OPENS})?)?{_VALUE}(?P<closes>\)*)"
)
_EXCLUDABLE = re.compile(r"[^\W\d_](?:[\w.'’-]*\w)?")  # a word, and no bracket or colon that belongs to a sentence
# Invisible characters, which are pasted with a text, are removed.
_QUOTES = str.maketrans(
    dict.fromkeys("“”„«»＂〝〞「」『』", '"') | dict.fromkeys("\u200b\u200e\u200f\u2060\ufeff\u00ad", "")
)
_SINGLE_QUOTES = re.compile(rf"(?<![^\s(-])((?:{_NAMES}):)['‘]([^'‘’\"]*)['’](?!\w)")
_WIDE_COLON = re.compile(rf"(?<![^\s(-])({_NAMES})：")
_GLUED_FIELD = re.compile(rf"(?<=\")[&,;+]+(?=-?(?:{_NAMES}):)")
_MAY_HAVE_OPERATORS = re.compile(r"[\":：\-\[“”„«»＂〝〞「『*=]|\.\.|\b(?:AND|OR|NOT|ANDNOT)\b")
_FIELD = re.compile(rf"(?<![^\s(])[-(]*(?:{_NAMES}):[^\s]")
_BRACKET_BEFORE_FIELD = re.compile(
    rf"(?<![^\s(])-?\([(-]*(?:(?:{_NAMES}):\S|\")|(?<![^\s(-])(?:{_NAMES}):{_OPENS}[^\s)]"
)
_BOOLEAN = re.compile(r"(?<![^\s)\"])(?:AND|OR|NOT|ANDNOT|\|\|?|&&)(?![^\s(\"])")
_GLUED = re.compile(r"\"[^\"]*\"|(?<=\s)(AND|OR|NOT|ANDNOT)(?=[(\"])|(?<=[)\"])(AND|OR|ANDNOT)(?=[\s(])")
_UNPAIRED = re.compile(rf"(?<!\S)-?(?:(?:{_NAMES}):)?\"\w")


@dataclass(frozen=True)
class Operator:
    """One condition of a query; all of a query's hold at the same time.

    Attributes:
        condition: The condition, with its values as they were written.
        text: The condition as it was written.
    """

    condition: Condition
    text: str


@dataclass(frozen=True)
class ParsedQuery:
    """A query, split into words and operators.

    Attributes:
        words: The words that papers are ranked by; blank when there are only operators.
        operators: In the order written.
        notes: What was not read, or was read in another way.
    """

    words: str
    operators: tuple[Operator, ...] = ()
    notes: tuple[Sentence, ...] = ()


def parse_query(text: str) -> ParsedQuery:
    """Split a query into words and operators.

    Raises:
        InvalidQuery: A day in the query does not exist, or a range ends before it begins.
    """
    notes: list[Sentence] = []
    plain = unpack_query(text, notes)
    if _MAY_HAVE_OPERATORS.search(plain) is None:
        return ParsedQuery(plain, (), tuple(notes))
    if len(plain) > LONGEST_WITH_OPERATORS:
        return _parse_long(plain, notes)
    return _parse(plain, notes)


def _parse_long(text: str, notes: list[Sentence]) -> ParsedQuery:
    if _FIELD.search(_plain(text)) is None:
        return ParsedQuery(text, (), tuple(notes))
    if len(text) <= LONGEST_OF_OPERATORS:
        found = _parse(text, (own := list(notes)), only_operators=True)
        if found.operators:
            return ParsedQuery(found.words, found.operators, tuple(own))
    notes.append(sentence("long_text", most=LONGEST_WITH_OPERATORS))
    return ParsedQuery(text, (), tuple(notes))


def _parse(text: str, notes: list[Sentence], only_operators: bool = False) -> ParsedQuery:
    written = _plain(text)
    has_fields = _FIELD.search(written) is not None
    if (has_fields or '"' in written) and _joins(written, has_fields):
        words, terms = _in_brackets(written, notes)
    else:
        words, terms = _in_a_row(written, notes)
    _remark(written, bool(terms), has_fields, notes)
    if only_operators:
        conditions = " ".join(term.text for term in terms)
        if not all(word in conditions for word in " ".join(words).split()):
            return ParsedQuery(text)
    # Without operators the text stays as it was typed.
    if not terms:
        return ParsedQuery(text, (), tuple(notes))
    operators = tuple(Operator(term.condition, term.text) for term in terms)
    return ParsedQuery(" ".join(words), operators, tuple(notes))


def _plain(text: str) -> str:
    """Return a query with plain quotation marks and colons, and with spaces before fields."""
    written = text.translate(_QUOTES)
    if "：" in written:
        written = _WIDE_COLON.sub(r"\1:", written)
    if "'" in written or "‘" in written:
        written = _SINGLE_QUOTES.sub(r'\1"\2"', written)
    return _GLUED_FIELD.sub(" ", written) if '"' in written else written


def _joins(written: str, has_fields: bool) -> bool:
    """Return True if brackets or `AND`, `OR`, `NOT`, `ANDNOT` may join the conditions of a query."""
    if has_fields:
        return _BOOLEAN.search(written) is not None or _BRACKET_BEFORE_FIELD.search(written) is not None
    if _BOOLEAN.search(written) is None:
        return False
    # Titles in capitals have the words AND, OR and NOT beside their quotation marks.
    if any(map(str.islower, written)):
        return True
    rest = re.sub(r'-?"[^"]*"|[()]', " ", written)
    return all(word in BOOLEANS for word in rest.split())


def _in_a_row(written: str, notes: list[Sentence]) -> tuple[list[str], list[Term]]:
    """Return the words and the conditions of a query that joins nothing."""
    words: list[str] = []
    terms: list[Term] = []
    for found in _PIECE.finditer(written):
        word, _ = _without_surplus(found["word"] or "") if found["name"] else ("", 0)
        term = _term(found, notes, word or None)
        if term is None:
            words.append(found[0])
            continue
        terms.append(term)
        if term.ranks:
            words.append(term.ranks)
    return words, terms


def _without_surplus(word: str) -> tuple[str, int]:
    """Return a word without the brackets at its end that it did not open, and their number."""
    surplus = max(0, word.count(")") - word.count("("))
    closes = min(surplus, len(word) - len(word.rstrip(")")))
    return word[: len(word) - closes], closes


def _in_brackets(written: str, notes: list[Sentence]) -> tuple[list[str], list[Term]]:
    """Return the words and the conditions of a query with brackets, `AND`, `OR`, `NOT` or `ANDNOT`."""
    pieces: list[str | Term] = []
    fields: list[str | None] = [None]
    written = _GLUED.sub(lambda found: f" {sign} " if (sign := found[1] or found[2]) else found[0], written)
    for found in _PIECE_IN_BRACKETS.finditer(written):
        word, closes = found["word"], len(found["closes"] or "")
        if word is not None and not word.strip("()"):
            # Brackets that stand alone.
            for bracket in found[0]:
                pieces.append(bracket)
                fields = [*fields, fields[-1]] if bracket == "(" else fields[:-1] or [None]
            continue
        if word is not None:
            word, closes = _without_surplus(word)
        opens = (found["opens"] or "") + (found["inner"] or "")
        if found["not"] and (found["inner"] or found["group"]):
            pieces.append("NOT")
        pieces += list(opens)
        fields += [fields[-1]] * len(opens)
        if found["group"]:
            pieces.append("(")
            fields.append(found["name"])
        _add(found, word, fields[-1], pieces, notes)
        pieces += [")"] * closes
        fields = fields[: max(1, len(fields) - closes)]
    return join_terms(pieces, notes)


def _add(
    found: re.Match[str], word: str | None, field: str | None, pieces: list[str | Term], notes: list[Sentence]
) -> None:
    """Add one piece of a query: `AND`, `OR` and so on, a condition, or a word."""
    if word in BOOLEANS and not found["name"]:
        pieces.append(word)
        return
    name = found["name"] or field
    grouped = bool(found["inner"] or found["group"])
    term = _term(found, notes, word, name, excluded=found["not"] is not None and not grouped)
    if term is None:
        prefix = ("-" if found["not"] and not grouped else "") + (f"{found['name']}:" if found["name"] else "")
        value = next(part for part in (word, found["phrase"], found["range"]) if part is not None)
        pieces += [prefix + value] if prefix + value else []
    else:
        pieces.append(term)


def _term(
    found: re.Match[str],
    notes: list[Sentence],
    word: str | None = None,
    name: str | None = None,
    *,
    excluded: bool | None = None,
) -> Term | None:
    """Return the condition of one piece; None if it is a word."""
    name, word, phrase = name or found["name"], word or found["word"], found["phrase"]
    excluded = found["not"] is not None if excluded is None else excluded
    value = next(part for part in (phrase, found["range"], word) if part is not None).strip()
    if name is None and phrase is None:
        if not excluded and (days := day_range(value)):
            return day_term(*days, value)
        if not (excluded and _EXCLUDABLE.fullmatch(value)):
            return None
    quoted = phrase is not None
    shown = f'"{phrase}"' if quoted else value
    written = f"{'-' if excluded else ''}{name + ':' if name else ''}{shown}"
    term = read_term(name, value, quoted=quoted, text=written, notes=notes)
    if term is None or not excluded:
        return term
    return Term(negate(term.condition), term.text)


_OTHER_TAG = re.compile(r"(?<=[\w\"])\s?\[(?:au|ti|tiab|dp|pdat|mesh|author|title|journal|year)\]", re.IGNORECASE)
_SPACE_BEHIND = re.compile(r"(?<!\S)-?(ti|au|abs|cat):(?=\s|$)")
_SPACE_BEHIND_COMMA = re.compile(
    rf"(?<!\S)-?((?:au|author|authors|cat|category|id):[^\s\",]+),\s+(?!-?(?:{_NAMES}):)(?=\w)"
)
_DISTANCE = re.compile(r'(?<=")~\d+')
_CAPITAL_NAME = re.compile(r"(?<!\S)-?(TI|AU|ABS|CAT|Author|Title|Abstract|Category):(?=[\w\"])")
_LOWER_BOOLEAN = re.compile(rf"(?<=[\w\")])\s([Oo]r|[Aa]nd|[Nn]ot|[Aa]nd ?not)\s(?=\(?(?:{_NAMES}):\S)")
_HABITS = (
    (
        re.compile(r"(?<!\S)(?P<pattern>[^\W\d_]{3,40}\*)(?!\S)"),
        "pattern_without_field",
    ),
    (
        re.compile(r"(?<![^\s(])[+&](?P<field>(?:ti|au|abs|cat|all|id|title|author):)\S"),
        "sign_before_field",
    ),
    (
        re.compile(r"(?<![^\s(])[!~](?P<field>(?:ti|au|abs|cat|all|id|title|author):)\S"),
        "other_sign_for_not",
    ),
    (
        re.compile(r"(?<!\S)(?:allintitle|intext|allintext):"),
        "all_in_title",
    ),
    (re.compile(r"(?<!\S)allinauthor:"), "all_in_author"),
    (
        re.compile(r"(?<![^\s(])(?:TI|AU|AB|TS|KEY|ti|au|abs|title|author|abstract)=(?=[\w\"(])"),
        "equals_sign",
    ),
    (
        re.compile(rf"(?<![^\s(])-?(?:{_NAMES}):(?:[^\W\d_]{{3,40}}|\"[^\"]*\")\^\d[\d.]{{0,5}}(?![^\s)])"),
        "no_weight",
    ),
    (
        re.compile(rf"(?<![^\s(])-?(?:{_NAMES}):[^\W\d_]{{2,40}}~\d?(?![^\s)])"),
        "no_similar_words",
    ),
)
"""Signs that other sites read, each with the code of its note."""


def _remark(written: str, found: bool, has_fields: bool, notes: list[Sentence]) -> None:
    """Add notes on what looks like an operator and was read as words."""
    if re.sub(_UMLAUT, "", written).count('"') % 2 and _UNPAIRED.search(written):
        notes.append(sentence("quotation_mark_alone"))
    if tag := _OTHER_TAG.search(written):
        notes.append(sentence("field_behind", text=tag[0].strip()))
    if space := _SPACE_BEHIND.search(written):
        notes.append(sentence("space_behind_field", text=space[0], name=space[1]))
    if comma := _SPACE_BEHIND_COMMA.search(written):
        notes.append(sentence("space_behind_comma", text=comma[1]))
    if distance := _DISTANCE.search(written):
        notes.append(sentence("distance", text=distance[0]))
    if (capital := _CAPITAL_NAME.search(written)) and any(map(str.islower, written)):
        notes.append(sentence("capital_field", text=capital[0]))
    for habit, code in _HABITS:
        if other := habit.search(written):
            notes.append(sentence(code, text=other[0][:60], **other.groupdict()))
    if has_fields and found and (lower := _LOWER_BOOLEAN.search(written)):
        notes.append(sentence("small_boolean", text=lower[1], written=lower[1].upper()))
    if (
        not found
        and (joined := _BOOLEAN.search(written))
        and joined[0] in ("AND", "OR", "ANDNOT", "NOT")
        and any(map(str.islower, written))
    ):
        if joined[0] == "NOT":
            excluded = (written[joined.end() :].split() or ["word"])[0][:40]
            notes.append(sentence("not_of_words", word=excluded))
            return
        notes.append(sentence("boolean_of_words", text=joined[0]))
