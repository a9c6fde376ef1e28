"""Find the commands in the pages of the documentation."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from akin.stack_settings import ROOT

PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "client/README.md", ROOT / "training/README.md"]
)
_FENCE = re.compile(
    r"^(?:<!-- run(?P<run>(?:: \w+)?) -->\n)?```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_INDENTED = re.compile(r"(?:^    [^\n]*\n)+", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of code of a page; `run` if it is marked to be run."""

    page: str
    language: str
    text: str
    run: bool


@dataclass(frozen=True)
class Command:
    """A command of a page: its words, without variables before it, and its line."""

    page: str
    words: tuple[str, ...]
    line: str


def blocks(path: Path) -> list[Block]:
    """Return the blocks of a page; an indented block has no language."""
    page, text = path.relative_to(ROOT).as_posix(), path.read_text("utf-8")
    fenced = [Block(page, each["language"], each["text"], each["run"] is not None) for each in _FENCE.finditer(text)]
    rest = _FENCE.sub("\n", text)
    return [
        *fenced,
        *(Block(page, "", re.sub(r"^ {4}", "", each, flags=re.M), False) for each in _INDENTED.findall(rest)),
    ]


def commands(block: Block) -> Iterator[Command]:
    """Yield the commands of a block: what `akin`, `make`, Python or `docker compose` are asked to do."""
    if block.language not in ("", "bash", "sh", "console"):
        return
    for line in block.text.replace("\\\n", " ").splitlines():
        line = line.strip().removeprefix("$ ")
        if not re.match(r"(?:[A-Z_]+=\S* )*(?:\S*/)?(?:akin|make|python3?|docker) ", line + " "):
            continue
        try:
            words = shlex.split(line, comments=True)
        except ValueError:  # a text that only begins like a command
            continue
        while words and re.match(r"[A-Z_]+=", words[0]):
            words.pop(0)
        for part in split(words):
            yield Command(block.page, tuple(part), line)


def split(words: list[str]) -> list[list[str]]:
    """Return the commands of a line that are joined by a pipe or the like."""
    parts: list[list[str]] = [[]]
    for word in words:
        if word in ("|", "&&", ";", "||"):
            parts.append([])
        else:
            parts[-1].append(word)
    return [part for part in parts if part]


ALL = [command for page in PAGES for block in blocks(page) for command in commands(block)]
