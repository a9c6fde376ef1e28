"""Print the part of CHANGELOG.md that belongs to a version; refuse a version that the packages do not have."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECTS = ("pyproject.toml", "client/pyproject.toml", "training/pyproject.toml")


def part_of(changelog: str, version: str) -> str:
    """Return the text under a version's heading, without the heading.

    Raises:
        ValueError: There is no such heading, or it says `unreleased`, or nothing stands below it.
    """
    heading = re.search(rf"^## {re.escape(version)}(?![\w.])(.*)$", changelog, re.MULTILINE)
    if heading is None:
        raise ValueError(f"CHANGELOG.md has no heading `## {version}`.")
    if "unreleased" in heading[1].casefold():
        raise ValueError(f"CHANGELOG.md says that {version} is unreleased: write its date there, then tag that commit.")
    text = changelog[heading.end() :].split("\n## ", 1)[0].strip()
    if not text:
        raise ValueError(f"CHANGELOG.md has nothing below `## {version}`.")
    return text


def other_versions(version: str) -> list[str]:
    """Return the packages that have another version."""
    found = {name: tomllib.loads((ROOT / name).read_text("utf-8"))["project"]["version"] for name in PROJECTS}
    return [f"{name} has {each}" for name, each in found.items() if each != version]


def main(arguments: list[str]) -> int:
    """Run the command; return 0, or 1 after an error, which is printed."""
    (version,) = arguments
    if others := other_versions(version):
        print(f"changelog: the tag says {version}, but {', '.join(others)}.", file=sys.stderr)
        return 1
    try:
        print(part_of((ROOT / "CHANGELOG.md").read_text("utf-8"), version))
    except ValueError as error:
        print(f"changelog: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
