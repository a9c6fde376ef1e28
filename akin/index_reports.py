"""Say what a build or an update of a snapshot has done."""

from __future__ import annotations

from collections.abc import Callable

from akin.papers import PaperReader
from retrieval_service.corpus.manifest import Manifest

Say = Callable[[str], None]


def say_ids(reader: PaperReader, say: Say) -> None:
    """Tell how many ids had lost zeros in a spreadsheet, and how many entries of a library were joined."""
    report = reader.report
    if report.restored_ids:
        say(f"{report.restored_ids:,} ids had lost zeros in a spreadsheet, which were put back")
    if report.joined:
        repeat = "entry repeats" if report.joined == 1 else "entries repeat"
        say(f"{report.joined:,} {repeat} an earlier work of the library; each work is one paper")
    if report.doubtful_ids:
        say(f"{report.doubtful_ids:,} ids look like arXiv ids that lost digits or the archive; they stay as they are")


def report_update(manifest: Manifest, source_name: str, seconds: float, say: Say) -> None:
    """Tell what an update has changed, and which papers it left as they are."""
    change = manifest.change
    assert change is not None, "an update records its change"
    say(
        f"{change.added:,} added, {change.replaced:,} replaced, {change.withdrawn:,} withdrawn, "
        f"{change.unchanged:,} unchanged; {manifest.embedded:,} texts embedded; {seconds:.1f} s"
    )
    say(f"{manifest.papers:,} papers in snapshot {manifest.id}, which is live")
    if change.older:
        say(f"{change.older:,} papers stay as they are: {source_name} has an older version of them")
    if change.kept:
        say(
            f"{change.kept:,} papers stay although {source_name} lacks them: some of its records cannot be read and "
            "may be these papers. Correct the records, or list the papers to remove in a file for --withdraw."
        )
    if change.unclaimed:
        day = manifest.harvested or "unknown"
        say(f"the day up to which the snapshot has arXiv's changes stays {day}: {change.unclaimed}")
