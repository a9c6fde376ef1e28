"""Write the page of the Python client from its signatures, docstrings and types."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Final

CLIENT: Final = Path(__file__).resolve().parents[2] / "client"
LONGEST: Final = 88
"""Characters of a line of code."""

_SECTION = re.compile(r"^(Args|Attributes|Returns|Yields|Raises):$")
_NAMED = re.compile(r"^    (\*{0,2}\w+): (.*)$")


def client_page() -> str:
    """Return the page: the methods of the client, its errors as a tree, and the fields of answers."""
    package = client()
    lines = [
        "# Python client, all names\n",
        "Made from the code of `akin_client`; [Python client](../python-client.md) explains its use.",
        "`AsyncClient` has the same methods, to be awaited.\n",
        *described("Client", package.Client),
        *called("Client", package.Client.__init__),
        *docstring(package.Client.__init__),
    ]
    for name, method in vars(package.Client).items():
        if not name.startswith("_") and callable(method):
            lines += [f"### {name}\n", *called(name, method), *docstring(method)]
    lines += ["## Repetitions\n", *docstring(package.retries.Retries)]
    lines += ["## Errors\n", "| error | is a | meaning |", "| --- | --- | --- |"]
    for error in error_tree(package.AkinError):
        parent = error.__bases__[0].__name__
        lines.append(f"| `{error.__name__}` | `{parent}` | {' '.join((inspect.getdoc(error) or '').split())} |")
    lines += ["", "## Answers\n"]
    for name, answer in vars(package.answers).items():
        if inspect.isclass(answer) and answer.__module__ == package.answers.__name__:
            lines += [f"### {name}\n", *docstring(answer), *fields(answer)]
    return "\n".join(lines) + "\n"


def client() -> ModuleType:
    """Return the package `akin_client`, from its folder if it is not installed."""
    if str(CLIENT) not in sys.path:
        sys.path.insert(0, str(CLIENT))
    package = importlib.import_module("akin_client")
    importlib.import_module("akin_client.retries")
    return package


def described(name: str, thing: Any) -> list[str]:
    """Return the heading and the text of a class."""
    return [f"## {name}\n", *docstring(thing)]


def called(name: str, function: Any) -> list[str]:
    """Return how a function is called, without `self`; if that is long, each parameter has a line of its own."""
    found = inspect.signature(function)
    kept = [each for each in found.parameters.values() if each.name != "self"]
    parts = [re.sub(r": '([^']*)'", r": \1", str(each)) for each in kept]
    by_name = next((place for place, each in enumerate(kept) if each.kind is each.KEYWORD_ONLY), None)
    if by_name is not None:
        parts.insert(by_name, "*")
    end = ")" if name[0].isupper() else f") -> {found.return_annotation}"
    short = f"{name}({', '.join(parts)}{end}"
    lines = [short] if len(short) <= LONGEST else [f"{name}(", *(f"    {each}," for each in parts), end]
    return ["```python", *lines, "```", ""]


def docstring(thing: Any) -> list[str]:
    """Return a docstring as Markdown: its text, and what it says of arguments and errors as lists."""
    lines: list[str] = []
    for line in (inspect.getdoc(thing) or "").splitlines():
        if section := _SECTION.match(line):
            lines += [f"*{ {'Args': 'Arguments'}.get(section[1], section[1]) }*", ""]
        elif named := _NAMED.match(line):
            lines.append(f"- `{named[1]}`: {named[2]}")
        else:
            lines.append(f"  {line.strip()}" if line.startswith("        ") else line.strip())
    return [*lines, ""]


def error_tree(error: type) -> list[type]:
    """Return an error and those below it, each before its own."""
    children: list[type] = error.__subclasses__()
    return [error, *(each for child in children for each in error_tree(child))]


def fields(answer: Any) -> list[str]:
    """Return the table of the fields of an answer; those that it takes from another are named by a link."""
    base = next((each for each in getattr(answer, "__orig_bases__", ()) if each.__module__ == answer.__module__), None)
    inherited = getattr(base, "__annotations__", {})
    rows = [
        f"| `{name}` | `{type_name(kind)}` |" for name, kind in answer.__annotations__.items() if name not in inherited
    ]
    note = [f"All fields of [{base.__name__}](#{base.__name__.lower()}), and:\n"] if base else []
    return [*note, "| field | type |", "| --- | --- |", *rows, ""]


def type_name(kind: Any) -> str:
    """Return the name of a type for a cell of a table."""
    return str(getattr(kind, "__forward_arg__", kind)).replace("|", "\\|")
