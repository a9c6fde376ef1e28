"""Fetch KaTeX, which shows mathematics on the page: `python -m gradio_ui.katex_files`.

The package of the npm registry is fetched with Python and checked by its digest; no Node is needed. Without it the page
shows formulas as TeX. `npm_config_registry` chooses another registry, as for npm.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import sys
import tarfile
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Final

VERSION: Final = "0.19.1"
_SHA512: Final = "jG8uKntjSEcm2EpQOh0XturpPuuC9r3Sq5HLHdsFdWZT27E672SF19QEi+of0/YeOy15lDgRhKvr5614uRrEfA=="
FOLDER: Final = Path(__file__).parent / "katex"
_NPM: Final = "https://registry.npmjs.org"
_DIST: Final = "package/dist/"
_LARGEST: Final = 8 << 20  # bytes
_SECONDS: Final = 60


def is_there(folder: Path = FOLDER) -> bool:
    """Return True if this version was fetched completely."""
    try:
        return (folder / "VERSION").read_text(encoding="utf-8") == VERSION
    except OSError:
        return False


def fetch(folder: Path = FOLDER) -> None:
    """Write KaTeX's script, style sheet, fonts and licence to a folder, unless they are there.

    Raises:
        OSError: the registry does not answer, or the folder cannot be written.
        ValueError: the package is another one than expected.
    """
    if is_there(folder):
        return
    package = npm_package("katex", VERSION, _SHA512)
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        for member in archive:
            name = member.name.removeprefix(_DIST)
            if name in ("katex.min.js", "katex.min.css", "package/LICENSE") or name.endswith(".woff2"):
                content = archive.extractfile(member)
                if content is not None:
                    target = folder / ("fonts" if name.endswith(".woff2") else "") / Path(name).name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content.read())
    (folder / "VERSION").write_text(VERSION, encoding="utf-8")


def npm_package(name: str, version: str, sha512: str) -> bytes:
    """Return the archive of a package of the npm registry.

    Args:
        name: Its name, with its scope if it has one.
        version: Its version.
        sha512: The digest of the archive, in base64.

    Raises:
        OSError: the registry does not answer.
        ValueError: the package is another one than expected.
    """
    named = {name.lower(): value for name, value in os.environ.items()}  # npm reads its variables in any case
    registry = named.get("npm_config_registry") or _NPM
    address = f"{registry.rstrip('/')}/{name}/-/{name.rpartition('/')[2]}-{version}.tgz"
    if not address.startswith(("https://", "http://")):
        raise ValueError(f"npm_config_registry is not a web address: {registry}")
    try:
        with urllib.request.urlopen(address, timeout=_SECONDS) as answer:
            package = answer.read(_LARGEST)
    except HTTPException as error:  # an answer that ends early, or an address that is none
        raise OSError(f"{address}: {error!r}") from error
    if base64.b64encode(hashlib.sha512(package).digest()).decode() != sha512:
        raise ValueError(f"{address} is not {name} {version}: its digest is another one")
    return bytes(package)


def main() -> int:
    """Fetch KaTeX, and return 0 also if the registry does not answer: the page works without."""
    try:
        fetch()
    except ValueError as error:
        print(f"KaTeX: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"KaTeX was not fetched, the page shows formulas as TeX ({error})", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
