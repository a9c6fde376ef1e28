"""Recognition of withdrawn papers by what authors and arXiv's administrators write in place of a flag.

arXiv has no field for it. The notice is in the comments, at the start or the end of the abstract, or in the title. A
text *about* something that was withdrawn (a drug, a plate from a bath, an article of somebody else) is no notice.
"""

from __future__ import annotations

import re

_WORK = (
    r"(?:paper|article|manuscript|submission|note|comment|reply|e-?print|pre-?print|work|letter|report|draft|study"
    r"|contribution|thesis|version|document)s?"
)
_GONE = r"[\"'“]?(?:withdrawn|retracted|removed\sby\sarxiv\sadmin[a-z]*)(?!\w)"
# "withdrawn from the market" is about something else.
_NOT_ELSEWHERE = (
    r"(?!\W+(?:from|in favou?r)\s"
    r"(?!(?:the\s|this\s)?(?:arxiv|archive|publication|submission|consideration|journal|server)))"
)
_HOW = r"(?:(?:been|being|now|hereby|[a-z]{1,20}ly)\s){0,3}"
_VERB = (
    r"(?:\([^()]{0,300}\)\s)?(?:arxiv:\S{1,40}\s(?:and\sarxiv:\S{1,40}\s)?)?"
    rf"(?:has|have|had|is|was|are|were)\s{_HOW}"
)
_REASON = (
    r"(?=\W*$|\s*[.,;:!(\[–—-]"
    r"|\s(?:by|due|because|as|since|for|pending|until|owing|after|on|temporarily|paper)\b)"
)
_START = r"(?:^\W*(?:auto-ignore\s)?|[.!?;]\s)"
_OWN = re.compile(
    rf"\b(?:this|our|present)\s(?:[a-z-]{{1,20}}\s)?{_WORK}\s(?:{_VERB}{_GONE}|withdrawn\sby\b){_NOT_ELSEWHERE}"
    rf"|^\W*(?:auto-ignore\s)?the\s{_WORK}\s{_VERB}{_GONE}{_NOT_ELSEWHERE}"
    rf"|{_START}(?:(?:temporarily|{_WORK})\s){{0,2}}(?:withdrawn|retracted){_REASON}"
    rf"|\b(?:i|we|the\sauthors?)\s(?:[a-z]{{1,12}}\s){{0,4}}(?:withdraw|withdrawn|withdrew|retract|retracted)\s(?:this|our|the)"
    rf"\s{_WORK}\b"
    rf"|\bwithdrawal\sof\s(?:the|this|our)\s{_WORK}\W*$",
    re.IGNORECASE,
)
_PAPER = r"(?:paper|article|manuscript|submission|e-?print|pre-?print)"
# Where a figure or an error was removed, the paper stays.
_REMOVED = re.compile(
    rf"(?:{_START}|[,;:]\s)(?:(?:and|so|thus|therefore)\s)?(?:(?:the|this|our)\s)?{_PAPER}\s{_VERB}removed"
    rf"(?=\W*$|\s*[.,;:!(–—]|\s(?:by|due|because|as|since|and\sis)\b)",
    re.IGNORECASE,
)
_LAST_IN_COMMENTS = re.compile(r"[,;]\s(?:(?:now|paper)\s){0,2}(?:withdrawn|retracted)\W*$", re.IGNORECASE)
_SHORT = re.compile(rf"\bthe\s{_WORK}\s{_VERB}{_GONE}{_NOT_ELSEWHERE}|\bwithdraw\sit\b", re.IGNORECASE)
_TITLE = re.compile(
    r"\W*(?:withdrawn|retracted)\W*(?:[:\])–—-].*|$)"
    r"|.*[(\[](?:this\spaper\s(?:is|has\sbeen)\s)?(?:withdrawn|retracted)[^()\[\]]{0,40}[)\]]\W*",
    re.IGNORECASE | re.DOTALL,
)
_NOTICE = 400
"""Characters of an abstract that may be a notice only."""
# Cheap tests that nearly every text fails.
_SIGNS = ("ithdr", "ITHDR", "etract", "ETRACT", "by arXiv admin", "been removed")


def is_withdrawn(title: str, abstract: str, comments: str | None = None) -> bool:
    """Return True if a record's text says that its paper was withdrawn or retracted."""
    if _has_sign(title) and _TITLE.fullmatch(title):
        return True
    if _is_notice(abstract):
        return True
    if not comments or not _has_sign(comments):
        return False
    return _is_notice(comments) or bool(_LAST_IN_COMMENTS.search(" ".join(comments.split())))


def _is_notice(text: str) -> bool:
    if not _has_sign(text):
        return False
    text = " ".join(text.split())
    return bool(_OWN.search(text) or _REMOVED.search(text)) or (len(text) <= _NOTICE and bool(_SHORT.search(text)))


def _has_sign(text: str) -> bool:
    return any(sign in text for sign in _SIGNS)
