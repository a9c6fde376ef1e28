"""Read changed papers into a copied catalogue, and record which rows differ from the old snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from akin.indexing.catalogue_writer import CatalogueWriter
from akin.indexing.embed import WINDOW, EmbeddingPass, EmbeddingWindow, PaperSource, embed_windows
from akin.indexing.embedding_store import text_digest
from akin.indexing.lexical_writer import same_in_index
from akin.indexing.options import OnProgress, Progress
from akin.papers import Paper, passage_text
from akin.papers.text import clean_abstract, clean_text
from akin.papers.withdrawn import is_withdrawn
from retrieval_service.corpus.digests import digest_rows, record_digest
from retrieval_service.errors import NoPapers, SourceIncomplete

if TYPE_CHECKING:
    from akin.papers.remote import Harvest


@dataclass(frozen=True)
class ChangedPapers:
    """Source of an update.

    Attributes:
        papers: new and changed papers; unchanged ones may be among them.
        name: name of the source in the manifest.
        complete: True if the source is the whole corpus: papers of the snapshot that it does not hold are withdrawn.
        may_lack: the largest share of the snapshot's papers that a complete source may withdraw by not holding them.
        withdrawn: ids to withdraw, in addition to those that a `PaperReader` reports.
        remove_deleted: remove the papers that a `PaperReader` reports as withdrawn, instead of marking them.
        harvest: the harvest that wrote the source, if there is one.
    """

    papers: Iterable[Paper]
    name: str
    complete: bool = False
    withdrawn: Sequence[str] = ()
    harvest: Harvest | None = None
    may_lack: float = 1.0
    remove_deleted: bool = False


class Changes:
    """Differences from the old snapshot, by row.

    Attributes:
        digests: the digests of the rows as they are now.
        added: number of new papers.
        replaced: number of papers with a new text or new metadata.
        withdrawn: number of papers that were removed.
        unchanged: number of papers that the source repeats without a change.
        older: number of papers of which the source has an older version than the snapshot; the newer one stays.
        kept: number of papers that a complete source lacks, and that stay because some of its records cannot be read.
        rewritten: rows whose words, names, categories or day differ.
        revectored: rows whose text differs.
        intake: the source, with the numbers of records that were not taken.
    """

    def __init__(self, source: ChangedPapers, digests: NDArray[np.void]) -> None:
        """Take the source and the digests of the old snapshot's rows."""
        self.digests = digests
        self.added = self.replaced = self.withdrawn = self.unchanged = self.older = self.kept = 0
        self.rewritten: set[int] = set()
        self.revectored: set[int] = set()
        self.intake = PaperSource(source.papers)
        self._source = source
        self._before = len(digests)
        self._seen = np.zeros(self._before, np.bool_)
        self._appended: list[NDArray[np.void]] = []

    @property
    def any(self) -> bool:
        """True if a paper was added, replaced or withdrawn."""
        return bool(self.added or self.replaced or self.withdrawn)

    def clean(self, catalogue: CatalogueWriter) -> None:
        """Write papers that an earlier release read as they are read today.

        Their texts are cleaned, their authors divided, and those with a notice marked as withdrawn. Papers whose text
        differs get other vectors.
        """
        for first in range(0, len(catalogue), WINDOW):
            rows = range(first, min(first + WINDOW, len(catalogue)))
            for row, paper in zip(rows, catalogue.papers(rows), strict=True):
                title, abstract = clean_text(paper.title), clean_abstract(paper.abstract)
                withdrawn = paper.withdrawn or is_withdrawn(title, abstract, paper.comments)
                cleaned = msgspec.structs.replace(paper, title=title, abstract=abstract, withdrawn=withdrawn)
                text = self.digests["text"][row].tobytes()
                if cleaned == paper:
                    catalogue.rewrite(row, cleaned)
                else:
                    catalogue.replace(row, cleaned)
                    self.rewritten.add(row)
                    if text != (text := text_digest(passage_text(cleaned))):
                        self.revectored.add(row)
                self.digests[row] = (text, record_digest(cleaned))

    async def read(self, embedding: EmbeddingPass, catalogue: CatalogueWriter, progress: OnProgress) -> None:
        """Add and replace the papers of the source in the catalogue, and embed the texts that are new."""

        def read_window(in_flight: Sequence[EmbeddingWindow]) -> list[Paper]:
            while window := self.intake.read_window():
                rows = catalogue.rows([paper.id for paper in window])
                taken = {paper.id for earlier in in_flight for paper in earlier.papers}
                taken.update(name for name, row in rows.items() if row >= self._before or self._seen[row])
                if wanted := [
                    changed
                    for paper in window
                    if self.intake.accept(paper, taken)
                    and (changed := self._take(paper, rows.get(paper.id), catalogue)) is not None
                ]:
                    return wanted
            return []

        def write(window: EmbeddingWindow) -> None:
            self._write(window, catalogue)
            report(len(window.papers))

        def report(_: int) -> None:
            done = self.unchanged + self.older + self.replaced + self.added
            progress(Progress("embed", done, self.intake.estimated_total, embedding.embedded))

        await embed_windows(embedding, read_window, write, report)
        self.digests = np.concatenate([self.digests, *self._appended])
        self._appended.clear()

    def withdraw(self, catalogue: CatalogueWriter) -> None:
        """Mark the papers that the source's records delete, and remove the others that are withdrawn.

        The last papers move into the rows of those that are removed.

        Raises:
            NoPapers: no paper would be left.
            SourceIncomplete: the source should be the whole corpus, but is cut off or lacks too many papers.
        """
        reader = self.intake.reader
        gone = set(catalogue.rows(self._source.withdrawn).values())
        deleted = set(catalogue.rows(list(reader.report.withdrawn) if reader else []).values())
        if self._source.remove_deleted:
            gone |= deleted
        else:
            self._mark(sorted(deleted - gone), catalogue)
        named = len(gone)
        if self._source.complete:
            gone |= self._find_absent(catalogue, gone)
        total = len(catalogue)
        if len(gone) >= total:
            raise NoPapers(f"{self._source.name} would withdraw every paper; nothing was changed.")
        if self._source.complete:
            self._check_share(len(gone) - named)
        if not gone:
            return
        holes = catalogue.withdraw(sorted(gone))
        movers = [row for row in range(len(catalogue), total) if row not in gone]
        self.digests[holes] = self.digests[movers]
        self.digests = self.digests[: len(catalogue)]
        self.rewritten.update(holes)
        self.revectored.update(holes)
        self.withdrawn = len(gone)

    def _mark(self, rows: Sequence[int], catalogue: CatalogueWriter) -> None:
        """Mark the papers of some rows as withdrawn, and keep them."""
        for row in rows:
            if row < self._before:
                self._seen[row] = True
            (paper,) = catalogue.papers([row])
            if not paper.withdrawn:
                marked = msgspec.structs.replace(paper, withdrawn=True)
                self._replace(row, marked, self.digests["text"][row].tobytes(), catalogue)
                self.rewritten.add(row)

    def _find_absent(self, catalogue: CatalogueWriter, named: set[int]) -> set[int]:
        """Return the rows of papers that are certainly not in the source, without those named as withdrawn.

        Raises:
            SourceIncomplete: the source is cut off.
        """
        absent = set(np.flatnonzero(~self._seen).tolist()) - named
        report = self.intake.reader.report if self.intake.reader else None
        absent.difference_update(catalogue.rows(sorted(self.intake.unusable_ids)).values())
        if report is None or not absent:
            return absent
        if report.cut_off:
            raise SourceIncomplete(
                f"{self._source.name} breaks off in its last record, or lacks the end of its last line, so that it may "
                "not be the whole corpus; nothing was changed. Fetch or copy it again, or update without --complete."
            )
        guessed = absent.intersection(catalogue.rows(sorted(report.guessed_ids)).values())
        absent -= guessed
        if report.without_id or len(guessed) < len(report.guessed_ids):
            # Any of the absent papers may be the one of a record that cannot be read.
            self.kept, absent = len(absent), set()
        return absent

    def _check_share(self, absent: int) -> None:
        if absent > self._source.may_lack * self._before:
            raise SourceIncomplete(
                f"{self._source.name} lacks {absent:,} of {self._before:,} papers ({absent / self._before:.1%}), more "
                f"than {self._source.may_lack:.0%}; nothing was changed. If these are to be withdrawn, update with "
                "--allow-shrink.",
                {"lacking": absent, "papers": self._before},
            )

    def _take(self, paper: Paper, row: int | None, catalogue: CatalogueWriter) -> Paper | None:
        """Return the paper if it must be embedded; replace a paper at once if only its metadata is new.

        A stored paper of a newer version stays. Stored authors stay if their source divides them, the new record
        does not, and both are of the same version.
        """
        if row is None:
            return paper
        self._seen[row] = True
        stored_record = self.digests["record"][row].tobytes()
        if record_digest(paper) == stored_record:
            self.unchanged += 1
            return None
        (old,) = catalogue.papers([row])
        if old.versions > paper.versions > 0:
            self.older += 1
            return None
        if old.authors_parsed and not paper.authors_parsed and old.versions == paper.versions:
            paper = msgspec.structs.replace(paper, authors=old.authors, authors_parsed=True)
            if record_digest(paper) == stored_record:
                self.unchanged += 1
                return None
        text = text_digest(passage_text(paper))
        if text != self.digests["text"][row].tobytes():
            return paper
        if not same_in_index(old, paper):
            self.rewritten.add(row)
        self._replace(row, paper, text, catalogue)
        return None

    def _write(self, window: EmbeddingWindow, catalogue: CatalogueWriter) -> None:
        rows = catalogue.rows([paper.id for paper in window.papers])
        new, texts = [], []
        for paper, text in zip(window.papers, window.digests, strict=True):
            row = rows.get(paper.id)
            if row is None:
                new.append(paper)
                texts.append(text)
            else:
                self._replace(row, paper, text, catalogue)
                self.rewritten.add(row)
                self.revectored.add(row)
        catalogue.add(new)
        self._appended.append(digest_rows(new, texts))
        self.added += len(new)

    def _replace(self, row: int, paper: Paper, text: bytes, catalogue: CatalogueWriter) -> None:
        catalogue.replace(row, paper)
        self.digests[row] = (text, record_digest(paper))
        self.replaced += 1
