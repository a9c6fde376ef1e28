"""How to cite a paper: BibTeX and a line of plain text."""

from __future__ import annotations

import re
import unicodedata

from papers.arxiv_id import links
from papers.paper import Paper

_STOP_WORDS = frozenset(
    ["a", "an", "and", "as", "at", "by", "for", "from", "in", "is", "of", "on", "the", "to", "with"]
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# More names than this become "et al." in plain text; BibTeX styles shorten by themselves.
_NAMES_IN_TEXT = 6


def bibtex(paper: Paper) -> str:
    """A BibTeX entry: `@article` when the paper has a journal reference, else `@misc`; arXiv's eprint fields."""
    fields: dict[str, str] = {"title": _tex(paper.title)}
    if paper.authors:
        fields["author"] = " and ".join(_tex_name(name) for name in paper.authors)
    if paper.published:
        fields["year"] = str(paper.published.year)
    if paper.journal_ref:
        fields["journal"] = _tex(paper.journal_ref)
    if paper.doi and (dois := paper.doi.split()):
        fields["doi"] = dois[0]
    found = links(paper)
    if arxiv_id := paper.arxiv_id:
        fields["eprint"] = arxiv_id
        fields["archivePrefix"] = "arXiv"
        if paper.categories:
            fields["primaryClass"] = paper.categories[0]
    if url := found.get("abs") or found.get("doi"):
        fields["url"] = url
    kind = "article" if paper.journal_ref else "misc"
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    if paper.published:
        # BibTeX's month macros stand without braces.
        lines.append(f"  month = {_MONTHS[paper.published.month - 1]},")
    return "\n".join([f"@{kind}{{{_key(paper)},", *lines, "}"])


def citation(paper: Paper) -> str:
    """A citation on one line: authors, title, where and when it appeared, and a link."""
    where = []
    if paper.journal_ref:
        where.append(" ".join(paper.journal_ref.split()))
    if arxiv_id := paper.arxiv_id:
        where.append(f"arXiv:{arxiv_id}" + (f" [{paper.categories[0]}]" if paper.categories else ""))
    if paper.published and not (paper.journal_ref and str(paper.published.year) in paper.journal_ref):
        where.append(str(paper.published.year))
    sentences = [_names(paper.authors), " ".join(paper.title.split()), ", ".join(where)]
    text = " ".join(part if part.endswith((".", "!", "?")) else f"{part}." for part in sentences if part)
    found = links(paper)
    url = found.get("doi") or found.get("abs")
    return f"{text} {url}" if url else text


def _names(authors: tuple[str, ...]) -> str:
    if len(authors) > _NAMES_IN_TEXT:
        return f"{authors[0]} et al."
    if len(authors) > 1:
        return f"{', '.join(authors[:-1])} and {authors[-1]}"
    return authors[0] if authors else ""


def _key(paper: Paper) -> str:
    """The key Google Scholar made familiar: surname, year, first word of the title that says something."""
    surname = _ascii_word(paper.authors[0].split()[-1]) if paper.authors and paper.authors[0].strip() else ""
    year = str(paper.published.year) if paper.published else ""
    words = (_ascii_word(word) for word in re.split(r"[\s\-–—/:]+", paper.title))
    word = next((word for word in words if word and word not in _STOP_WORDS), "")
    return surname + year + word or _ascii_word(paper.id) or "paper"


def _ascii_word(text: str) -> str:
    # Letter by letter: marks in a row, of which none is kept, would be sorted in quadratic time.
    letters = "".join(unicodedata.normalize("NFKD", letter) for letter in text)
    return re.sub(r"[^a-z0-9]+", "", letters.encode("ascii", "ignore").decode().lower())


def _tex_name(name: str) -> str:
    # BibTeX reads " and " as the next author and a comma as "Last, First": braces make a collaboration one name.
    name = _tex(name)
    return f"{{{name}}}" if re.search(r"\sand\s|,", name) else name


def _tex(text: str) -> str:
    """Text that BibTeX can hold: the TeX that authors wrote is kept, characters special outside math are escaped."""
    text = " ".join(text.split())
    if not _is_balanced(text):
        text = re.sub(r"(?<!\\)[{}]", "", text)
    # Odd pieces are math when the dollars pair up; an odd dollar out is money.
    pieces = re.split(r"(?<!\\)\$", text)
    if len(pieces) % 2 == 0:
        return _escape("\\$".join(pieces))
    return "$".join(piece if i % 2 else _escape(piece) for i, piece in enumerate(pieces))


def _escape(text: str) -> str:
    return re.sub(r"(?<!\\)[&%#_]", lambda match: "\\" + match[0], text)


def _is_balanced(text: str) -> bool:
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", text):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            return False
    return depth == 0
