"""Sample corpus: 314 real arXiv papers from the source archive of the MIT-licensed package cherche.

The abstracts are not part of this repository: pip fetches the archive as a file, its digest is checked before anything
else happens to it, and the one file of papers is extracted.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from akin.papers.errors import SampleUnavailable
from akin.storage.durable import replace_file

REQUIREMENT = "cherche==2.2.1"
ARCHIVE_SHA256 = "7984a88f0bf9349cd08907baefc2527deaacea95d3acf5f4a1692896c507fe34"
MEMBER = "cherche-2.2.1/cherche/data/semanlink/arxiv.json"
MEMBER_SHA256 = "04b746bc93097986b998288f838098021029331eea01b74c75fd6ac7fcca6494"
FILE_NAME = "sample-arxiv.json"

_SECONDS = 600


def fetch_sample(directory: str | os.PathLike[str]) -> Path:
    """Write the sample corpus into a directory, unless it is there already, and return its path.

    The file is written whole or not at all; two processes may call this at the same time.

    Args:
        directory: created if it does not exist.

    Returns:
        The path of the file, which `read_papers` reads.

    Raises:
        SampleUnavailable: pip is missing or failed, or the archive is not the expected one.
        OSError: the directory cannot be written to.
    """
    target = Path(directory) / FILE_NAME
    if target.is_file() and _digest(target.read_bytes()) == MEMBER_SHA256:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="akin-sample-") as scratch:
        content = extract(_download(Path(scratch)), ARCHIVE_SHA256, MEMBER_SHA256)
    replace_file(target, content)
    return target


def extract(archive: Path, archive_sha256: str, member_sha256: str) -> bytes:
    """Return the file of papers in the source archive, after checking the SHA-256 of both.

    Raises:
        SampleUnavailable: a digest differs, or the archive does not hold the file.
    """
    found = _digest(archive.read_bytes())
    if found != archive_sha256:
        raise SampleUnavailable(f"{archive.name} has SHA-256 {found}, expected {archive_sha256}; it was not unpacked")
    try:
        with tarfile.open(archive, "r:gz") as tar:
            file = tar.extractfile(MEMBER)
            content = file.read() if file else b""
    except (KeyError, tarfile.TarError) as error:
        raise SampleUnavailable(f"{archive.name} does not hold {MEMBER}: {error}") from error
    found = _digest(content)
    if found != member_sha256:
        raise SampleUnavailable(f"{MEMBER} has SHA-256 {found}, expected {member_sha256}")
    return content


def _download(scratch: Path) -> Path:
    """Fetch the source archive with pip and return its path."""
    # pip prepares the metadata of a source archive even when it only downloads it, which runs code of the archive.
    # With the digest among the requirements pip refuses any other archive before that.
    requirements = scratch / "requirements.txt"
    requirements.write_text(f"{REQUIREMENT} --hash=sha256:{ARCHIVE_SHA256}\n")
    # Only this package from source: with `:all:` pip would build its build tools from source too, in twice the time.
    options = ["--no-deps", "--no-binary", REQUIREMENT.partition("=")[0], "--disable-pip-version-check", "--quiet"]
    command = [*_pip(), "download", *options, "--require-hashes", "-r", str(requirements), "-d", str(scratch)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as error:
        raise SampleUnavailable(_advice(f"pip did not finish in {_SECONDS} s")) from error
    except OSError as error:
        raise SampleUnavailable(_advice(f"pip cannot be run: {error}")) from error
    archives = sorted(scratch.glob("*.tar.gz"))
    if done.returncode != 0 or not archives:
        last = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()][-3:]
        raise SampleUnavailable(_advice("pip could not fetch it: " + (" / ".join(last) or "it left no archive")))
    return archives[0]


def _pip() -> list[str]:
    """Return the command of this environment's pip or, if it has none, of the pip on the search path."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-P", "-m", "pip"]
    for name in ("pip3", "pip"):
        if found := shutil.which(name):
            return [found]
    raise SampleUnavailable(_advice("pip is not installed"))


def _advice(problem: str) -> str:
    return (
        f"the sample corpus is the source archive of {REQUIREMENT} from the package index, and {problem}. "
        "Check the network and pip's settings and run the command again, or give a file of papers of your own."
    )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
