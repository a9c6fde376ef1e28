"""BibTeX entry of a result."""

from __future__ import annotations

import re
import unicodedata

from gradio_ui.answers import FoundPaper

_BEFORE_SPECIAL = re.compile(r"(?<!\\)(?=[&%#])")
_NOT_IN_A_KEY = re.compile(r"[^a-z0-9]+")
_SHORT_WORDS = frozenset({"a", "an", "and", "for", "from", "in", "of", "on", "the", "to", "towards", "with"})


def bibtex(paper: FoundPaper) -> str:
    """Return the paper's BibTeX entry: `@article` if the journal is known, otherwise `@misc`.

    The key is the first author's last name, the year, and the first word of the title that is not a function word.
    """
    journal = paper.journal_ref
    fields = [
        ("title", "{" + _tex(paper.title) + "}"),
        ("author", " and ".join(_tex(author) for author in paper.authors)),
        ("year", (paper.date or "")[:4]),
        ("journal", _tex(journal or "")),
        ("doi", _tex(paper.doi or "")),
    ]
    if paper.arxiv_id:
        fields += [
            ("eprint", paper.arxiv_id),
            ("archivePrefix", "arXiv"),
            ("primaryClass", paper.categories[0] if paper.categories else ""),
        ]
    lines = [f"  {name} = {{{value}}}," for name, value in fields if value]
    return "\n".join([f"@{'article' if journal else 'misc'}{{{_key(paper)},", *lines, "}"])


def _tex(text: str) -> str:
    text = " ".join(text.split())
    if not _is_balanced(text):
        text = text.replace("{", "").replace("}", "")
    return _BEFORE_SPECIAL.sub(r"\\", text)


def _is_balanced(text: str) -> bool:
    depth = 0
    for character in text:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth < 0:
            return False
    return depth == 0


def _key(paper: FoundPaper) -> str:
    author = _plain(paper.authors[0].split()[-1]) if paper.authors and paper.authors[0].split() else ""
    words = (_plain(word) for word in paper.title.split())
    word = next((word for word in words if word and word not in _SHORT_WORDS), "")
    return author + (paper.date or "")[:4] + word or "paper"


def _plain(word: str) -> str:
    # Letter by letter: normalising a long run of combining marks at once takes quadratic time.
    letters = "".join(unicodedata.normalize("NFKD", letter) for letter in word)
    return _NOT_IN_A_KEY.sub("", letters.encode("ascii", "ignore").decode("ascii").lower())
