"""Run every examination, each by itself, so that one that cannot be made hides no other."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from akin.doctor.finding import Finding, examine, fail, warn
from akin.errors import BadSetting
from akin.settings.unknown import warnings
from akin.stack_settings import Settings, encoder_settings


def examine_all(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the findings about this machine, this installation and the data folder that an environment names.

    Nothing is written, and nothing has to run.
    """
    from akin.doctor import folders, libraries, machine, models, ports

    here = machine.Machine.here()
    try:
        settings, encoder = Settings.read(environ), encoder_settings(environ)
    except BadSetting as error:
        # The rest is examined by the defaults, with this finding first.
        yield fail(
            "settings", str(error).replace("\n", " "), "correct the variable (docs/settings.md), then run this again"
        )
        kept = {name: value for name, value in environ.items() if not name.startswith("AKIN_")}
        settings, encoder = Settings.read(kept), encoder_settings(kept)
    for line in warnings(environ):
        yield warn("settings", line, "correct its name, or remove it: it has no effect")
    yield from examine("machine", lambda: machine.examine_machine(here, settings, encoder))
    yield from examine("memory", lambda: [machine.examine_memory(here, _index_bytes(settings))])
    yield from examine("packages", libraries.examine_environment)
    yield from examine("triton", lambda: libraries.examine_server(settings))
    yield from examine("port", lambda: ports.examine_ports(settings))
    user = os.getuid() if hasattr(os, "getuid") else None
    found = list(examine("data folder", lambda: folders.examine_folder(settings, user)))
    yield from found
    if any(each.state == "fail" for each in found):
        return  # each of the next would only repeat it
    yield from examine("half-written", lambda: folders.examine_left(settings))
    yield from examine("snapshot", lambda: folders.examine_snapshot(settings, here.now))
    yield from examine("disk", lambda: folders.examine_disk(settings))
    yield from examine("encoder", lambda: models.examine_models(settings, here.features, encoder))


def _index_bytes(settings: Settings) -> int:
    """Return the bytes of the live snapshot's vectors, which the service keeps in memory; 0 without a snapshot."""
    from akin.doctor.folders import live_manifest
    from retrieval_service.corpus.manifest import VECTORS

    live = live_manifest(settings)
    return live.files[VECTORS].bytes if live and VECTORS in live.files else 0
