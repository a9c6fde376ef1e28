"""Print a file that is made from the definitions: `python -m akin.settings docs`, `python -m settings env`."""

from __future__ import annotations

import sys
from pathlib import Path

from akin.settings.reference import docs, env

COMPOSE = Path(__file__).resolve().parent.parent.parent / "docker-compose.yml"


def main(arguments: list[str]) -> int:
    """Print the file and return the exit code: 2 for an unknown name."""
    match arguments:
        case ["docs"]:
            print(docs(), end="")
        case ["env"]:
            print(env(COMPOSE), end="")
        case _:
            print("usage: python -m akin.settings docs|env", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
