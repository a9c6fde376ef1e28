"""Test that the command line imports what a command needs only when that command runs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = set("faiss httpx mcp numpy pydantic retrieval_service rich tantivy".split()) | {
    f"akin.{part}" for part in ("indexing", "mcp", "papers", "relevance", "settings")
}
CODE = """
import json, sys
from akin.cli import main
try:
    main()
except SystemExit as end:
    assert end.code == 0
print(json.dumps(list(sys.modules)), file=sys.stderr)
"""


@pytest.mark.parametrize("group", ["", "encoder", "index", "papers", "relevance", "search", "up", "train"])
def test_help_imports_nothing_heavy(group: str) -> None:
    arguments = [*filter(None, [group]), "--help"]
    done = subprocess.run([sys.executable, "-c", CODE, *arguments], capture_output=True, text=True, check=True)
    assert "Usage: " in done.stdout
    # Typer itself imports pydantic, where it is installed, to read the parameters of a command.
    assert HEAVY.intersection(json.loads(done.stderr)) <= ({"pydantic"} if group else set())


def test_the_container_of_triton_needs_only_what_is_locked_for_it() -> None:
    """Import only pydantic-settings and the encoder's libraries, which the images of Triton have."""
    code = (
        "import json, sys, akin.stack.foreground; print(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"httpx", "msgspec", "psutil", "rich", "tritonclient", "typer"}.isdisjoint(json.loads(done.stdout))


def test_the_service_imports_the_sdk_of_the_tools_with_their_first_request() -> None:
    code = (
        "import json, sys, retrieval_service.app; print(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"httpx2", "jsonschema", "mcp", "mcp_types", "sse_starlette"}.isdisjoint(json.loads(done.stdout))
