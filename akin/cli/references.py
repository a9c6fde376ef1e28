"""Define `akin references`: import who cites whom, show what was imported, export it as pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from akin.cli.index import progress_bar
from akin.cli.output import Json, print_json, print_rows, read_settings, say
from akin.messages import counted

app = typer.Typer(no_args_is_help=True)

Snapshot = Annotated[str | None, typer.Option("--snapshot", help="A snapshot's id. Default: the live one.")]


@app.callback()
def group() -> None:
    """Import references between papers, for cites: and cited-by:, sorting by citations and chasing them."""


@app.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files, or folders of them; gzip too.")],
    add: Annotated[
        bool, typer.Option("--add", help="Keep the references that the snapshot has. Default: replace them.")
    ] = False,
    json: Json = False,
) -> None:
    """Import references into the live snapshot.

    Reads OpenAlex works (JSON lines with referenced_works, and merged_ids), Semantic Scholar's data sets papers and
    citations (give both), and pairs: CSV, TSV or two ids a line, the citing paper first.

    A new snapshot with the same papers and indexes becomes the live one; nothing is embedded again. The old one stays
    until `akin index prune`. Give all files of a source at once: their order does not matter.

    Example: akin references import openalex/data/works
    """
    from akin.references import import_files

    manifest, found = import_files(read_settings(), files, add=add, say=say, bar=progress_bar)
    if json:
        import msgspec

        print_json({"snapshot": manifest.id, **msgspec.to_builtins(found)})


@app.command()
def info(snapshot: Snapshot = None, json: Json = False) -> None:
    """Show the references of a snapshot, and where they are from."""
    import msgspec

    from akin.references import require_references

    manifest, found = require_references(read_settings(), snapshot)
    if json:
        print_json({"snapshot": manifest.id, **msgspec.to_builtins(found)})
        return
    totals = "as the sources state them" if found.totals else "within the corpus, as no source states others"
    rows = {
        "snapshot": manifest.id,
        "imported": f"{found.imported} from {', '.join(found.sources)}",
        "references": f"{found.pairs:,} between {found.papers:,} of {manifest.papers:,} papers",
        "papers known": f"{found.known:,} of the {found.at_import:,} papers at the time of the import",
        "citations": totals,
        "left out": f"{found.outside:,} to papers outside the corpus, {found.own:,} of a paper to itself, "
        f"{found.repeated:,} repeated, {found.broken:,} lines that could not be read",
    }
    print_rows(rows)
    if manifest.papers != found.at_import or (manifest.change and manifest.change.added):
        say("papers were added or removed since: import again to have the references of new papers")


@app.command()
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write; - for standard output.")],
    snapshot: Snapshot = None,
) -> None:
    """Write the references of a snapshot as pairs of ids, for training and for test sets.

    A file that ends with .jsonl gets JSON lines, for `akin train pairs=citation pairs.citations=FILE`. Any other gets a
    citing and a cited id a line, with a tab between.
    """
    from akin.references import export_pairs

    count = export_pairs(read_settings(), snapshot, file)
    say(f"{counted(count, 'pair')}{'' if str(file) == '-' else f' in {file}'}")
