"""Write the source of the documentation's site: `python -m deploy.docs FOLDER`; `make docs` runs this, then Zensical.

The pages of `docs/` and a few others are copied, the reference is made from the code, and the script that draws
diagrams is fetched from the npm registry and checked by its digest: the site loads nothing from other hosts.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import urllib.error
from pathlib import Path
from typing import Any, Final

from deploy.docs import pages, reference
from gradio_ui.katex_files import npm_package

ROOT: Final = Path(__file__).resolve().parents[2]
HERE: Final = Path(__file__).parent
MERMAID: Final = (
    "@mermaid-js/tiny",
    "12.0.0",
    "ZW9YXy+3tSLPscBT+NnQO0K0qYH7BGES5nExl6Snoygey7xd2N0cO7Nq30N5k/u7gIeYoCrldyVy+VTCMWrNDQ==",
)
"""Package, version and digest of the script that draws diagrams (MIT)."""


def main() -> int:
    """Write the source and print its folder; return 1 after an error, which is printed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of the source; what it holds is replaced")
    folder = parser.parse_args().folder
    try:
        write_source(folder)
        add_mermaid(folder / "pages/assets", ROOT / ".cache/mermaid")
    except urllib.error.URLError as error:
        print(f"docs: the npm registry does not answer ({error}): set npm_config_registry to another", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"docs: {error}", file=sys.stderr)
        return 1
    return 0


def write_source(folder: Path) -> None:
    """Write configuration, theme and pages, without the script of the diagrams."""
    shutil.rmtree(folder, ignore_errors=True)
    written = folder / "pages"
    files = pages.sources(ROOT)
    places = {path.relative_to(ROOT).as_posix(): place for place, path in files.items()}
    repository = repository_files()
    for place, path in files.items():
        target = written / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            text = pages.with_links(path.read_text("utf-8"), path.relative_to(ROOT).as_posix(), places, repository)
            target.write_text(pages.with_front_matter(text), "utf-8")
        else:
            shutil.copyfile(path, target)
    (written / "reference").mkdir(exist_ok=True)
    for name, text in reference.pages().items():
        (written / "reference" / f"{name}.md").write_text(text, "utf-8")
    shutil.copytree(HERE / "theme", folder / "theme")
    (folder / "zensical.toml").write_text(configuration(written), "utf-8")


def configuration(written: Path) -> str:
    """Return the configuration, with the pages that its navigation does not name at the end of "How to"."""
    text = (HERE / "zensical.toml").read_text("utf-8")
    named = set(nav_pages(tomllib.loads(text)["project"]["nav"]))
    found = {path.relative_to(written).as_posix(): path for path in sorted(written.rglob("*.md"))}
    if missing := sorted(named - found.keys()):
        raise ValueError(f"the navigation in deploy/docs/zensical.toml names pages that are not there: {missing}")
    more = [
        f"    {{ {json.dumps(pages.title_of(name, path.read_text('utf-8')))} = {json.dumps(name)} }},\n"
        for name, path in found.items()
        if name not in named
    ]
    before, how_to, after = text.partition('  { "How to" = [\n')
    inside, end, rest = after.partition("  ] },\n")
    text = before + how_to + inside + "".join(more) + end + rest
    if address := os.environ.get("DOCS_URL"):
        text = text.replace("[project]\n", f"[project]\nsite_url = {json.dumps(address)}\n", 1)
    if name := os.environ.get("GITHUB_REPOSITORY"):
        repo = f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{name}"
        text = text.replace("[project]\n", f"[project]\nrepo_url = {json.dumps(repo)}\n", 1)
    return text


def nav_pages(nav: list[dict[str, Any]]) -> list[str]:
    """Return the pages of a navigation in their order."""
    found: list[str] = []
    for entry in nav:
        for value in entry.values():
            found += [value] if isinstance(value, str) else nav_pages(value)
    return found


def repository_files() -> str | None:
    """Return the address of the repository's files at this commit, in a workflow of GitHub; None elsewhere."""
    name = os.environ.get("GITHUB_REPOSITORY")
    if not name:
        return None
    commit = os.environ.get("GITHUB_SHA") or subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=ROOT, text=True)
    return f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{name}/blob/{commit.strip()}"


def add_mermaid(assets: Path, cache: Path) -> None:
    """Write the script of the diagrams and its licence; it is fetched once."""
    name, version, sha512 = MERMAID
    kept = cache / version
    if not (kept / "mermaid.tiny.js").is_file():
        with tarfile.open(fileobj=io.BytesIO(npm_package(name, version, sha512))) as archive:
            kept.mkdir(parents=True, exist_ok=True)
            for member, target in (("LICENSE", "mermaid.LICENSE.txt"), ("dist/mermaid.tiny.js", "mermaid.tiny.js")):
                content = archive.extractfile(f"package/{member}")
                if content is None:
                    raise ValueError(f"{name} {version} has no file {member}")
                (kept / f"{target}.part").write_bytes(content.read())
                (kept / f"{target}.part").replace(kept / target)
    shutil.copytree(kept, assets, dirs_exist_ok=True)


if __name__ == "__main__":
    sys.exit(main())
