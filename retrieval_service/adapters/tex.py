r"""Convert TeX and special Unicode to plain words: `Erd\H{o}s`, `$\alpha$-decay` and `CO$_2$` become what users type.

All spellings of a word become one: accents are removed here or by the analyzer, a Greek letter becomes its name, a
subscript becomes part of its word, and markup that changes only the look of a word is dropped.

Queries and papers are untrusted text, so the time must grow linearly with the length: white space is folded first,
repetitions in expressions are possessive, and a run of combining marks is cut before it is sorted.
"""

from __future__ import annotations

import re
import unicodedata

from akin.papers.text.characters import MOST_MARKS, few_marks

# An accent, which TeX writes before its letter: Erd\H{o}s, Schr\"odinger, G{\"o}del, na\"{\i}ve.
_ACCENT = re.compile(r"""\{?\\(?:[`'^"~=.]\s*+|[uvHtcdbrk](?:\s++|(?=\{)))\{?\s*+\\?([A-Za-z])(?:\s*+\}){0,2}""")
# Letters that TeX spells: \o, \ss, {\L}. Spaces after them are dropped, as TeX does.
_LETTERS = {
    "ae": "ae", "AE": "AE", "oe": "oe", "OE": "OE", "aa": "a", "AA": "A", "o": "o", "O": "O", "l": "l", "L": "L",
    "ss": "ss", "i": "i", "j": "j", "dh": "d", "DH": "D", "th": "th", "TH": "TH", "ng": "n", "NG": "N",
}  # fmt: skip
_LETTER = re.compile(rf"\{{?\\({'|'.join(sorted(_LETTERS, key=len, reverse=True))})(?![A-Za-z])(?:\{{\}}|\s++)?\}}?")
_GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta", "θ": "theta",
    "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "ο": "omicron", "π": "pi", "ρ": "rho",
    "σ": "sigma", "ς": "sigma", "τ": "tau", "υ": "upsilon", "φ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega",
}  # fmt: skip
_GREEK_LETTERS = re.compile("[\u0370-\u03ff\u1f00-\u1fff]+")
_LONGEST_SYMBOL = 2  # adjacent Greek letters; a longer run is a Greek word
_VARIANT = re.compile(r"\\var(?=epsilon|theta|kappa|pi|rho|sigma|phi)")
_NAMED = re.compile(
    rf"\\({'|'.join(sorted({*_GREEK.values()} | {name.title() for name in _GREEK.values()}, key=len, reverse=True))})"
    r"(?![A-Za-z])"
)
# Commands that change the look of the text after them, or print a sign that is not a word.
_LOOK = re.compile(
    r"""\\(?:(?:math|text)(?:bb|bf|cal|frak|it|rm|scr|sf|tt|sc|sl|up|md|normal)|boldsymbol|bm|pmb|operatorname|mathop"""
    r"""|emph|text|mbox|hbox|ensuremath|rm|bf|it|em|sf|tt|sl|sc|cal|hat|widehat|tilde|widetilde|bar|overline|underline"""
    r"""|vec|dot|ddot|check|breve|left|right|big|Big|bigg|Bigg|displaystyle|textstyle|frac|tfrac|dfrac|sqrt|times|cdot"""
    r"""|cdots|ldots|dots|sim|simeq|approx|propto|leq|le|geq|ge|neq|ne|ll|gg|lesssim|gtrsim|pm|mp|to|rightarrow"""
    r"""|leftarrow|Rightarrow|Leftrightarrow|leftrightarrow|mapsto|infty|in|notin|subset|subseteq|cup|cap|otimes|oplus"""
    r"""|langle|rangle|lvert|rvert|lVert|rVert|quad|qquad|prime|circ|star|ast|dagger|equiv|cite|ref|label|url|href"""
    r"""|footnote|begin|end|item)(?![A-Za-z])\*?"""
)
# CO$_2$, H_2O, x_{ij}, $^{13}$C: one word each. A single letter is a script only at the end of a word, as in v_i.
_SCRIPT = re.compile(r"\$?[_^]\s*+(?:\{([^{}$\\]*+)\}|(\d|[A-Za-z](?![A-Za-z0-9])))\$?")
# Characters that print nothing (Unicode's Default_Ignorable_Code_Point), and the Arabic letter that only makes room.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u0640\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
_HYPHENS = re.compile("[\u2010-\u2013\u2212\u30a0\ufe63\uff0d]")  # also the dash of "Navier–Stokes"
_APOSTROPHES = re.compile("[\u02b9-\u02bd\ua78c]")  # to Unicode these are letters
_VOWEL_MARKS = frozenset({84, 91, 103, 118, 129, 130, 132})
"""Combining classes of vowels (Telugu, Thai, Lao, Tibetan); marks of other classes are accents or may be left out."""
_GREEK_EDGE = "\x1f"  # between the name of a Greek letter and its neighbours, while these may be hyphens
_ONE_LETTER = str.maketrans("İıЁё", "IiЕе")  # in small letters, İ would be two characters
_SIGNS = re.compile(r"(?<=[^\W_])(?:(\+\+)(?![^\W_])|(\\?#)(?![\w#]))")
_THOUSANDS = re.compile(r",(?<=\d,)(?=\d{3}(?!\d))")
_CASE_KEPT = re.compile(r"\{(\w{1,3})\}")  # {D}eep: BibTeX keeps capitals so
_MANY_MARKS = re.compile(rf"[\W\uff9e\uff9f]{{{MOST_MARKS + 1},}}+")  # may be too many to normalise


def to_plain_text(text: str) -> str:
    """Return the text with TeX resolved, Greek letters named, and other forms of letters and signs replaced.

    Invisible characters are removed, compatibility forms (ligatures, full width) and hyphens become the usual ones, and
    `10,000` becomes `10000`, `C++` `Cplusplus`, and `C#` `Csharp`.
    """
    if not text.isascii():
        text = _INVISIBLE.sub("", text)
    if "++" in text or "#" in text:
        text = _SIGNS.sub(lambda found: "plusplus" if found[1] else "sharp", text)
    if "," in text:
        text = _THOUSANDS.sub("", text.replace("{,}", ","))
    if "\\" in text or "_" in text or "^" in text:
        text = " ".join(text.split())
    if "\\" in text:
        text = _ACCENT.sub(r"\1", text)
        text = _LETTER.sub(lambda found: _LETTERS[found[1]], text)
        text = _NAMED.sub(rf"{_GREEK_EDGE}\1{_GREEK_EDGE}", _VARIANT.sub(r"\\", text))
        text = _LOOK.sub(" ", text)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", _MANY_MARKS.sub(lambda found: few_marks(found[0]), text)).translate(
            _ONE_LETTER
        )
        text = _HYPHENS.sub("-", _APOSTROPHES.sub("'", _GREEK_LETTERS.sub(_greek_name, text)))
        if not text.isascii():
            text = "".join(letter for letter in text if _is_kept(letter))
    if "_" in text or "^" in text:
        text = _SCRIPT.sub(lambda found: found[2] if found[1] is None else found[1].strip(), text)
    if "$" in text and "-" in text:
        text = text.replace(f"{_GREEK_EDGE}$-", "-").replace(f"-${_GREEK_EDGE}", "-")
        text = text.replace("$-", "-").replace("-$", "-")
    if _GREEK_EDGE in text:
        text = text.replace(f"{_GREEK_EDGE}-", "-").replace(f"-{_GREEK_EDGE}", "-").replace(_GREEK_EDGE, " ")
    return _CASE_KEPT.sub(r"\1", text) if "{" in text else text


def _is_kept(letter: str) -> bool:
    combining = unicodedata.combining(letter)
    return not combining or combining in _VOWEL_MARKS


def _greek_name(found: re.Match[str]) -> str:
    letters = found[0]
    if len(letters) > _LONGEST_SYMBOL or not _GREEK.keys() >= set(letters.lower()):
        # A Greek word: its accents are removed with other marks. A sigma has another form at a word's end.
        return unicodedata.normalize("NFD", letters).casefold()
    return "".join(f"{_GREEK_EDGE}{_GREEK[letter.lower()]}{_GREEK_EDGE}" for letter in letters)
