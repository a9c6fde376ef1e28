"""Convert a snapshot of an earlier release: read its own papers again by the present rules, without a source."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from indexing.changes import ChangedPapers
from indexing.options import BuildOptions, OnProgress
from indexing.snapshot_parts import fetch_papers, hold_base
from indexing.update import is_of_present_rules, update_snapshot
from papers import Paper
from papers.text import clean_abstract, clean_text
from retrieval_service.adapters.sqlite_catalogue import SqliteCatalogue
from retrieval_service.corpus.manifest import CATALOGUE, Manifest
from retrieval_service.ports import Encoder


async def convert_snapshot(
    encoder: Encoder,
    data: Path,
    *,
    base: str | None = None,
    options: BuildOptions | None = None,
    progress: OnProgress | None = None,
) -> Manifest:
    """Make a snapshot by the present rules from the papers of another one, publish it and make it the live one.

    Texts, names and terms are made again from what the catalogue holds. Only texts that change are embedded.

    Args:
        encoder: embeds changed texts; it must be the encoder of the snapshot's vectors.
        data: the data directory.
        base: id of the snapshot; default: the live one.
        options: options.
        progress: called from time to time.

    Returns:
        The manifest of the new snapshot, or of the old one if that follows the present rules.

    Raises:
        As `update_snapshot`.
    """
    with hold_base(data, base) as (path, old):
        if is_of_present_rules(old):
            return old
        with contextlib.closing(SqliteCatalogue(path / CATALOGUE)) as catalogue:
            papers = map(clean_again, fetch_papers(catalogue, range(len(catalogue))))
            source = ChangedPapers(papers, old.source, of_snapshot=True)
            return await update_snapshot(source, encoder, data, base=old.id, options=options, progress=progress)


def clean_again(paper: Paper) -> Paper:
    """Return a paper of a catalogue with its text cleaned as readers clean it now."""
    return msgspec.structs.replace(
        paper,
        title=clean_text(paper.title),
        abstract=clean_abstract(paper.abstract),
        journal_ref=clean_text(paper.journal_ref) if paper.journal_ref else paper.journal_ref,
        comments=clean_text(paper.comments) if paper.comments else paper.comments,
    )
