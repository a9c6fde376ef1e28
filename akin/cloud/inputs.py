"""Find the papers of a job: a file here, which is uploaded; a file of DVC; or an address in a bucket."""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from typing import Any

from akin.bundles import Place
from akin.errors import BadSetting, BucketError
from akin.storage.digest import file_digest


def find_papers(papers: str, inputs: str) -> tuple[str, str, str]:
    """Return the address, the name and the MD5 of the papers of a job; upload a file that is only here.

    Args:
        papers: `sample`, an address, a file, or a file of DVC whose content is in its remote.
        inputs: Address below which a file is uploaded.

    Raises:
        BadSetting: There is no such file.
        BucketError: The file cannot be uploaded.
    """
    check_papers(papers)
    if papers == "sample":
        return "", "", ""
    if "://" in papers:
        return papers, papers.rpartition("/")[2], ""
    path = Path(papers).expanduser()
    if path.suffix == ".dvc":
        return _of_dvc(path)
    place = Place(inputs)
    try:
        name = f"{file_digest(path)}/{path.name}"
        if place.sizes(name.split("/")[0]).get(path.name) != path.stat().st_size:
            place.upload(name, path)
    except OSError as error:
        raise BucketError(f"{path} cannot be read: {error.strerror}.") from error
    return f"{place.address}/{name}", path.name, ""


def check_papers(papers: str) -> None:
    """Check that papers are named by something that a job can have; ask nothing but this disk.

    Raises:
        BadSetting: They are not.
        BucketError: They have an address of another kind than a bucket's.
    """
    if papers == "sample":
        return
    if "://" in papers:
        folder, _, name = papers.rpartition("/")
        Place(folder)
        if not re.fullmatch(r"[\w.@+-]+", name):
            raise BadSetting(f"train.papers is {papers!r}: an address must end in the name of a file.")
    elif not papers or not Path(papers).expanduser().is_file():
        raise BadSetting(
            f"train.papers is {papers!r}, which is no file: name a file of papers, a .dvc file, sample, or an address "
            "such as gs://bucket/papers.jsonl.gz."
        )


def _of_dvc(path: Path) -> tuple[str, str, str]:
    """Return the address of a file in DVC's remote, its name and its MD5.

    Raises:
        BadSetting: The file of DVC names no single file, or the remote is no bucket.
    """
    import yaml

    try:
        outs: list[dict[str, Any]] = yaml.safe_load(path.read_text("utf-8"))["outs"]
        (out,) = outs
        md5, name = str(out["md5"]), Path(str(out["path"])).name
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        raise BadSetting(f"{path} is no file of DVC with one output: {error}.") from error
    if not re.fullmatch(r"[0-9a-f]{32}", md5):
        raise BadSetting(f"{path} describes a folder, not a file: name the address of one file of papers.")
    remote = _remote(path)
    if not remote.startswith(("gs://", "s3://", "az://", "https://")):
        raise BadSetting(
            f"the remote of DVC is {remote or 'missing'}, which a job cannot reach: set a bucket with "
            "`dvc remote modify --local local url gs://bucket/folder`, and `dvc push`."
        )
    # The layout of a remote since DVC 3.
    address = f"{remote.rstrip('/')}/files/md5/{md5[:2]}/{md5[2:]}"
    Place(address.rpartition("/")[0])
    return address, name, md5


def _remote(path: Path) -> str:
    """Return the address of the default remote of the repository that a file lies in; empty if there is none."""
    folder = next((each / ".dvc" for each in path.absolute().parents if (each / ".dvc").is_dir()), None)
    settings = configparser.ConfigParser(interpolation=None)
    for name in ("config", "config.local"):
        if folder is not None and (folder / name).is_file():
            try:
                settings.read(folder / name, "utf-8")
            except (configparser.Error, UnicodeDecodeError) as error:
                raise BadSetting(f"{folder / name} cannot be read: {error}.") from error
    name = settings.get("core", "remote", fallback="")
    for section in (f"'remote \"{name}\"'", f'remote "{name}"'):
        if settings.has_section(section):
            return settings.get(section, "url", fallback="")
    return ""
