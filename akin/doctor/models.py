"""Examine the promoted encoder: its files, whether this CPU's runtime was proved, and whether the snapshot needs it."""

from __future__ import annotations

from collections.abc import Iterator

from akin.doctor.finding import Finding, fail, ok, warn
from akin.doctor.folders import live_manifest, wrong_files
from akin.doctor.machine import INT8_FEATURES
from akin.errors import EncoderError
from akin.installation import IS_CLONE
from akin.registry.versions import MODEL, promoted_number, promoted_version, versions
from akin.settings import EncoderSettings
from akin.stack_settings import Settings


def examine_models(settings: Settings, features: frozenset[str], encoder: EncoderSettings) -> Iterator[Finding]:
    """Yield the findings about the encoder that serves; `features` are the instruction sets of this CPU."""
    repository = settings.repository
    make = "akin encoder export" if IS_CLONE else "install the wheel akin-encoder, then akin setup"
    try:
        if promoted_number(repository) is None:
            yield warn("encoder", f"none in {repository}", make)
            return
        version = promoted_version(repository)
        sizes = {name: each["bytes"] for name, each in version.manifest.get("files", {}).items()}
        wrong = wrong_files(repository / MODEL / str(version.number), sizes)
    except EncoderError as error:
        yield fail(
            "encoder", str(error), "akin encoder list shows the versions; akin encoder promote VERSION chooses one"
        )
        return
    if wrong:
        yield fail(
            "encoder",
            f"version {version.number}: {', '.join(wrong)}",
            "akin encoder list, then promote another version, or export again",
        )
        return
    runtime = encoder.encoder_runtime
    if runtime == "auto":
        runtime = "openvino" if features & INT8_FEATURES else "onnxruntime"
    proved = version.manifest.get("parity", {}).get("runtimes", {})
    name = f"version {version.number} ({version.manifest.get('name', '')}, {version.digest[:12]})"
    if proved and runtime not in proved:
        advice = f"akin encoder evaluate {version.number} on this machine, or export it here"
        yield warn(
            "encoder", f"{name} was compared with its original by {', '.join(proved)}; this CPU runs {runtime}", advice
        )
    else:
        yield ok("encoder", f"{name}, which this CPU runs by {runtime}")
    live = live_manifest(settings)
    if live is not None and live.encoder.digest != version.digest:
        known = {each.digest: each.number for each in versions(repository)}
        found = f"the live snapshot was made by {live.encoder.digest[:12]}, and {version.digest[:12]} is promoted"
        if number := known.get(live.encoder.digest):
            advice = f"akin index build with the new encoder, or akin encoder promote {number}"
            yield fail("encoder", found, advice)
        else:
            yield fail(
                "encoder",
                f"{found}; the other is not in {repository}",
                "bring that version back (akin restore), or build again",
            )
