r"""Text as it is shown: TeX's accents, letters and markup become Unicode; mathematics stays TeX.

Texts are untrusted: each expression takes time in proportion to the length, and the number of passes is fixed.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

from akin.papers.text.mathematics import mathematics
from akin.papers.text.tex_signs import ACCENTS, LETTERS, SIGNS

# Unicode never assigns these code points, and cleaned texts have none.
_MATH, _GROUP, _OPEN, _CLOSE, _DOLLAR = "\ufdd0", "\ufdd1", "\ufdd2", "\ufdd3", "\ufdd4"
_OWN = re.compile("[\ufdd0-\ufdd4]")
_TEX = re.compile(
    # All begin with a literal backslash, which makes the search quick.
    r"\\(?:(?P<line_end>\\\*?+(?:\[[^]\s]{0,9}\])?+)"
    r"""|(?:(?P<mark>[`'^"~=.])|(?P<named_mark>[uvHcdbkrt])(?![A-Za-z]))\s*+"""
    r"(?:\{\s*+(?:\\(?P<dotless>[ijIJ])(?![A-Za-z])\s*+|(?P<first>[^\W\d_]))(?P<rest>[^{}\\$]*+)\}"
    r"|\\(?P<bare_dotless>[ij])(?![A-Za-z])(?:\{\}|[ ]++)?+|(?P<bare>[^\W\d_]))"
    r"|text(?P<raised>super|sub)script\s*+\{(?P<script>[^{}\\$]*+)\}"
    r"|(?P<look>emph|text(?:it|bf|sc|tt|rm|sf|sl|up|md|normal)?|[mhf]box|underline|url|path|nolinkurl|texorpdfstring)"
    r"\s*+(?=\{)"
    r"|(?<=\{\\)(?P<switch>(?:it|em|bf|rm|sc|sf|tt|sl|itshape|bfseries|scshape|ttfamily|rmfamily|sffamily)(?![A-Za-z])\s*+)"
    r"|(?P<word>[A-Za-z]++)(?P<space>\{\}|[ ]++)?+"
    r"|(?P<escaped>[&%_#${} ,;:!/@-]))"
)
_SIGN_OF_ESCAPE = {
    "{": _OPEN,
    "}": _CLOSE,
    "$": _DOLLAR,
    ",": " ",
    ";": " ",
    ":": " ",
    "!": "",
    "/": "",
    "@": "",
    "-": "",
}
# Braces around words keep their capitals in BibTeX. Other braces outside mathematics may be meant to be seen.
_BRACES = re.compile(rf"\\[A-Za-z]++\s*+\{{[^{{}}]*+\}}|({_GROUP}|(?<![_^\]}}]))\{{({_GROUP}?+)([^{{}}]*+)\}}")
_NO_WORDS = re.compile(r"[,=<>|_^\\()*\[\]]")
_EMPTY_ACCENT = re.compile(r"""\{(\\[`'^"~=.])\}(?=[^\W\d_])""")  # B{\"}ohm
_LINK = re.compile(r"\\href\s*+\{([^{}]*+)\}\s*+\{([^{}]*+)\}")
_ENSURED = re.compile(r"\\ensuremath\s*+\{([^{}$]*+)\}")
_OF_DOCUMENTS = re.compile(r"\\(?:footnote|thanks|label|index|cite)")
# What a reader of the title or abstract cannot follow: notes, labels, entries of an index.
_ASIDE = re.compile(
    rf"\s?\\(?:footnote|footnotemark|thanks|label|index)\s*+(?:\[[^]{{}}{_MATH}]*+\]\s*+)?+\{{[^{{}}{_MATH}]*+\}}"
)
_CITED = re.compile(rf"\\cite[a-z]{{0,9}}\*?+\s*+(?:\[[^]{{}}{_MATH}]*+\]\s*+){{0,2}}+\{{([^{{}}\\]*+)\}}")
_NESTED = 4
_TIE = re.compile(r"(?P<address>(?:https?|ftp)://\S++)|(?<=[^\s/~(])~(?=[^\s~])")
# The literal first character makes the search quick.
_DASHES = re.compile(r"-(?<!--)(?:--(?!-)|-(?!-)(?:(?<!\s--)|(?=\s)))")
_DASHES_AND_ADDRESSES = re.compile(rf"(?P<address>(?:https?|ftp)://\S++)|{_DASHES.pattern}")
_QUOTED = re.compile(r"(?<![\\`\w])`([^`'\n]{1,200})'(?![\w'])")
_SPACES = re.compile(" {2,}")
_RAISED = str.maketrans("0123456789+-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻")
_LOWERED = str.maketrans("0123456789+-", "₀₁₂₃₄₅₆₇₈₉₊₋")


def display_text(text: str) -> str:
    r"""Return a text as a reader sees it; `$…$`, `$$…$$`, `\(…\)` and `\[…\]` stay as they are.

    Accents and letters become Unicode, ties become spaces, dashes and quotation marks are printed, markup and braces
    around words are dropped. A command that is not known stays.
    """
    # Most texts have none of these; `any` would take several times as long.
    if not ("\\" in text or "{" in text or "~" in text or "`" in text or "--" in text):
        return text
    if not text.isascii():
        text = _OWN.sub("", text)
    if "\\ensuremath" in text:
        text = _ENSURED.sub(r"$\1$", text)
    spans = mathematics(text)
    if not spans:
        return _with_dollars(_plain(text), [])
    ends = [0, *(place for span in spans for place in span), len(text)]
    pieces = [text[start:end] for start, end in pairwise(ends)]
    # Pieces and formulas in turn; a group may begin before a formula and end behind it.
    pieces[::2] = _plain(_MATH.join(pieces[::2])).split(_MATH)
    return _with_dollars("".join(pieces), pieces[1::2])


def _with_dollars(text: str, formulas: list[str]) -> str:
    r"""Return the text with a dollar for each `\$`; if a reader would see other formulas then, `\$` stays."""
    if _DOLLAR not in text:
        return text
    shown = text.replace(_DOLLAR, "$")
    same = [shown[start:end] for start, end in mathematics(shown)] == formulas
    return shown if same else text.replace(_DOLLAR, r"\$")


def _plain(text: str) -> str:
    """Return a text without mathematics as it is shown."""
    if "\\" in text:
        if _OF_DOCUMENTS.search(text):
            text = _CITED.sub(r"[\1]", _ASIDE.sub("", text))
        text = _LINK.sub(lambda found: found[2] if found[1] in found[2] else f"{found[2]} ({found[1]})", text)
        text = _TEX.sub(_shown, _EMPTY_ACCENT.sub(r"\1", text))
        if "\\" in text:
            text = _TEX.sub(_shown, text)  # an accent on a letter that has one: \'{\^e}
    if "{" in text:
        for _ in range(_NESTED):
            text = _BRACES.sub(_without_braces, text)
    if "~" in text:
        text = _TIE.sub(lambda found: found["address"] or " ", text)
    if "--" in text:
        dashes = _DASHES_AND_ADDRESSES if "://" in text else _DASHES
        text = dashes.sub(lambda found: {"--": "–", "---": "—"}.get(found[0], found[0]), text)
    if "``" in text:
        text = text.replace("``", "“").replace("''", "”")
    if "`" in text:
        text = _QUOTED.sub(r"‘\1’", text)
    text = text.replace(_GROUP, "").replace(_OPEN, "{").replace(_CLOSE, "}").strip(" ")
    return _SPACES.sub(" ", text) if "  " in text else text


def _shown(found: re.Match[str]) -> str:
    kind = found.lastgroup
    match kind:
        case "line_end":
            return " "
        case "rest" | "bare" | "bare_dotless":
            if found["named_mark"] and found["rest"]:
                return found[0]  # \b{eta} is no accent
            letter = found["bare"] or found["bare_dotless"] or found["dotless"] or found["first"]
            mark = ACCENTS[found["mark"] or found["named_mark"]]
            if letter == "i" and mark == ACCENTS["."]:
                return letter + (found["rest"] or "")
            return unicodedata.normalize("NFC", letter + mark) + (found["rest"] or "")
        case "script":
            return found["script"].translate(_RAISED if found["raised"] == "super" else _LOWERED)
        case "look" | "switch":
            return _GROUP  # its braces are dropped, whatever they hold
        case "escaped":
            return _SIGN_OF_ESCAPE.get(found["escaped"], found["escaped"])
        case _:
            return _word(found["word"], found["space"] or "", found[0])


def _word(word: str, space: str, source: str) -> str:
    if word in LETTERS:
        return LETTERS[word]  # TeX drops the spaces behind
    if word in SIGNS:
        return SIGNS[word] + space.replace("{}", "")
    return source


def _without_braces(found: re.Match[str]) -> str:
    inner = found[3]
    return inner if inner is not None and (found[1] or found[2] or not _NO_WORDS.search(inner)) else found[0]
