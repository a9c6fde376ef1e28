"""Repair of XML that no parser accepts: characters and references that XML forbids, bytes of no encoding, bare `&`.

Only text is repaired, never the nesting of elements.
"""

from __future__ import annotations

import codecs
import html.entities
import re
from html import escape

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_UNMARKED_UTF16 = {b"<\0": "utf-16-le", b"\0<": "utf-16-be"}
_DECLARATION = re.compile(rb"""\s*+<\?xml[^<>]{1,100}?encoding\s*+=\s*+["']([A-Za-z0-9._-]{1,40})""")
# Python has codecs that transform text, or that take time out of proportion; those of one byte a letter are harmless.
_DECLARED = re.compile(r"(?:iso8859|cp|koi8|mac|gb|big5|shift|euc)")

_NAMES = frozenset(("amp", "lt", "gt", "quot", "apos"))
_PAIR = re.compile(
    r"&#(?:x(d[89ab][0-9a-f]{2})|(5[56]\d{3}));&#(?:x(d[c-f][0-9a-f]{2})|(5[67]\d{3}));", re.IGNORECASE | re.ASCII
)
_BROKEN = re.compile(
    r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
    r"|&(?:#x([0-9A-Fa-f]{1,8});|#([0-9]{1,8});|([A-Za-z][A-Za-z0-9]{0,31});)?"
    r"|<\?xml[^<>]{0,200}\?>"
    r"|<(?![A-Za-z_/!?])",
    re.ASCII,
)


def decode_xml(content: bytes) -> str:
    """Return the text of an XML document in the encoding of its byte order mark or its declaration, otherwise UTF-8.

    Bytes that are not in the encoding become lone surrogates, which `repair_text` replaces and counts.
    """
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, _errors(encoding))
    encoding = _UNMARKED_UTF16.get(content[:2], "")
    if not encoding and (declared := _DECLARATION.match(content[:400])):
        try:
            encoding = codecs.lookup(declared[1].decode("ascii")).name
        except LookupError:
            encoding = ""
        # A declaration of UTF-16 or ASCII that is itself readable here says nothing of the bytes behind it.
        if not _DECLARED.match(encoding):
            encoding = ""
    encoding = encoding or "utf-8"
    return content.decode(encoding, _errors(encoding))


def repair_text(text: str) -> tuple[str, int]:
    """Return XML without what no parser accepts in its text, and the number of repairs.

    Characters that XML 1.0 forbids are removed, as bytes and as references (of those that separate words, a space is
    left). A byte that is not in the encoding becomes U+FFFD. HTML's names of characters become these characters. A bare
    `&` or `<` is escaped. Sections of CDATA are kept, apart from their forbidden characters.
    """
    count = 0

    def mend(found: re.Match[str]) -> str:
        nonlocal count
        old = found[0]
        new = _mended(old, found[1], found[2], found[3])
        count += new != old
        return new

    def forbidden_only(found: re.Match[str]) -> str:
        return mend(found) if found[0][0] not in "&<" else found[0]

    def join(found: re.Match[str]) -> str:
        nonlocal count
        high, low = (int(hexa, 16) if hexa else int(number) for hexa, number in (found.group(1, 2), found.group(3, 4)))
        if not (0xD800 <= high < 0xDC00 <= low < 0xE000):
            return found[0]
        count += 1
        return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))

    plain, *sections = text.split("<![CDATA[")
    parts = [_BROKEN.sub(mend, _PAIR.sub(join, plain))]
    for section in sections:
        inside, end, behind = section.partition("]]>")
        parts += "<![CDATA[", _BROKEN.sub(forbidden_only, inside), end, _BROKEN.sub(mend, _PAIR.sub(join, behind))
    return "".join(parts), count


def _errors(encoding: str) -> str:
    return "replace" if encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"


def _mended(old: str, hexa: str | None, number: str | None, name: str | None) -> str:
    if old[0] == "<":
        return "&lt;" if old == "<" else ""
    if old[0] != "&":
        return _allowed(ord(old))
    if hexa or number:
        code = int(hexa, 16) if hexa else int(number or "")
        found = _allowed(code)
        return old if code < 0x110000 and found == chr(code) else found
    if name in _NAMES:
        return old
    if name and (letter := html.entities.html5.get(f"{name};")):
        return escape(letter)
    return f"&amp;{old[1:]}"


def _allowed(code: int) -> str:
    """Return the character, or what stands in its place if XML 1.0 forbids it."""
    if code in (9, 10, 13) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or 0x10000 <= code <= 0x10FFFF:
        return chr(code)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not in the encoding
        return "\ufffd"
    return " " if code < 0x20 and chr(code).isspace() else ""
