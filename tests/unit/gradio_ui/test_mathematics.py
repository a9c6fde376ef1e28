import base64
import hashlib
import io
import re
import tarfile
from http.client import IncompleteRead, InvalidURL
from pathlib import Path
from typing import Any

import pytest

from akin.papers.text.mathematics import MATHEMATICS
from gradio_ui import katex_files
from gradio_ui.card import tex_class
from gradio_ui.gate import _methods

SCRIPT = (Path(katex_files.__file__).parent / "mathematics.js").read_text("utf-8")


def test_the_page_finds_the_formulas_that_the_service_leaves() -> None:
    assert f"const MATHEMATICS = /{MATHEMATICS}/gu;" in SCRIPT


def test_texts_of_papers_get_no_trust() -> None:
    options = re.search(r"const OPTIONS = \{(.*)\};", SCRIPT)
    assert options is not None
    assert {"trust: false", "maxExpand: 200", "maxSize: 4", 'output: "htmlAndMathml"'} <= set(
        options[1].strip().split(", ")
    )


@pytest.mark.parametrize(("text", "expected"), [("$x$", " akin-tex"), ("a \\(b\\)", " akin-tex"), ("plain", "")])
def test_only_texts_with_formulas_are_marked(text: str, expected: str) -> None:
    assert tex_class(text) == expected


@pytest.mark.parametrize(
    ("path", "served"),
    [
        ("/katex/katex.min.js", True),
        ("/katex/fonts/KaTeX_Main-Regular.woff2", True),
        ("/katex/LICENSE", False),
        ("/katex/../serve.py", False),
        ("/katex/fonts/..%2fx.woff2", False),
    ],
)
def test_only_the_files_of_katex_are_served(path: str, served: bool) -> None:
    assert (_methods(path) is not None) is served


def package() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name in (
            "package/dist/katex.min.js",
            "package/dist/fonts/A.woff2",
            "package/LICENSE",
            "package/../../x.js",
        ):
            member = tarfile.TarInfo(name)
            member.size = 3
            archive.addfile(member, io.BytesIO(b"abc"))
    return content.getvalue()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    addresses: list[str] = []

    def answer(address: str, **_: Any) -> io.BytesIO:
        addresses.append(address)
        return io.BytesIO(package())

    monkeypatch.setattr("urllib.request.urlopen", answer)
    return addresses


def test_the_package_is_checked_and_unpacked_once(
    tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_registry", "https://mirror.example/npm/")
    monkeypatch.setattr(katex_files, "_SHA512", base64.b64encode(hashlib.sha512(package()).digest()).decode())
    folder = tmp_path / "katex"
    assert not katex_files.is_there(folder)
    katex_files.fetch(folder)
    katex_files.fetch(folder)
    assert katex_files.is_there(folder)
    assert asked == [f"https://mirror.example/npm/katex/-/katex-{katex_files.VERSION}.tgz"]
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {"katex/katex.min.js", "katex/fonts/A.woff2", "katex/LICENSE", "katex/VERSION"}


@pytest.mark.usefixtures("asked")
def test_another_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="digest"):
        katex_files.fetch(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [OSError("no route"), IncompleteRead(b"half"), InvalidURL("no port")])
def test_without_the_registry_set_up_continues(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path
) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    monkeypatch.setattr(katex_files, "is_there", lambda _: False)
    assert katex_files.main() == 0
    assert "formulas as TeX" in capsys.readouterr().err
