"""Say how the supervisor starts the parts of the stack: their commands, their environment, the versions they serve."""

from __future__ import annotations

import json
import os
import sys

from akin.registry.versions import Version, versions
from akin.stack_settings import Settings


def versions_still_needed(settings: Settings, promoted: Version) -> list[int]:
    """Return the version that made the live snapshot, unless it is the promoted one: searches still use it.

    The snapshot's files are read directly, as the service's code for them imports FAISS and Tantivy: 80 MB that a
    supervisor does not need.
    """
    snapshots = settings.data / "snapshots"
    try:
        live = (snapshots / "CURRENT").read_text("utf-8").strip()
        digest = json.loads((snapshots / live / "manifest.json").read_bytes())["encoder"]["digest"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    made_by = [version.number for version in versions(settings.repository) if version.digest == digest]
    return [] if digest == promoted.digest else made_by[-1:]


def module_command(module: str) -> list[str]:
    """Return the command that runs a module with this Python."""
    # -P keeps files of the current folder from being imported instead of packages of the same name.
    return [sys.executable, "-P", "-m", module]


def service_environment(settings: Settings) -> dict[str, str]:
    """Return the environment of the service: its data, its Triton, its models and its ports.

    It names no encoder: the service finds the one that made its snapshot among those that Triton serves.
    """
    return {
        **os.environ,
        "AKIN_DATA": str(settings.data),
        "AKIN_MODEL_REPOSITORY": str(settings.repository),
        "AKIN_FEEDBACK": settings.feedback,
        "AKIN_KEYS": settings.keys,
        "AKIN_COLLECTION": settings.collection,
        "AKIN_SERVICE_HOST": settings.service_host,
        "AKIN_SERVICE_PORT": str(settings.service_port),
        "AKIN_SERVICE_ROOT_PATH": settings.service_root_path,
        "AKIN_SERVICE_METRICS_HOST": settings.service_metrics_host,
        "AKIN_SERVICE_METRICS_PORT": str(settings.service_metrics_port),
        "AKIN_TRITON_URL": f"grpc://127.0.0.1:{settings.triton_grpc_port}",
    }
