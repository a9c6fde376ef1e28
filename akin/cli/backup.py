"""Define `akin backup` and `akin restore`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from akin.cli.output import Json, print_json, read_settings, say
from akin.cli.papers import fetch_progress

if TYPE_CHECKING:
    from akin.backup.manifest import BackupManifest


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command()(backup)
    app.command()(restore)


def backup(
    to: Annotated[Path, typer.Argument(metavar="TO", help="A new file whose name ends with .tar, or a new folder.")],
    every: Annotated[
        bool, typer.Option("--every", help="All snapshots and versions; default: what is live, and its encoder.")
    ] = False,
    embeddings: Annotated[bool, typer.Option(help="The stored embeddings, which updates reuse.")] = True,
    models: Annotated[bool, typer.Option(help="Versions of the encoder and of the reranker.")] = True,
    keys: Annotated[bool, typer.Option(help="Hashes of the API's keys.")] = True,
    feedback: Annotated[bool, typer.Option(help="What readers said of results.")] = True,
    collection: Annotated[bool, typer.Option("--collection", help="The collected queries too.")] = False,
    json: Json = False,
) -> None:
    """Copy data and models to one file or folder, with a digest of every file. Service and builds may run meanwhile.

    Example: akin backup /mnt/backups/akin-2026-11-27.tar
    """
    from akin.backup.content import Wanted
    from akin.backup.write import back_up

    wanted = Wanted(every, embeddings, models, keys, feedback, collection)
    with fetch_progress(of_bytes=True, doing="copying") as show:
        done = back_up(read_settings(), to.expanduser(), wanted, show)
    say(f"{to}: {len(done.files):,} files, {done.bytes:,} bytes; snapshot {done.snapshot or 'none'}")
    if json:
        print_json({"path": str(to), **summary(done)})


def restore(
    source: Annotated[Path, typer.Argument(metavar="FROM", help="The file or folder of a backup.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Move what is there aside, under a name that is printed.")
    ] = False,
    models: Annotated[bool, typer.Option(help="Versions of the encoder and of the reranker.")] = True,
    check: Annotated[bool, typer.Option("--check", help="Only read the backup and compare all digests.")] = False,
    json: Json = False,
) -> None:
    """Restore a backup into the data folder and the model repository, which must not hold anything of the same kind.

    All digests are compared, and the snapshot is opened, before anything is put in its place.
    """
    from akin.backup.restore import check_backup
    from akin.backup.restore import restore as restore_backup

    source = source.expanduser()
    if check:
        with fetch_progress(of_bytes=True, doing="reading") as show:
            manifest = check_backup(source, show)
        say(f"{source} is whole: {len(manifest.files):,} files, {manifest.bytes:,} bytes, {manifest.created:%Y-%m-%d}")
        if json:
            print_json({"path": str(source), **summary(manifest)})
        return
    settings = read_settings()
    with fetch_progress(of_bytes=True, doing="restoring") as show:
        done = restore_backup(settings, source, replace=replace, models=models, say=say, progress=show)
    for unit in done.same:
        say(f"{unit} was there already")
    for folder in done.former:
        say(f"what was there before is in {folder}: remove it when the restored one is right")
    say(f"restored {done.manifest.bytes:,} bytes; snapshot {done.manifest.snapshot or 'none'}. Next: akin doctor")
    if json:
        print_json({"path": str(source), **summary(done.manifest), "same": done.same, "former": done.former})


def summary(manifest: BackupManifest) -> dict[str, object]:
    """Return what a manifest says as data for JSON, without its files."""
    return {
        "akin": manifest.akin,
        "created": manifest.created.isoformat(),
        "snapshot": manifest.snapshot,
        "files": len(manifest.files),
        "bytes": manifest.bytes,
    }
