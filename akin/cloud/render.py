"""Fill in the files of `deploy/cloud/`: services of Cloud Run, and a folder of Kustomize."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from akin.bundles import Place, Source, parse_source, read_bundle
from akin.cloud.config import Cloud
from akin.errors import BadSetting, NotSetUp
from akin.installation import IS_CLONE, ROOT

FOLDER = ROOT / "deploy/cloud"
PARTS = {"api": "service", "page": "page"}
OVERLAYS = ("cpu", "gpu")
_PLAIN = re.compile(r"[A-Za-z0-9:/@._-]*")


def check_part(part: str) -> None:
    """Check the name of a service.

    Raises:
        BadSetting: There is no such service.
    """
    if part not in PARTS:
        raise BadSetting(f"{part!r} cannot be deployed: name api (for programs) or page (for readers).")


def check_overlay(overlay: str) -> None:
    """Check the name of an overlay.

    Raises:
        BadSetting: There is no such overlay.
    """
    if overlay not in OVERLAYS:
        raise BadSetting(f"{overlay!r} is no overlay: name cpu or gpu.")


def pinned(cloud: Cloud, kind: str, source: str) -> str:
    """Return a source with its digest, so that every instance of a revision starts with the same files.

    Args:
        cloud: The settings.
        kind: `models` or `snapshot`.
        source: An address with or without a digest; empty for that of the settings' bucket.

    Raises:
        BucketError: There is no such bundle.
    """
    given = parse_source(source or f"{cloud.bucket.rstrip('/')}/{kind}")
    bundle = read_bundle(Place(given.address), given.digest, kind)
    return str(Source(given.address, bundle.digest))


def service_file(
    cloud: Cloud, part: str, revision: str, models: str, snapshot: str, traffic: list[dict[str, Any]]
) -> str:
    """Return the file of a service of Cloud Run.

    Args:
        cloud: The settings.
        part: `api` or `page`.
        revision: Name of the new revision.
        models: Source of the models.
        snapshot: Source of the snapshot.
        traffic: Shares of the revisions; the new one has a tag and no share.

    Raises:
        BadSetting: An account is missing, or a value has signs that a file of YAML must not have.
        NotSetUp: This is no clone of the repository.
    """
    serve = cloud.serve
    account = serve.service_account if part == "api" else serve.page_account
    if not account:
        name = "service_account" if part == "api" else "page_account"
        raise BadSetting(f"serve.{name} is missing in the settings: the account that the service runs as.")
    values = {
        "SERVICE": getattr(serve, PARTS[part]),
        "REVISION": revision,
        "SMALLEST": str(serve.smallest),
        "LARGEST": str(serve.largest),
        "MEMORY": serve.memory,
        "SERVICE_ACCOUNT": account,
        "IMAGES": cloud.images,
        "TAG": cloud.tag,
        "MODELS_SOURCE": models,
        "SNAPSHOT_SOURCE": snapshot,
    }
    return _fill(FOLDER / "run" / f"{part}.yaml", values, {"TRAFFIC": json.dumps(traffic)})


def write_manifests(cloud: Cloud, overlay: str, models: str, snapshot: str, folder: Path) -> None:
    """Write a folder of Kustomize with the images, the account and the sources of this project.

    Raises:
        BadSetting: The account is missing, or a value has signs that a file of YAML must not have.
        NotSetUp: This is no clone of the repository.
    """
    account = cloud.serve.service_account
    if not account:
        raise BadSetting("serve.service_account is missing in the settings: the account that the pods use.")
    _require_clone(FOLDER / "gke")
    names = ["triton-gpu" if overlay == "gpu" else "triton", "retrieval", "ui"]
    refresh = cloud.serve.refresh_account
    values = [cloud.images, cloud.tag, account, models, snapshot, refresh]
    for value in values:
        _check_plain(value)
    base = Path(*([".."] * len(folder.resolve().relative_to(folder.resolve().anchor).parts)))

    def relative(path: Path) -> str:
        """Return a path as Kustomize takes it, from the folder."""
        return str(base / path.resolve().relative_to(path.resolve().anchor))

    accounts = {"akin": account} | ({"akin-refresh": refresh} if refresh else {})
    content = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": "akin",
        "resources": [relative(FOLDER / "gke/overlays" / overlay)],
        "components": [relative(FOLDER / "gke/refresh")] if refresh else [],
        "images": [{"name": name, "newName": f"{cloud.images}/{name}", "newTag": cloud.tag} for name in names],
        "configMapGenerator": [{"name": "sources", "behavior": "merge", "envs": ["sources.env"]}],
        "patches": [
            {
                "target": {"kind": "ServiceAccount", "name": name},
                "patch": json.dumps(
                    [
                        {
                            "op": "replace",
                            "path": "/metadata/annotations/iam.gke.io~1gcp-service-account",
                            "value": value,
                        }
                    ]
                ),
            }
            for name, value in accounts.items()
        ],
    }
    sources = {"AKIN_MODELS_SOURCE": models, "AKIN_SNAPSHOT_SOURCE": snapshot}
    sources |= {"SNAPSHOT_ADDRESS": parse_source(snapshot).address} if refresh else {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # JSON is YAML.
        (folder / "kustomization.yaml").write_text(json.dumps(content, indent=2) + "\n", "utf-8")
        (folder / "sources.env").write_text("".join(f"{name}={value}\n" for name, value in sources.items()), "utf-8")
    except OSError as error:
        raise BadSetting(f"{folder} cannot be written: {error.strerror}.") from error


def _fill(path: Path, values: Mapping[str, str], texts: Mapping[str, str]) -> str:
    _require_clone(path)
    for value in values.values():
        _check_plain(value)
    return Template(path.read_text("utf-8")).substitute({**values, **texts})


def _check_plain(value: str) -> None:
    if "@" in value and "://" in value:
        parse_source(value)
    if not _PLAIN.fullmatch(value):
        raise BadSetting(f"{value!r} has signs that a file of YAML must not have.")


def _require_clone(path: Path) -> None:
    if not IS_CLONE or not path.exists():
        raise NotSetUp(f"{path} is missing: this command needs a clone of the repository.")
