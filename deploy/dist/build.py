"""Build the wheels `akin`, `akin-encoder` and, where there is one, `akin-client` into `dist/`: `make dist` runs this.

Each is built from a copy of its files, with the modes and times of no machine: the same commit, encoder and
SOURCE_DATE_EPOCH give the same bytes. The wheel `akin` declares the dependencies of serving, page and command line, while
the project declares only its light base, which training and the images build on.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from akin.errors import AkinError  # noqa: E402
from akin.registry.packaged import PACKAGE, check_files  # noqa: E402
from akin.registry.versions import CONFIG, MODEL, promoted_version  # noqa: E402
from gradio_ui import katex_files  # noqa: E402

EXTRAS = ("cli", "cpu", "mcp", "service", "ui")
"""The extras whose packages the wheel `akin` depends on."""

TOP_LEVEL = {"akin", "gradio_ui", "retrieval_service"}
LOCKS = ("triton.lock", "tritonserver.lock")
LARGEST_ENCODER = 60 << 20
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info", "katex", "requirements", ".*")


class DistError(Exception):
    """A wheel that cannot be built, or is not what it should be."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the wheels and print their paths; return 0, or 1 after an error, which is printed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--encoder", type=Path, required=True, help="model repository with the default encoder")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder of the wheels (default: dist)")
    options = parser.parse_args(arguments)
    try:
        for wheel in build_all(options.encoder, options.out):
            print(f"{wheel}  {wheel.stat().st_size / 1e6:.1f} MB")
    except (AkinError, DistError, OSError, ValueError) as error:
        print(f"dist: {error}", file=sys.stderr)
        return 1
    return 0


def build_all(repository: Path, out: Path) -> list[Path]:
    """Build every wheel and return their paths; wheels of earlier builds are removed.

    Raises:
        DistError: A wheel is not what it should be.
        AkinError: The encoder is missing or damaged.
        OSError: A file cannot be fetched, read or written.
    """
    with tempfile.TemporaryDirectory(prefix="akin-dist-") as scratch:
        made = []
        stages = [stage_akin(Path(scratch) / "akin"), stage_encoder(repository, Path(scratch) / "encoder")]
        if (ROOT / "client/pyproject.toml").is_file():
            stages.append(stage_client(Path(scratch) / "client"))
        for staged in stages:
            made.append(build_wheel(staged, Path(scratch) / "wheels"))
        check_akin(made[0], stages[0])
        if made[1].stat().st_size > LARGEST_ENCODER:
            raise DistError(f"{made[1].name} has {made[1].stat().st_size >> 20} MB; at most {LARGEST_ENCODER >> 20}.")
        out.mkdir(parents=True, exist_ok=True)
        for left in out.glob("akin*.whl"):
            left.unlink()
        write_constraints(out / "constraints.txt")
        return [Path(shutil.copy(wheel, out)) for wheel in made]


def stage_akin(folder: Path) -> Path:
    """Copy what the wheel `akin` has into a folder, and return that."""
    for name in sorted(TOP_LEVEL):
        shutil.copytree(ROOT / name, folder / name, ignore=_LEFT_OUT)
    katex = folder / "gradio_ui" / "katex"
    if katex_files.is_there():
        shutil.copytree(katex_files.FOLDER, katex)
    else:
        katex_files.fetch(katex)
    (folder / "akin/requirements").mkdir()
    for name in LOCKS:
        shutil.copy(ROOT / "requirements" / name, folder / "akin/requirements")
    shutil.copy(ROOT / "LICENSE", folder)
    shutil.copy(ROOT / "README.md", folder)
    (folder / "pyproject.toml").write_text(wheel_project((ROOT / "pyproject.toml").read_text("utf-8")), "utf-8")
    return folder


def wheel_project(text: str) -> str:
    """Return pyproject.toml for the wheel: the packages of `EXTRAS` are dependencies, and KaTeX's licence is included.

    Raises:
        DistError: The text has another form than expected.
    """
    project = tomllib.loads(text)["project"]
    wanted = [*project["dependencies"], *(each for extra in EXTRAS for each in project["optional-dependencies"][extra])]
    wanted = [bounded(each) for each in wanted]
    listed = ",\n".join(f"    {json.dumps(each)}" for each in dict.fromkeys(wanted))
    new = {
        "dependencies": f"dependencies = [\n{listed},\n]",
        "license": 'license = "Apache-2.0 AND MIT"\nlicense-files = ["LICENSE", "gradio_ui/katex/LICENSE"]',
    }
    for key, line in new.items():
        found = re.search(rf"^{key} = .*$", text, re.MULTILINE)
        if found is None:
            raise DistError(f"pyproject.toml has no line `{key} = …`.")
        text = text[: found.start()] + line + text[found.end() :]
    if tomllib.loads(text)["project"]["dependencies"] != list(dict.fromkeys(wanted)):
        raise DistError("the line `dependencies = […]` of pyproject.toml is not the project's.")
    return text


def bounded(requirement: str) -> str:
    """Return a requirement that excludes the next release with changes that break: this one was never run with it.

    That is the next major version, or the next minor one of a version 0, counted from the locked one.

    Raises:
        DistError: The package is not locked.
    """
    name = re.split(r"[\[<>=!~; ]", requirement)[0]
    if name == "pip":  # which packages of this environment share with others
        return requirement
    found = re.search(rf"^{re.escape(name)}==(\d+)\.(\d+)", (ROOT / "requirements/all.lock").read_text("utf-8"), re.MULTILINE)
    if found is None:
        raise DistError(f"{name} is not in requirements/all.lock: make lock.")
    major, minor = int(found[1]), int(found[2])
    specifier, mark, marker = requirement.partition(";")
    return f"{specifier.rstrip()},<{major + 1 if major else f'0.{minor + 1}'}{mark}{marker}"


def write_constraints(file: Path) -> None:
    """Write the locked versions of all packages that serving, page and command line install, for `pip install -c`."""
    locks = "".join((ROOT / "requirements" / name).read_text("utf-8") for name in ("service.lock", "ui.lock"))
    pins = {line.rstrip(" \\") for line in locks.splitlines() if re.match(r"[\w.-]+==", line)}
    file.write_text("\n".join(sorted(pins)) + "\n", "utf-8")


def stage_encoder(repository: Path, folder: Path) -> Path:
    """Copy the promoted encoder of a repository into a folder, as the package `akin_encoder`, and return the folder.

    Raises:
        AkinError: There is none, or a file is damaged.
        DistError: It was not proved, or is another one than the default.
    """
    version = promoted_version(repository)
    source = repository / MODEL / str(version.number)
    manifest = check_files(source)
    if not manifest.get("parity") or not str(manifest.get("base", {}).get("source", "")).startswith("trained "):
        raise DistError(f"{source} is not the default encoder, exported and compared with its original.")
    target = folder / PACKAGE / MODEL
    (target / "1").mkdir(parents=True)
    for name in (*manifest["files"], "manifest.json"):
        shutil.copy(source / name, target / "1")
    shutil.copy(source.parent / CONFIG, target)
    described = Path(__file__).with_name("encoder")
    for name in ("README.md", "pyproject.toml"):
        text = (described / name).read_text("utf-8").replace("@VERSION@", project_version())
        (folder / name).write_text(text.replace("@NAME@", manifest["name"]), "utf-8")
    shutil.copy(described / "__init__.py", folder / PACKAGE)
    shutil.copy(ROOT / "LICENSE", folder)
    return folder


def stage_client(folder: Path) -> Path:
    """Copy the Python client into a folder, and return that."""
    shutil.copytree(ROOT / "client", folder, ignore=_LEFT_OUT)
    if not (folder / "LICENSE").exists():
        shutil.copy(ROOT / "LICENSE", folder)
    return folder


def project_version() -> str:
    """Return the version of the project."""
    version: str = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    return version


def build_wheel(staged: Path, out: Path) -> Path:
    """Build the wheel of a folder with the setuptools of this environment, without a network, and return its path."""
    for path in (staged, *staged.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    target = out / staged.name
    target.mkdir(parents=True)
    command = [sys.executable, "-c", "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH") or commit_time()}
    done = subprocess.run(
        [*command, str(target)], cwd=staged, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise DistError(f"setuptools did not build {staged.name}: {done.stderr[-2000:]}")
    (wheel,) = target.glob("*.whl")
    return wheel


def commit_time() -> str:
    """Return the time of the last commit, in seconds since 1970; the first day of ZIP files without Git."""
    done = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "315532800"


def check_akin(wheel: Path, staged: Path) -> None:
    """Check that the wheel brings no top-level name but its own, and every file that was staged for these.

    Raises:
        DistError: It does not.
    """
    names = set(zipfile.ZipFile(wheel).namelist())
    other = {name.split("/")[0] for name in names} - TOP_LEVEL
    if any(not name.endswith(".dist-info") for name in other):
        raise DistError(f"{wheel.name} has top-level names of others: {', '.join(sorted(other))}.")
    files = (path for name in TOP_LEVEL for path in (staged / name).rglob("*") if path.is_file())
    if missing := {str(path.relative_to(staged)) for path in files} - names:
        raise DistError(f"{wheel.name} lacks {', '.join(sorted(missing))}.")


if __name__ == "__main__":
    sys.exit(main())
