"""Complete a partial snapshot, with the encoder that the local stack serves or one started for this."""

from __future__ import annotations

import time

from akin.index_reports import Say
from akin.indexing.build import complete_snapshot
from akin.indexing.map_upkeep import keep_map
from akin.indexing.options import BuildOptions
from akin.live_snapshot import LiveSnapshot
from akin.snapshots import (
    ShowProgress,
    cli_errors,
    find_manifest,
    remove_superseded,
    run_with_encoder,
    step_to,
)
from akin.stack_settings import Settings
from retrieval_service.corpus.manifest import Manifest


def complete_index(settings: Settings, *, say: Say, bar: ShowProgress) -> Manifest:
    """Add the missing vectors to the live snapshot, which is partial, and make the whole one the live one.

    If another snapshot is made live meanwhile, that one stays live.

    Raises:
        PapersUnusable: the snapshot cannot be completed; it stays the live one.
    """
    before = find_manifest(settings, None)
    say(f"{before.id} has vectors of {before.with_vectors:,} of {before.papers:,} papers; the others are added")
    started, live = time.monotonic(), LiveSnapshot(settings, say)
    with cli_errors():
        manifest = run_with_encoder(
            settings,
            lambda encoder, progress: complete_snapshot(
                encoder,
                settings.data,
                options=BuildOptions(use=False, steps=None),
                progress=progress,
                go_live=step_to(live, say),
            ),
            say=say,
            bar=bar,
        )
        keep_map(settings.data, before, manifest, say)
        is_live = live.replace(manifest)
        remove_superseded(settings)
    seconds = time.monotonic() - started
    say(f"all {manifest.papers:,} papers have vectors ({manifest.embedded:,} embedded in {seconds:.1f} s)")
    if is_live:
        say(f"snapshot {manifest.id} is live")
    return manifest
