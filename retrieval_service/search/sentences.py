"""Sentences of answers for readers, each with a code and values, so that a client can say them in another language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

SENTENCES: Final[Mapping[str, str]] = {
    "comments_not_searched": "{text} was read as words: comments are not searched.",
    "journals_not_searched": "{text} was read as words: journal references are not searched.",
    "reports_not_held": "{text} was read as words: report numbers are not in the corpus.",
    "updates_not_searched": ("{text} was read as words: dates of later versions are not searched; submittedDate: is."),
    "one_corpus": "{text} was read as words: all papers are from one corpus.",
    "order_is_fixed": ("{text} was read as words: words rank the papers; with conditions only, the newest come first."),
    "classes_not_held": (
        "{text} was read as words: classes of MSC and ACM are not in the corpus; cat: reads arXiv's categories."
    ),
    "no_letter": "{text} has no letter and no digit, so it is no condition.",
    "star_not_read": (
        "The * in {text} was not read: it stands for letters in one word without quotation marks, behind at least "
        "{least} letters, as in ti:photo*."
    ),
    "no_date": (
        "{text} was read as words: a date is YYYY, YYYY-MM or YYYY-MM-DD, and a range "
        "submittedDate:[20230101 TO 20231231]."
    ),
    "archive_ended": "{name} ended and became {successor}: write cat:{successor} to find the later papers too.",
    "part_of_address": "Of the address, {names} was passed over: use k, offset and the filters.",
    "bracket_alone": "A bracket has no partner and was passed over; write as many ) as (.",
    "words_are_conditions": (
        "Beside OR or NOT, words are conditions: {words} must be in title or abstract, word by word. Write "
        '"words together" for a phrase.'
    ),
    "joins_nothing": "{text} joins nothing here and was passed over: write a condition on both sides.",
    "last_joins_nothing": "The last AND, OR or NOT joins nothing and was passed over: write a condition behind it.",
    "id_as_word": "{name} was read as a word: write ids or a DOI alone to find papers like these, or id:{name}.",
    "entry_by_title": "The entry names no paper of this corpus, so its title was searched for: {title}",
    "reference_list": (
        "This looks like a list of references, and was searched for as one text. To find each of them, import the text "
        "into a reading list (POST /references/resolve)."
    ),
    "unknown_doi": "No paper of this corpus has the DOI {name}; the text was read as words.",
    "not_in_corpus": "Not in this corpus, and passed over: {names}.",
    "papers_left_out": "A search is for at most {most} papers; the last {count} were passed over.",
    "not_spread": "diversity: results that are sorted by {by} are not spread.",
    "not_boosted": "citation_boost: it has no effect on results that are sorted by {by}.",
    "long_text": (
        "A text of more than {most} characters is read as words, so its fields are no conditions. Leave out words, "
        "or use the filters."
    ),
    "quotation_mark_alone": (
        'A quotation mark has no partner, so the words behind it are no phrase: write "words together".'
    ),
    "field_behind": '{text} was read as a word: write the field first, as in au:"P. Erdős" or ti:graph.',
    "space_behind_field": "{text} was read as a word: write its value directly behind it, as in {name}:word.",
    "space_behind_comma": (
        "What stands behind {text}, was read as words: write it without the space, or all in quotation marks."
    ),
    "distance": "{text} was passed over: the words of a phrase stand together.",
    "capital_field": "{text} was read as a word: write names of fields in small letters.",
    "small_boolean": "{text} was read as a word: write {written} in capitals to join conditions.",
    "not_of_words": "NOT was read as a word: write -{word} to leave out papers with this word.",
    "boolean_of_words": (
        "{text} was read as a word: it joins fields and phrases, as in all:graphene {text} all:silicene."
    ),
    "pattern_without_field": "{text} was read as a word: a pattern needs a field, as in all:{pattern}.",
    "sign_before_field": ("{text} was read as a word: write the field without the sign before it, as in {field}word."),
    "other_sign_for_not": "{text} was read as a word: write -{field}word to leave papers out.",
    "all_in_title": "{text} was read as a word: write ti: or abs: before each word.",
    "all_in_author": "{text} was read as a word: write au: before the name.",
    "equals_sign": "{text} was read as a word: a field has a colon, as in ti:graph or au:verne.",
    "no_weight": "The number in {text} was not read as a weight: all conditions must hold.",
    "no_similar_words": (
        "The ~ in {text} was not read: for similar words write a pattern, as in ti:photo* or abs:wom?n."
    ),
    "rerank_other_order": "rerank: only results in the order of relevance, not spread, are reranked.",
    "rerank_without_words": "rerank: only searches by words are reranked.",
    "rerank_missing": "rerank: there is no reranker here, so the results are in their usual order.",
    "rerank_most": "rerank: at most {most} results are reranked.",
    "covered_only": (
        "{with_vectors} of {papers} papers have a vector so far, and only these were searched; mode hybrid searches "
        "all."
    ),
    "rest_by_words": (
        "{with_vectors} of {papers} papers have a vector so far; the others are found by their words alone."
    ),
    "lexical_alone": "{reason} These results come from lexical search alone.",
    "not_reranked": "{reason} These results are not reranked.",
    # Parts of the reason why a result was found.
    "very_near": "very near in meaning",
    "near": "near in meaning",
    "somewhat_near": "somewhat near in meaning",
    "very_near_named": "very near in meaning to the papers named",
    "near_named": "near in meaning to the papers named",
    "somewhat_near_named": "somewhat near in meaning to the papers named",
    "title_has": "title has {words}",
    "abstract_has": "abstract has {words}",
    "title_has_more": "title has {words} and more",
    "abstract_has_more": "abstract has {words} and more",
    "rank_by_words": "place {rank} by words",
    "rank_by_meaning": "place {rank} by meaning",
    "by_reranker": "ordered by the reranker",
    "meets_conditions": "meets the conditions",
    # Labels of suggestions.
    "offer_since": "since {year}",
    "offer_before": "before {year}",
    "offer_until": "until {year}",
    "offer_in_year": "in {year}",
    "offer_span": "from {first} to {last}",
    "offer_by": "by {name}",
    "offer_in": "in {name}",
    "offer_newest": "newest first",
}
"""Every sentence by its code; the page has each in its own languages."""


class Sentence(str):
    """Sentence in English, with its code and its values.

    Attributes:
        code: The key in `SENTENCES`.
        values: What the sentence names.
        error: The code of the error that is the reason, if one is.
    """

    code: str
    values: Mapping[str, str | int]
    error: str | None

    @classmethod
    def of(cls, text: str, code: str, values: Mapping[str, str | int], error: str | None = None) -> Sentence:
        """Return a text with a code and values."""
        made = cls(text)
        made.code, made.values, made.error = code, values, error
        return made

    def coded(self) -> CodedText:
        """Return the code and the values for an answer."""
        return CodedText(self.code, dict(self.values), self.error if self.error else msgspec.UNSET)


class CodedText(msgspec.Struct, frozen=True):
    """Sentence by its code and the values that it names; `error` is the code of the error that is its reason."""

    code: str
    values: dict[str, str | int]
    error: str | msgspec.UnsetType = msgspec.UNSET


def sentence(code: str, *, error: str | None = None, **values: str | int) -> Sentence:
    """Return a sentence with its values; whole numbers get signs between thousands."""
    shown = {name: f"{value:,}" if isinstance(value, int) else value for name, value in values.items()}
    return Sentence.of(SENTENCES[code].format(**shown), code, values, error)
