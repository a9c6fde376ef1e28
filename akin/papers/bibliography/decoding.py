"""Text of a library's file: UTF-8 or, line by line where that fails, the encoding of old programs."""

from __future__ import annotations

import codecs
import re

_NAMED = re.compile(rb"^%+\s*Encoding:\s*([\w.:-]{2,30})", re.IGNORECASE | re.MULTILINE)


def decode_library(data: bytes) -> str:
    r"""Return the text with `\n` as line ends.

    UTF-16 has a byte order mark. A line that is not UTF-8 has the encoding that JabRef's first line names, otherwise
    Windows-1252.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        data = data.decode("utf-16", "replace").encode("utf-8", "replace")
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        old = _old_encoding(data[:2000])
        text = "\n".join(_decode_line(line, old) for line in data.split(b"\n"))
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _old_encoding(head: bytes) -> str:
    named = _NAMED.search(head)
    name = named[1].decode("ascii", "replace").replace("ISO8859_", "iso-8859-") if named else ""
    try:
        found = codecs.lookup(name).name if name else ""
        b"".decode(found or "ascii")
    except (LookupError, UnicodeError):
        found = ""
    return found if found and not found.startswith(("utf", "ascii")) else "cp1252"


def _decode_line(line: bytes, old: str) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        try:
            return line.decode(old)
        except UnicodeDecodeError:
            return line.decode("latin-1")
