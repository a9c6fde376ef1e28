"""Join the conditions of a query by `AND`, `OR`, `NOT`, `ANDNOT` and brackets.

`AND` binds before `OR`. `ANDNOT`, and `NOT` behind a condition, take papers away from all that stands to their left
in the same brackets. A space binds least: what it divides must hold together. These signs act only beside a field, a
phrase or brackets that hold one; elsewhere they are words. Words beside `OR` or behind `NOT` are conditions of their
own, as else every paper would be found; all other words only rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

from retrieval_service.filter import Clause, Condition, Field, join_all, join_any, negate
from retrieval_service.search.query_fields import Term
from retrieval_service.search.sentences import Sentence, sentence

BOOLEANS = {"AND": "AND", "&&": "AND", "OR": "OR", "|": "OR", "||": "OR", "NOT": "NOT", "ANDNOT": "ANDNOT"}
"""The signs that join conditions, and what each means."""

_DEEPEST = 20


@dataclass
class _Group:
    """Items between two brackets; `acts` if brackets and signs in it join."""

    items: list[_Item] = field(default_factory=list)
    acts: bool = False

    @property
    def has_terms(self) -> bool:
        return any(isinstance(item, Term) or (isinstance(item, _Group) and item.has_terms) for item in self.items)


@dataclass(frozen=True)
class _Words:
    """Words that stand together."""

    text: str


@dataclass(frozen=True)
class _Sign:
    """`AND`, `OR`, `NOT` or `ANDNOT`, as it was written."""

    text: str

    @property
    def meaning(self) -> str:
        return BOOLEANS[self.text]


_Item: TypeAlias = "Term | _Group | _Words | _Sign"


def join_terms(pieces: Sequence[str | Term], notes: list[Sentence]) -> tuple[list[str], list[Term]]:
    """Return the words that rank papers, and the conditions that must hold together.

    Args:
        pieces: Conditions, words, signs and single brackets, in order.
        notes: Gets what the reader should know.
    """
    group = _in_groups(pieces, notes)
    _mark(group)
    return _Joined(notes).top(group)


def _in_groups(pieces: Sequence[str | Term], notes: list[Sentence]) -> _Group:
    open_groups, unpaired = [_Group()], False
    for piece in pieces:
        if piece == "(" and len(open_groups) <= _DEEPEST:
            inner = _Group()
            open_groups[-1].items.append(inner)
            open_groups.append(inner)
        elif piece == ")" and len(open_groups) > 1:
            open_groups.pop()
        elif piece in ("(", ")"):
            unpaired = True
        elif isinstance(piece, Term):
            open_groups[-1].items.append(piece)
        else:
            open_groups[-1].items.append(_Sign(piece) if piece in BOOLEANS else _Words(piece))
    if unpaired or len(open_groups) > 1:
        notes.append(sentence("bracket_alone"))
    return open_groups[0]


def _mark(group: _Group) -> None:
    """Turn signs and brackets that do not act into words, in a group and in those within it."""
    items = group.items
    signs = [place for place, item in enumerate(items) if isinstance(item, _Sign)]
    acting = {place for place in signs if group.acts or _beside_a_term(items, place)}
    # A sign divided from an acting one by words or brackets only continues it: ti:a OR word OR word.
    for order in (signs, signs[::-1]):
        for one, other in pairwise(order):
            between = items[min(one, other) + 1 : max(one, other)]
            if one in acting and not any(isinstance(item, Term) for item in between):
                acting.add(other)
    for place in acting:
        for item in items[max(0, place - 1) : place + 2]:
            if isinstance(item, _Group):
                item.acts = True
    marked: list[_Item] = []
    for place, item in enumerate(items):
        if isinstance(item, _Sign) and place not in acting:
            marked.append(_Words(item.text))
        elif isinstance(item, _Group):
            _mark(item)
            marked += [item] if item.acts or item.has_terms else _as_words(item)
        else:
            marked.append(item)
    group.items = marked


def _beside_a_term(items: Sequence[_Item], place: int) -> bool:
    beside = [*items[max(0, place - 1) : place], *items[place + 1 : place + 2]]
    # "AND NOT" and "OR NOT": the second sign is as good as what stands behind it.
    if place + 2 < len(items) and isinstance(items[place + 1], _Sign):
        beside.append(items[place + 2])
    if place > 1 and isinstance(items[place - 1], _Sign):
        beside.append(items[place - 2])
    return any(isinstance(item, Term) or (isinstance(item, _Group) and item.has_terms) for item in beside)


def _as_words(group: _Group) -> list[_Item]:
    texts = [item.text for item in group.items if isinstance(item, _Words)]
    return [_Words(f"({' '.join(texts)})")] if texts else []


@dataclass(frozen=True)
class _Node:
    """A part of the query: a condition with its words, or words alone.

    Attributes:
        condition: The condition; for words, the condition that each of them occurs.
        text: The part as it was written.
        ranks: Words that rank the papers.
        kind: "words" if no field and no phrase made it, "any", "all" or "term".
        parts: The parts that must all hold.
    """

    condition: Condition | None
    text: str
    ranks: str
    kind: str = "term"
    parts: tuple[_Node, ...] = ()


class _Joined:
    """Joins the items of a query."""

    def __init__(self, notes: list[Sentence]) -> None:
        """Take the list that gets notes."""
        self._notes = notes
        self._words: list[str] = []

    def top(self, group: _Group) -> tuple[list[str], list[Term]]:
        """Return the words that rank, and the conditions."""
        words: list[str] = []
        terms: list[Term] = []
        for node in _flat(self._sequence(group.items)):
            if node.ranks:
                words.append(node.ranks)
            if node.condition is not None and node.kind != "words":
                terms.append(Term(node.condition, node.text))
        if self._words:
            shown = ", ".join(dict.fromkeys(self._words))[:200]
            self._notes.append(sentence("words_are_conditions", words=shown))
        return words, terms

    def _sequence(self, items: Sequence[_Item]) -> list[_Node]:
        """Return the parts of a sequence that must hold together."""
        found: list[_Node] = []
        place = 0
        while place < len(items):
            place, node = self._expression(items, place)
            if node is not None:
                found.append(node)
        return found

    def _expression(self, items: Sequence[_Item], place: int) -> tuple[int, _Node | None]:
        """Return the end of what signs join from a place on, and the part."""
        alternatives: list[list[_Node]] = [[]]
        sign, negated, begun = "", False, place
        while place < len(items):
            item = items[place]
            if isinstance(item, _Sign):
                if (item.meaning == "NOT" and sign == "OR") or (item.meaning == "NOT" and place == begun):
                    negated = not negated
                elif item.meaning in ("NOT", "ANDNOT"):
                    sign, negated = "ANDNOT" if any(alternatives) else "", True
                elif sign or negated or not any(alternatives):
                    self._notes.append(sentence("joins_nothing", text=item.text))
                else:
                    sign = item.meaning
                place += 1
                continue
            if any(alternatives) and not (sign or negated):
                break
            place, node = self._operand(items, place)
            if node is None:
                continue
            node = self._negated(node) if negated else node
            if sign == "OR":
                alternatives.append([node])
            elif sign == "ANDNOT":
                alternatives = [[*self._one(alternatives), node]]
            else:
                alternatives[-1].append(node)
            sign, negated = "", False
        if sign or negated:
            self._notes.append(sentence("last_joins_nothing"))
        nodes = self._one([nodes for nodes in alternatives if nodes]) if any(alternatives) else []
        return place, _all(nodes) if nodes else None

    def _operand(self, items: Sequence[_Item], place: int) -> tuple[int, _Node | None]:
        item = items[place]
        if isinstance(item, Term):
            return place + 1, _Node(item.condition, item.text, item.ranks)
        if isinstance(item, _Group):
            nodes = self._sequence(item.items)
            return place + 1, _all(nodes) if nodes else None
        run: list[str] = []
        while place < len(items) and isinstance(word := items[place], _Words):
            run.append(word.text)
            place += 1
        text = " ".join(run)
        clauses = [Clause(Field.ANYWHERE, (word,)) for word in run if any(map(str.isalnum, word))]
        return place, _Node(join_all(clauses) if clauses else None, text, text, "words")

    def _one(self, alternatives: list[list[_Node]]) -> list[_Node]:
        """Return the parts that must hold together, of alternatives."""
        if len(alternatives) == 1:
            return alternatives[0]
        nodes = [_all(nodes) for nodes in alternatives]
        for node in nodes:
            self._collect_words(node)
        conditions = [node.condition for node in nodes if node.condition is not None]
        if not conditions:
            return nodes
        of_words = all(part.kind == "words" for part in _flat(nodes))
        # Between words alone, OR is a word: in quotation marks they stay conditions when the text is read again.
        text = " OR ".join(filter(None, (_quoted(node) if of_words else node.text for node in nodes)))
        ranks = " ".join(node.ranks for node in nodes if node.ranks)
        return [_Node(join_any(conditions), text, ranks, "any")]

    def _negated(self, node: _Node) -> _Node:
        self._collect_words(node)
        if node.condition is None:
            return node
        if node.kind == "term" and node.text.startswith("-"):
            text = node.text[1:]
            if ":" not in text and not text.startswith('"'):
                text = f'"{text}"'  # a word alone would only rank
        else:
            text = f"-{_bracketed(node)}" if node.kind == "term" else f"NOT {_bracketed(node)}"
        return _Node(negate(node.condition), text, "")

    def _collect_words(self, node: _Node) -> None:
        self._words += [part.text for part in _flat([node]) if part.kind == "words"]


def _flat(nodes: Sequence[_Node]) -> list[_Node]:
    return [inner for node in nodes for inner in (_flat(node.parts) if node.kind == "all" else [node])]


def _all(nodes: Sequence[_Node]) -> _Node:
    if len(nodes) == 1:
        return nodes[0]
    conditions = [node.condition for node in nodes if node.condition is not None]
    text = " AND ".join(_bracketed(node) if node.kind == "any" else node.text for node in nodes)
    ranks = " ".join(node.ranks for node in nodes if node.ranks)
    return _Node(join_all(conditions) if conditions else None, text, ranks, "all", tuple(nodes))


def _bracketed(node: _Node) -> str:
    return f"({node.text})" if node.kind in ("any", "all") else node.text


def _quoted(node: _Node) -> str:
    words = (word for part in _flat([node]) for word in part.text.split() if any(map(str.isalnum, word)))
    return " AND ".join(word if '"' in word else f'"{word}"' for word in words)
