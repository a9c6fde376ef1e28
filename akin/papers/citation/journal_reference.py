"""Journal references: the parts of arXiv's free-text field "Journal reference", where they can be told with certainty.

arXiv asks for "Phys. Rev. Lett. 98, 123456 (2007)": journal, volume, pages and year. Authors and INSPIRE write them in
many orders and with many signs between them. The rule here does not know journals: it takes a name, then numbers in the
order volume, issue, pages, with the year anywhere among them, and nothing else. A text with an unexpected word, without
a year, with two years, or with a number that this order does not explain, is not certain.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from akin.papers.doi import bare_doi

_LONGEST = 500  # characters; longer texts are remarks
_LONGEST_NAME = 120


class JournalReference(NamedTuple):
    """Published version of a paper.

    Attributes:
        venue: the journal, or the title of the proceedings.
        year: the year of publication.
        volume: the volume; empty if unknown.
        number: the issue; empty if unknown.
        pages: pages with `-` between first and last, or the article's number; empty if unknown.
        is_conference: True if `venue` is a conference's proceedings.
        series: the series of the proceedings, whose volume `volume` is; empty if unknown.
        rest: text after the reference, such as an erratum.
    """

    venue: str
    year: int
    volume: str = ""
    number: str = ""
    pages: str = ""
    is_conference: bool = False
    series: str = ""
    rest: str = ""


_NOT_PUBLISHED = re.compile(
    r"\b(?:to appear|to be |submitted|accepted|in press|in preparation|forthcoming|thesis|dissertation|preprint"
    r"|e-?print|arxiv|chapter|edited|eds?\.|editors?|isbn|lecture notes|lect\.? ?notes|lncs|report|vols\.|volumes|talk"
    r"|poster|(?:in|under) review|under consideration"
    r"|presented|invited|contribution to|handbook|encyclop\w+|festschrift|press|springer|elsevier|kluwer"
    r"|birkh[aä]user|north-holland|world scientific|wiley)(?!\w)",
    re.IGNORECASE,
)
# The preprint's own id, or the DOI, which have fields of their own.
_IDENTIFIER = re.compile(
    r"\s?[\[(]\s?(?:arxiv\s?:?\s?)?(?:[a-z.-]+/\d{7}|\d{4}\.\d{4,5})(?:v\d+)?\s?(?:\[[\w.-]+\]\s?)?[\])]"
    r"|(?<=\S)[\s,;]++(?:arxiv\s?:\s?)?(?:[a-z.-]+/\d{7}|\d{4}\.\d{4,5})(?:v\d+)?(?:\s?\[[\w.-]+\])?(?=[\s,;.]*$)"
    r"|[\s,;.(]+(?:https?://(?:dx\.)?doi\.org/|doi\s?:?\s?)10\.\d+/\S+",
    re.IGNORECASE,
)
_SECOND = re.compile(r"[\s;,.]*+[\[(]?\s*+(?:publisher'?s? |author )?(?:errat|addend|corrig)", re.IGNORECASE)
_YEAR = r"(?:18|19|20)\d\d"
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?|spring|summer|autumn|fall|winter)(?![a-z])"
)
_LABEL = r"(?:volume|vol|no|nr|number|numbers|num|issue|iss|pages|page|pgs|pp|p(?=[.\s])|article|art|paper|id)(?![a-z])"
_ANY_YEAR = re.compile(rf"(?<!\d){_YEAR}(?!\d)")
_DASH = "(?:---?|[-‐‑‒–—−])"
_PAGE = r"[A-Za-z]{0,4}\d[\dA-Za-z]*+"
# Pages of an article in a volume: "12:1-12:20".
_ARTICLE_PAGES = rf"(?P<of>\d{{1,5}}):\d{{1,4}}\s?{_DASH}\s?(?P=of):\d{{1,4}}(?!\w)"
# The first number of a reference, with what may stand before it.
_NUMBERS = re.compile(
    rf"(?:(?<=[\s,.;:(])(?:{_LABEL}|{_MONTH})[\s.:]*+)?(?:\(\s?)?(?:(?<=[\s.,:;(])[A-Za-z]{{1,4}})?\d", re.IGNORECASE
)
_TOKEN = re.compile(
    rf"""(?P<space>[\s,;:.~]++)
    |(?P<count>[\[(]?\d{{1,4}}\s?(?:pages|pp|pgs|p\.)(?![a-z])(?![\s.:]*+[a-z]{{0,4}}\d)[\])]?)
    |(?P<volume>(?:volume|vol)(?![a-z]))
    |(?P<number>(?:no|nr|number|numbers|num|issue|iss)(?![a-z])|n[°º]|№)
    |(?P<pages>(?:pages|page|pgs|pp|p(?=[.\s]))(?![a-z])|\#|(?:article|art|paper)(?:[\s.]*+(?:id|no|number|nr))?(?![a-z])|id(?![a-z]))
    |(?P<year>\(\s?(?:\d{{1,2}}\s)?(?:{_MONTH}[.,]?\s(?:\d{{1,2}},\s)?)?{_YEAR}\s?\)|\d{{1,2}}\s{_MONTH}\s{_YEAR}(?!\w))
    |(?P<issue>\(\s?\d{{1,4}}(?:\s?[-–/]\s?\d{{1,4}})?\s?\)|\(?(?:POPL|PLDI|ICFP|OOPSLA\d?)(?![A-Za-z\d])\)?)
    |(?P<range>{_ARTICLE_PAGES}|{_PAGE}\s?{_DASH}\s?{_PAGE})
    |(?P<month>{_MONTH}(?:\s\d{{1,2}}(?=,\s))?)
    |(?P<plain>{_PAGE}|\d{{1,4}}[-/]\d{{1,4}})
    """,
    re.IGNORECASE | re.VERBOSE,
)
_SECTION = re.compile(r"(?P<section>[A-H]|[A-Z](?=\d{2,4}$))(?P<volume>\d{1,4})")
_DOTTED = re.compile(r"[A-Z]?\d{1,4}\.\d{1,4}(?!\w)")
_LETTER = re.compile(r"(?<=\d)\s?\([RL]\)(?!\w)")  # a rapid communication, or a letter
_OF_SCIENCE = re.compile(r"PoS[\s(]\s?([A-Za-z][A-Za-z&-]{1,30} ?\d{2,4})(?!\d)\s?\)?")
_CONFERENCE = re.compile(
    r"\b(?:conference|conf\.|workshops?|symposi(?:um|a)|congress|colloquium|meeting|proceedings of|proc\. of"
    r"|in:? proc(?:eedings|\.))(?!\w)",
    re.IGNORECASE,
)
_SERIAL = re.compile(  # journals whose names sound like proceedings
    r"(?:conf(?:erence)?\.?|symp(?:osium)?\.?) ?(?:proc(?:eedings)?|ser(?:ies)?)\b|\bweb (?:of )?conf"
    r"|^proc(?:eedings|\.)? (?:of the )?acm (?:on )?(?:program|meas|hum|interact|manag|netw|comput)"
    r"|symposia in pure math"
    r"|^proc(?:eedings)?\b.{0,40}\b(?:soc(?:iety)?|acad(?:emy)?|spie|inst(?:itut[a-z]*)?|steklov|science"
    r"|vldb|the ieee)\b|^proc\. (?:ieee|vldb|spie)$",
    re.IGNORECASE,
)
_ACRONYMS = frozenset(
    """
    AAAI AAMAS ACL AISTATS ASPLOS CADE CAV CCS CHI CIKM COLING COLM COLT CONCUR CONLL CORL CRYPTO CVPR EACL ECAI ECCV
    ECML EMNLP ESA EUROCRYPT FAT FAACT FOCS GECCO HPCA ICALP ICASSP ICCV ICDE ICDM ICLR ICML ICPR ICRA ICSE IJCAI IJCNLP
    INFOCOM INTERSPEECH IPDPS IROS ISCA ISIT ISMIR ISSAC ITCS KDD LICS LREC MICCAI MICRO MSR NAACL NDSS NEURIPS NIPS
    NSDI OSDI PLDI PODC PODS POPL RECSYS RSS SIGCOMM SIGGRAPH SIGIR SIGMOD SODA SOCG SOSP SPAA STACS STOC TACAS UAI
    USENIX VLDB WACV WSDM WWW
    """.split()
)
_LABELLED_PAGES = re.compile(
    rf"[\s,;:(]*+(?:pp?|pages?|pgs)[\s.:]++(?P<pages>{_ARTICLE_PAGES}|{_PAGE}(?:\s?{_DASH}\s?{_PAGE})?)\)?", re.I
)
_LAST_RANGE = re.compile(rf"[:,]\s*+(?P<pages>{_ARTICLE_PAGES}|\d{{1,6}}\s?{_DASH}\s?\d{{1,6}})(?=[\s,.(]|$)")
_VOLUME_OF_SERIES = re.compile(
    r"(?:^|(?<![\s,;.(])[\s,;.(]++)(?P<series>(?i:proceedings of machine learning research)|PMLR|LIPIcs|OASIcs"
    r"|EPTCS|IFIP AICT|JMLR(?:: | )?W&CP)?[\s,:]*+"
    r"(?(series)|(?=[vV]))(?i:volume |vol\.? ?)?(?P<volume>\d{1,4})(?![\w-])\)?[\s,;]*+"
)
# Numbers in a title that are explained: of days, of years, and those of a word ("36th", "ICML'19", "ICML-19").
_EXPLAINED = re.compile(
    rf"(?<!\w){_MONTH}\.? \d{{1,2}}(?: ?{_DASH} ?\d{{1,2}})?(?!\d)|(?<!\d)\d{{1,2}}(?: ?{_DASH} ?\d{{1,2}})? {_MONTH}"
    rf"|(?<!\d){_YEAR}(?!\d)|(?<=\w)['’-]\d\d(?!\d)|[^\W\d]\d+|\d+[^\W\d]",
    re.IGNORECASE,
)


def parse_journal_reference(text: str) -> JournalReference | None:
    """Return the parts of a journal reference, or None if they cannot be told with certainty.

    Of several references, the first is returned; the others are its `rest`.
    """
    if len(text) > _LONGEST:
        return None
    text = _LETTER.sub("", _IDENTIFIER.sub("", " ".join(text.split())))
    rest = ""
    if second := _SECOND.search(text):
        text, rest = text[: second.start()], text[second.start() :].lstrip(" ;,.")
    for first, others in ((text, ""), (text.partition(";")[0], text.partition(";")[2].strip())):
        found = (
            None
            if _NOT_PUBLISHED.search(first)
            else _conference(first)
            if _names_conference(first)
            else _journal(first)
        )
        if found:
            return found._replace(rest="; ".join(part for part in (others, rest) if part))
    return None


def reference_doi(text: str) -> str | None:
    """Return the DOI in the first of the journal references in a text, or None."""
    return bare_doi(_SECOND.split(text[:_LONGEST], maxsplit=1)[0].partition(";")[0])


def _journal(text: str) -> JournalReference | None:
    year = ""
    if leading := re.match(rf"\(?({_YEAR})\)?[,:]?\s++(?=[^\W\d])", text):
        year, text = leading[1], text[leading.end() :]
    start = _NUMBERS.search(text)
    if start is None:
        return None
    venue, section, at = text[: start.start()].rstrip(" ,;:("), "", start.start()
    # "Ann. of Math. (2) 141": the second series.
    if series := re.match(r"(\(\d\)) (?=\d)", text[at:]):
        venue, at = f"{venue} {series[1]}", at + series.end()
    if sum(map(str.isalpha, venue)) < 2 or not venue[0].isalpha() or len(venue) > _LONGEST_NAME:
        return None
    if re.fullmatch(rf"{_LABEL}|{_MONTH}", venue.rstrip("."), re.IGNORECASE):
        return None
    parts: dict[str, str] = {"year": year} if year else {}
    if meeting := _OF_SCIENCE.match(text):
        venue, parts["volume"], at = "PoS", meeting[1], meeting.end()
    elif re.search(rf"[^\W\d]{{2}}{_YEAR}(?!\d)", text[: at + 8]):
        return None  # of a meeting, such as "LATTICE2018"
    plain: list[str] = []
    years: list[int] = []  # places in `plain` of what may be a year
    needed: set[str] = set()
    label = ""
    while at < len(text):
        token = _TOKEN.match(text, at)
        if label == "pages" and (dotted := _DOTTED.match(text, at)):
            parts[label], label, at = dotted[0], "", dotted.end()
            continue
        if token is None or not token.end() > at:
            return None
        at, kind, value = token.end(), token.lastgroup or "", token[0].strip("( )")
        if kind in ("space", "count", "month"):
            continue
        if kind in ("volume", "number", "pages"):
            label = kind
        elif label or kind in ("year", "issue"):
            field = label or {"issue": "number"}.get(kind, kind)
            value = value.split()[-1] if kind == "year" else value
            # "Vol. 12 (2007)": the label is for the number before the bracket.
            if field in parts:
                return None
            parts[field], label = value, ""
        else:
            # "JCAP 1801:001,2018": the volume is a year and a month.
            is_month = re.match(r":\d", text[at:]) and re.fullmatch(r"(?:1[89]|20)(?:0[1-9]|1[0-2])", value)
            if re.fullmatch(_YEAR, value) and not (is_month and len(_ANY_YEAR.findall(text)) > 1):
                years.append(len(plain))
            plain.append(value)
    if label:
        return None
    if "year" not in parts:
        # A year without brackets could be a page, unless the pages are there as well, or it follows the journal.
        if len(years) != 1:
            return None
        parts["year"] = plain.pop(years[0])
        needed = {"volume", "pages"} if years[0] else set()
    if not _place_numbers(plain, parts) or not needed <= parts.keys():
        return None
    if "volume" not in parts and "pages" not in parts:
        return None
    # INSPIRE writes the section of a journal with its volume: "Phys.Rev. D76", "Nucl. Phys. B123".
    if "pages" in parts and (match := _SECTION.fullmatch(parts.get("volume", ""))):
        section, parts["volume"] = match["section"], match["volume"]
        venue = f"{venue}{' ' if ' ' in venue else ''}{section}"
    return JournalReference(
        venue,
        int(parts["year"]),
        parts.get("volume", ""),
        _dashed(parts.get("number", "")),
        _dashed(parts.get("pages", "")),
    )


def _place_numbers(plain: list[str], parts: dict[str, str]) -> bool:
    """Add the numbers without a label to the parts: volume, issue, pages; return False if they do not fit."""
    fields = [field for field in ("volume", "number", "pages") if field not in parts]
    if len(plain) == 1 and "volume" in fields and _looks_like_pages(plain[0]):
        fields = ["pages"] if "pages" in fields else []
    elif len(plain) < len(fields) and "number" in fields:
        fields.remove("number")
    if len(plain) > len(fields) or (len(plain) == 3 and not _looks_like_pages(plain[2]) and not plain[1].isdigit()):
        return False
    parts.update(zip(fields, plain, strict=False))
    if plain and re.search(_DASH, parts.get("number", "")) and parts["number"] in plain:
        return False
    # "12 345 678" has three numbers of which nothing tells the issue, unless the last is a range or a long number.
    return len(plain) < 3 or _looks_like_pages(plain[2])


def _looks_like_pages(value: str) -> bool:
    return bool(re.search(r"[-‐‑‒–—−]|^[A-Za-z]+\d{3,}|^\d{5,}|^\d+[A-Za-z]+\d", value))


def _names_conference(text: str) -> bool:
    name = re.split(r"\d", re.sub(rf"^\(?{_YEAR}\)? ", "", text), maxsplit=1)[0]
    if _SERIAL.search(name.strip(" ,;:(")):
        return False
    words = re.findall(r"[A-Za-z]+", text)
    return (
        bool(_CONFERENCE.search(text))
        or any(word.upper() in _ACRONYMS and word[:2].isupper() for word in words)
        or ("NeurIPS" in words)
    )


def _conference(text: str) -> JournalReference | None:
    title, pages = re.sub(r"^(?:published )?in:?\s++", "", text, flags=re.IGNORECASE), ""
    series = volume = ""
    if found := _LABELLED_PAGES.search(title) or _LAST_RANGE.search(title):
        pages = _dashed(found["pages"])
        title = f"{title[: found.start()]} {title[found.end() :]}"
    if found := _VOLUME_OF_SERIES.search(title):
        series, volume = found["series"] or "", found["volume"]
        title = f"{title[: found.start()]}, {title[found.end() :]}".lstrip(" ,")
    years = set(re.findall(rf"(?<![\w.])(?<!\d-){_YEAR}(?!\w|-\d)", title))
    if len(years) != 1:
        return None
    year = years.pop()
    # The year that stands for itself at the end is no part of the title; that of "ICML 2019" is.
    title = re.sub(rf"(?:\s?\(\s?{_YEAR}\s?\)|[\s,;.:]*[,;.:]\s?{_YEAR})[\s,;.:]*$", "", title)
    title = re.sub(r" (?=[,;:])", "", " ".join(title.split())).strip(" ,;:.")
    if sum(map(str.isalpha, title)) < 3 or len(title) > 2 * _LONGEST_NAME:
        return None
    if re.search(r"\d", _EXPLAINED.sub("", title)):
        return None
    return JournalReference(title, int(year), volume, pages=pages, is_conference=True, series=series)


def _dashed(value: str) -> str:
    return re.sub(r"\s?(?:---?|[-‐‑‒–—−])\s?", "-", value)
