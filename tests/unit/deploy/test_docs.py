"""Test the source of the documentation's site: links, navigation, and a reference that names what the code has."""

from __future__ import annotations

import inspect
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from akin.cli import app as command_line
from akin.stack_settings import ROOT
from deploy.docs import __main__ as docs
from deploy.docs import pages, reference
from deploy.docs.client_reference import client, docstring, error_tree
from deploy.docs.http_reference import anchor, type_text
from retrieval_service.app import create_app
from retrieval_service.settings import Settings

LINK = re.compile(r"\]\(([^()\s#]+)(?:#[^()\s]*)?\)")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("GITHUB_REPOSITORY", raising=False)
        docs.write_source(folder)
    return folder


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    return reference.pages()


def test_every_link_of_the_site_leads_to_a_file_of_it(source: Path) -> None:
    found = 0
    for page in (source / "pages").rglob("*.md"):
        text = re.sub(
            r"^```.*?^```$|^ {4}[^\n]*$|`[^`\n]+`", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL
        )
        for target in LINK.findall(text):
            if "://" not in target:
                found += 1
                assert (page.parent / target).exists(), f"{page.relative_to(source)}: {target}"
    assert found > 200


def test_every_table_has_its_head(source: Path) -> None:
    """Find no rows behind an empty line, which are shown as text."""
    tables = 0
    for page in (source / "pages").rglob("*.md"):
        text = re.sub(r"^```.*?^```$|^ {4}[^\n]*$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        for table in re.findall(r"(?:^\|[^\n]*\n)+", text, re.MULTILINE):
            tables += 1
            assert re.match(r"\|[^\n]*\n\|[ :|-]+\|\n", table), f"{page.name}: {table[:80]}"
    assert tables > 150


def test_the_navigation_names_every_page_once(source: Path) -> None:
    project = tomllib.loads((source / "zensical.toml").read_text("utf-8"))["project"]
    named = docs.nav_pages(project["nav"])
    there = [path.relative_to(source / "pages").as_posix() for path in (source / "pages").rglob("*.md")]
    assert sorted(named) == sorted(there)
    assert [each for each in pages.OTHERS if each not in named] == []
    assert project["theme"]["font"] is False


def test_a_page_that_the_navigation_lacks_is_listed_under_how_to(tmp_path: Path) -> None:
    for name in docs.nav_pages(tomllib.loads((docs.HERE / "zensical.toml").read_text("utf-8"))["project"]["nav"]):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("# Here\n")
    (tmp_path / "new.md").write_text("# Something new\n")
    nav = tomllib.loads(docs.configuration(tmp_path))["project"]["nav"]
    how_to = next(each["How to"] for each in nav if "How to" in each)
    assert how_to[-1] == {"Something new": "new.md"}
    (tmp_path / "search.md").unlink()
    with pytest.raises(ValueError, match=r"search\.md"):
        docs.configuration(tmp_path)


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("[a](search.md#filters)", "[a](search.md#filters)"),
        ("[a](../SECURITY.md)", "[a](policy/SECURITY.md)"),
        ("[a](../deploy/proxy/nginx.conf)", "a"),
        ("`[a](../deploy/proxy/nginx.conf)`", "`[a](../deploy/proxy/nginx.conf)`"),
        ("[![p](images/p.webp)](images/p.webp)", "[![p](images/p.webp)](images/p.webp)"),
        ("[a](https://example.org/x)", "[a](https://example.org/x)"),
        ("[a](#here)", "[a](#here)"),
    ],
)
def test_links_lead_to_the_places_of_the_site(link: str, expected: str) -> None:
    places = {"docs/a.md": "a.md", "docs/search.md": "search.md", "SECURITY.md": "policy/SECURITY.md"}
    places["docs/images/p.webp"] = "images/p.webp"
    assert pages.with_links(link, "docs/a.md", places, None) == expected


def test_links_to_the_rest_of_the_repository_lead_there_where_it_is_known() -> None:
    made = pages.with_links("[a](../deploy/x)", "docs/a.md", {"docs/a.md": "a.md"}, "https://example.org/blob/1")
    assert made == "[a](https://example.org/blob/1/deploy/x)"


def test_only_pages_with_diagrams_load_their_script(source: Path) -> None:
    for page in (source / "pages").rglob("*.md"):
        text = page.read_text("utf-8")
        assert text.startswith("---\ndiagrams: true\n") is ("```mermaid" in text), page


def test_the_reference_has_every_route(written: dict[str, str], tmp_path: Path) -> None:
    document: dict[str, Any] = create_app(Settings(data=tmp_path)).state.openapi
    assert len(document["paths"]) >= 20
    for path, methods in document["paths"].items():
        for method, content in methods.items():
            title = f"{method.upper()} {path}"
            assert f"## {title}\n" in written["http"]
            assert f"](#{anchor(title)})" in written["http"]
            section = written["http"].partition(f"## {title}\n")[2].partition("\n## ")[0]
            for each in content.get("parameters", ()):
                assert f"| `{each['name']}` | {each['in']} |" in section
    for name, schema in document["components"]["schemas"].items():
        section = written["http"].partition(f"## {name}\n")[2].partition("\n## ")[0]
        assert all(f"| `{field}` |" in section for field in schema.get("properties", ())), name


def test_types_are_in_words() -> None:
    assert type_text({"type": "array", "items": {"$ref": "#/x/Paper"}}) == "list of [Paper](#paper)"
    assert (
        type_text({"anyOf": [{"type": "integer", "ge": 1, "le": 9}, {"type": "null"}]})
        == "whole number, ≥ 1, ≤ 9 or null"
    )
    assert type_text({"enum": ["a", "b"]}) == "`a`, `b`"
    assert type_text(True) == "anything"


def test_the_reference_has_every_command_with_its_options(written: dict[str, str]) -> None:
    commands = dict(reference.each_command(get_command(command_line), "akin"))
    assert len(commands) > 40
    for name, command in commands.items():
        section = written["commands"].partition(f"## {name}\n")[2].partition("\n## ")[0]
        assert f"    {name}" in section
        for option in command.params:
            if option.name != "help" and not option.hidden:
                assert f"`{option.opts[0]}`" in section, name


def test_the_reference_has_every_metric_with_its_labels(written: dict[str, str]) -> None:
    assert (
        "| `akin_requests_total` | counter | `route`, `method`, `status` | Requests answered. |" in written["metrics"]
    )
    assert "| `akin_drift_psi` | gauge | `feature` |" in written["metrics"]
    rows = re.findall(r"^\| (`akin_[^|]+) \|", (ROOT / "docs/monitoring.md").read_text("utf-8"), re.MULTILINE)
    explained = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    named = set(re.findall(r"^\| `(\w+)` \|", written["metrics"], re.MULTILINE))
    assert {each for each in named if each.startswith("akin_")} == explained
    assert len(named) > 25


def test_the_reference_has_every_configuration(written: dict[str, str]) -> None:
    files = list(reference.CONFIGS.rglob("*.yaml"))
    assert len(files) > 30
    for path in files:
        title = path.name if path.parent == reference.CONFIGS else f"{path.parent.name}={path.stem}"
        section = written["configs"].partition(f"### {title}\n")[2].partition("\n### ")[0]
        shown = section.partition("```yaml\n")[2].partition("```")[0]
        assert yaml.safe_load(shown) == yaml.safe_load(path.read_text("utf-8")), title


def test_the_reference_has_every_name_of_the_client(written: dict[str, str]) -> None:
    package = client()
    methods = [name for name, each in inspect.getmembers(package.Client, inspect.isfunction) if name[0] != "_"]
    assert len(methods) > 20
    for name in (*methods, "SearchAnswer", "Paper"):
        assert f"### {name}\n" in written["client"], name
    for error in error_tree(package.AkinError):
        assert f"| `{error.__name__}` |" in written["client"]


def test_a_docstring_becomes_a_list() -> None:
    def function() -> None:
        """Do it.

        Args:
            one: The first
                of two.

        Raises:
            OSError: never.
        """

    lines = [line for line in docstring(function) if line]
    assert lines == ["Do it.", "*Arguments*", "- `one`: The first", "  of two.", "*Raises*", "- `OSError`: never."]


def test_the_site_is_at_a_relative_place() -> None:
    """Check that pages are found below any path: on GitHub Pages it is the repository's name."""
    theme = (ROOT / "deploy/docs/theme/main.html").read_text("utf-8")
    assert all("| url }}" in source for source in re.findall(r'src="([^"]+)"', theme))
    assert "default-src 'self'" in theme


def test_addresses_and_titles_with_quotes_stay_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in docs.nav_pages(tomllib.loads((docs.HERE / "zensical.toml").read_text("utf-8"))["project"]["nav"]):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("# Here\n")
    (tmp_path / "odd.md").write_text('# A "title" \\ with signs\n')
    monkeypatch.setenv("DOCS_URL", 'https://example.org/"x"')
    monkeypatch.setenv("GITHUB_REPOSITORY", "owner/name")
    project = tomllib.loads(docs.configuration(tmp_path))["project"]
    assert project["site_url"] == 'https://example.org/"x"'
    assert project["repo_url"].endswith("/owner/name")
    assert {'A "title" \\ with signs': "odd.md"} in next(each["How to"] for each in project["nav"] if "How to" in each)
    (tmp_path / "odd.md").write_text("no heading\n")
    with pytest.raises(ValueError, match=r"odd\.md needs a heading"):
        docs.configuration(tmp_path)


def test_a_registry_that_is_away_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    monkeypatch.setattr("sys.argv", ["docs", str(tmp_path / "out")])
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    monkeypatch.setattr(docs, "write_source", lambda _: None)
    assert docs.main() == 1
    assert "npm_config_registry" in capsys.readouterr().err
