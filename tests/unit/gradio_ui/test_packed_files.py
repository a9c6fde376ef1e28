"""Static files that are sent packed."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from gradio_ui.packed_files import PackedFiles

SCRIPT = "const number = 1;\n" * 200


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    (tmp_path / "a.js").write_text(SCRIPT)
    (tmp_path / "a.woff2").write_bytes(b"font" * 500)
    return TestClient(PackedFiles(directory=tmp_path))


@pytest.mark.parametrize("sent", ["br", "gzip, br;q=0.9", "GZIP, BR"])
def test_a_script_is_packed_for_browsers_that_read_it(client: TestClient, sent: str) -> None:
    answer = client.get("/a.js", headers={"Accept-Encoding": sent})
    assert answer.text == SCRIPT
    assert answer.num_bytes_downloaded < len(SCRIPT) / 10
    assert (answer.headers["content-encoding"], answer.headers["vary"]) == ("br", "Accept-Encoding")
    assert "javascript" in answer.headers["content-type"]
    again = client.get("/a.js", headers={"Accept-Encoding": sent, "If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_others_get_it_as_it_is_and_fonts_are_never_packed(client: TestClient) -> None:
    for path, sent in (("/a.js", "identity"), ("/a.js", "bring"), ("/a.woff2", "br")):
        answer = client.get(path, headers={"Accept-Encoding": sent})
        assert "content-encoding" not in answer.headers
        assert answer.content in (SCRIPT.encode(), b"font" * 500)
