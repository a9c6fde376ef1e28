"""Reading what changed into a copied catalogue, and noting which rows are other ones than before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from indexing.catalogue_writer import CatalogueWriter
from indexing.embed import Embedding, EmbeddingPass
from indexing.embedding_store import text_digest
from indexing.lexical_writer import same_in_index
from indexing.options import Progress, Tell
from indexing.stream import Intake, stream
from papers import Paper, passage_text
from retrieval_service.corpus.digests import digest_rows, record_digest
from retrieval_service.errors import NoPapers, SourceIncomplete

if TYPE_CHECKING:
    from papers.remote import Harvest


@dataclass(frozen=True)
class ChangedPapers:
    """Where the changes come from.

    Attributes:
        papers: new papers, and papers of which something is new; the others may be among them.
        name: what the manifest calls it.
        complete: papers of the snapshot that are not among these are withdrawn.
        may_lack: the share of the snapshot's papers that may be withdrawn because they are not among these.
        withdrawn: ids to withdraw, besides those that a `PaperReader` reports.
        harvest: what it is, where it was harvested.
    """

    papers: Iterable[Paper]
    name: str
    complete: bool = False
    withdrawn: Sequence[str] = ()
    harvest: Harvest | None = None
    may_lack: float = 1.0


class Changes:
    """What is other than in the old snapshot, by row.

    Attributes:
        digests: the rows as they are now.
        added: papers that are new.
        replaced: papers of which something is new.
        withdrawn: papers that are gone.
        unchanged: papers that came again as they were.
        kept: papers that a complete source lacks, unless they are among its records that cannot be read.
        rewritten: rows whose words, names, categories or day are other ones than before.
        revectored: rows with another text than before.
        intake: the source, with the account of what was not taken.
    """

    def __init__(self, source: ChangedPapers, digests: NDArray[np.void]) -> None:
        """Takes where the changes come from, and the old snapshot's rows."""
        self.digests = digests
        self.added = self.replaced = self.withdrawn = self.unchanged = self.kept = 0
        self.rewritten: set[int] = set()
        self.revectored: set[int] = set()
        self.intake = Intake(source.papers)
        self._source = source
        self._before = len(digests)
        self._seen = np.zeros(self._before, np.bool_)
        self._appended: list[NDArray[np.void]] = []

    @property
    def any(self) -> bool:
        """Whether anything changed."""
        return bool(self.added or self.replaced or self.withdrawn)

    async def read(self, embedding: EmbeddingPass, catalogue: CatalogueWriter, tell: Tell) -> None:
        """Brings the catalogue up to the source, and embeds the texts that are new."""
        taken: set[str] = set()

        def following(under_way: Sequence[Embedding]) -> list[Paper]:
            while some := self.intake.some():
                rows = catalogue.rows([paper.id for paper in some])
                taken.clear()
                taken.update(paper.id for window in under_way for paper in window.papers)
                taken.update(name for name, row in rows.items() if row >= self._before or self._seen[row])
                if wanted := [
                    paper
                    for paper in some
                    if self.intake.usable(paper, taken) and self._has_new_text(paper, rows.get(paper.id), catalogue)
                ]:
                    return wanted
            return []

        def write(window: Embedding) -> None:
            self._write(window, catalogue)
            report(len(window.papers))

        def report(_: int) -> None:
            done = self.unchanged + self.replaced + self.added
            tell(Progress("embed", done, self.intake.estimated, embedding.embedded))

        await stream(embedding, following, write, report)
        self.digests = np.concatenate([self.digests, *self._appended])
        self._appended.clear()

    def withdraw(self, catalogue: CatalogueWriter) -> None:
        """Takes withdrawn papers out; the last rows move into the holes.

        Raises:
            NoPapers: not one would be left.
            SourceIncomplete: the source is to be the whole corpus, and breaks off or lacks too much of it.
        """
        reader = self.intake.reader
        gone = set(catalogue.rows([*self._source.withdrawn, *(reader.report.withdrawn if reader else ())]).values())
        named = len(gone)
        if self._source.complete:
            gone |= self._absent(catalogue, gone)
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

    def _absent(self, catalogue: CatalogueWriter, named: set[int]) -> set[int]:
        """Return the rows of papers that are certainly not in the source, besides those named as withdrawn.

        Raises:
            SourceIncomplete: the source breaks off.
        """
        absent = set(np.flatnonzero(~self._seen).tolist()) - named
        report = self.intake.reader.report if self.intake.reader else None
        absent.difference_update(catalogue.rows(sorted(self.intake.met)).values())
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
            # Each of the others may be that of a record which cannot be read.
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

    def _has_new_text(self, paper: Paper, row: int | None, catalogue: CatalogueWriter) -> bool:
        """Whether a paper has to be embedded; one of which only something else is new is replaced on the spot."""
        if row is None:
            return True
        self._seen[row] = True
        record = record_digest(paper)
        if record == self.digests["record"][row].tobytes():
            self.unchanged += 1
            return False
        text = text_digest(passage_text(paper))
        if text != self.digests["text"][row].tobytes():
            return True
        (old,) = catalogue.papers([row])
        if not same_in_index(old, paper):
            self.rewritten.add(row)
        self._replace(row, paper, text, catalogue)
        return False

    def _write(self, window: Embedding, catalogue: CatalogueWriter) -> None:
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
