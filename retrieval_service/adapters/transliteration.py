"""Latin forms of names in other scripts, as papers and passports commonly write them.

Cyrillic, Greek, Georgian, Armenian, kana and others are transliterated letter by letter. A name of Han or Hangul
characters without a space begins with its family name; the Latin form has it last. Arabic and Hebrew leave out most
vowels, so their Latin form has few.
"""

from __future__ import annotations

import re
import unicodedata

from anyascii import anyascii

# Letters beyond Latin, each with a few marks: normalization sorts long rows of marks in quadratic time.
_OTHER_SCRIPTS = re.compile(
    "(?:[\u0370-\u1dbf\u1f00-\u1fff\u2c80-\u2dff\u3005-\ua69f\ua880-\uab2f\uab70-\ud7ff\uf900-\ufaff\ufb13-\ufdff"
    "\ufe70-\ufefc\uff66-\uff9f\U00020000-\U000323af][\u0300-\u036f\u3099\u309a]{0,3}+)++"
)
_HAN_OR_HANGUL = re.compile("[\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U000323af]{2,6}")
_TWO_CHARACTERS = frozenset(
    "欧阳 歐陽 司马 司馬 诸葛 諸葛 上官 司徒 东方 東方 皇甫 尉迟 尉遲 公孙 公孫 慕容 令狐".split()
    + "남궁 황보 제갈 선우 독고".split()
)
"""Family names of two characters."""
# Family names that are seldom written by the rules of romanization.
_KOREAN = {
    "김": "Kim", "이": "Lee", "박": "Park", "최": "Choi", "정": "Jung", "강": "Kang", "조": "Cho", "윤": "Yoon",
    "임": "Lim", "신": "Shin", "유": "Yoo", "권": "Kwon", "안": "Ahn", "고": "Ko", "문": "Moon", "노": "Noh",
    "심": "Shim", "곽": "Kwak", "성": "Sung", "주": "Joo", "우": "Woo", "구": "Koo", "변": "Byun", "여": "Yeo",
    "추": "Choo", "선": "Sun", "명": "Myung", "금": "Keum", "육": "Yook",
}  # fmt: skip
# Pairs of Greek letters by the standard ELOT 743, which Greek passports follow.
_GREEK = re.compile("[\u0370-\u03ff\u1f00-\u1fff]")
_GREEK_PAIRS = re.compile("ου|(?<=[αεη])υ|γ(?=[γξχ])|^μπ|^ντ|^γκ")
_GREEK_PAIR = {"ου": "ou", "γ": "n", "μπ": "b", "ντ": "d", "γκ": "g"}
_VOICELESS = frozenset("θκξπστφχψς")


def latin_forms(name: str) -> list[str]:
    """Return the name in Latin letters, in each of the common ways; an empty list if it has no other letters."""
    if name.isascii() or not _OTHER_SCRIPTS.search(name):
        return []
    if _HAN_OR_HANGUL.fullmatch(name):
        length = 2 if len(name) > 2 and name[:2] in _TWO_CHARACTERS else 1
        words = [name[length:], name[:length]]
    else:
        words = name.split()
    forms = (words, [_KOREAN.get(word, word) for word in words])
    return list(dict.fromkeys(_OTHER_SCRIPTS.sub(_in_latin, " ".join(form)) for form in forms))


def _in_latin(found: re.Match[str]) -> str:
    text = unicodedata.normalize("NFC", found[0])
    is_initial = len(text) == 1 and text.lower() != text.upper()
    if _GREEK.search(text):
        letters = unicodedata.normalize("NFD", text).casefold()
        text = _GREEK_PAIRS.sub(_greek_pair, "".join(one for one in letters if not unicodedata.combining(one)))
    latin = anyascii(text).replace("'", "").replace("`", "")
    return latin[:1].upper() if is_initial else latin


def _greek_pair(found: re.Match[str]) -> str:
    if found[0] != "υ":
        return _GREEK_PAIR[found[0]]
    following = found.string[found.end() : found.end() + 1]
    return "v" if following and following not in _VOICELESS else "f"
