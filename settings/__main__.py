"""Print a file made from the definitions of the settings: `python -m settings docs`, `python -m settings env`."""

from __future__ import annotations

import sys
from pathlib import Path

from settings.reference import docs, env

COMPOSE = Path(__file__).resolve().parent.parent / "docker-compose.yml"


def main(arguments: list[str]) -> int:
    """Print the file; the exit code is 2 where the name is none of the two."""
    match arguments:
        case ["docs"]:
            print(docs(), end="")
        case ["env"]:
            print(env(COMPOSE), end="")
        case _:
            print("usage: python -m settings docs|env", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
