"""Stage `prepare`: split the corpus by time and near-duplicates, and make known-item sets of the held-out papers.

The corpus is read twice as a stream: once for signatures and dates, once to write the parts. Memory holds some hundred
bytes for each paper, and a sample of the held-out papers.
"""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from akin.papers import Paper, PapersError, fetch_sample, read_papers
from akin.papers.reservoir import Reservoir
from akin.relevance.duplicates import MinHash, group_duplicates
from akin.relevance.known_items import FEWEST
from akin.storage.digest import file_digest
from training.data.config import DataConfig
from training.data.corpus import read_corpus, write_groups, write_paper
from training.data.leaks import find_duplicates, read_test_texts
from training.data.split import UNDATED, Sizes, SplitPart, split
from training.errors import CorpusError, EvaluationError
from training.evaluation import RUN_KINDS, write_known_items
from training.pipeline.run_folder import RunFolder
from training.progress import log_progress

MIN_PAPERS = 100
"""With fewer different papers the held-out part is too small for a meaningful figure."""

PART_FILES = {
    SplitPart.TRAIN: "train.jsonl",
    SplitPart.VALIDATION: "validation.jsonl",
    SplitPart.HELD_OUT: "held_out.jsonl",
}
# Some held-out papers are no known items: too short, or with the title of another paper.
_RESERVE = 1.1


def run_stage(run: RunFolder) -> None:
    """Write the three files of papers, `sets/` and `split.json`.

    Raises:
        CorpusError: The papers cannot be read or are too few.
    """
    data, seed = run.configuration.data, run.configuration.seed
    path = corpus_path(data, Path(run.configuration.paths.data))
    chosen = choose_papers(path, data, seed)
    minhash = MinHash(shingle=data.shingle, bands=data.bands, rows=data.rows, seed=seed)
    days, signatures = _scan(path, data, chosen, minhash)
    group = group_duplicates(signatures)
    require_papers(path, data, group)
    part = split(days, group, part_sizes(data))
    tested = read_test_texts([Path(each).expanduser() for each in run.configuration.evaluation.sets])
    in_tests = (part == SplitPart.TRAIN) & find_duplicates(signatures, group, tested, minhash)
    part[in_tests] = SplitPart.NONE
    if not (part == SplitPart.TRAIN).any():
        raise CorpusError("evaluation.sets: all papers that would train are also in these sets. Give other papers.")
    with run.write_stage("prepare") as folder:
        counts = _write_parts(path, data, chosen, part, folder)
        write_groups(folder / PART_FILES[SplitPart.TRAIN], group[part == SplitPart.TRAIN])
        sets = {
            **_write_sets(folder, SplitPart.HELD_OUT, data, seed),
            **_write_sets(folder, SplitPart.VALIDATION, data, seed),
        }
        summary = {
            "papers": {"file": path.name, "sha256": file_digest(path), "read": len(part)},
            "groups_of_near_duplicates": int((np.bincount(group) > 1).sum()),
            "parts": counts,
            "left_out": int((part == SplitPart.NONE).sum()),
            "left_out_because_in_evaluation_sets": int(in_tests.sum()),
            "sets": sets,
        }
        (folder / "split.json").write_text(json.dumps(summary, indent=2) + "\n")
    run.record(data=summary)
    log_progress(f"{len(part):,} papers: " + ", ".join(f"{count['papers']:,} {name}" for name, count in counts.items()))
    if run.configuration.evaluation.sets:
        log_progress(f"{in_tests.sum():,} papers do not train because they are in evaluation.sets")


def corpus_path(data: DataConfig, folder: Path) -> Path:
    """Return the path of the file of papers; the sample is downloaded the first time.

    Raises:
        CorpusError: The sample cannot be downloaded.
    """
    if data.papers != "sample":
        return Path(data.papers).expanduser()
    try:
        return fetch_sample(folder / "corpora")
    except PapersError as error:
        raise CorpusError(f"data.papers: {error}") from error


def part_sizes(data: DataConfig) -> Sizes:
    """Return how many groups the parts need for their known-item sets."""
    held_out = max(data.title_candidates, data.first_sentence_candidates)
    return Sizes(
        validation=int(data.validation_candidates * _RESERVE),
        held_out=int(held_out * _RESERVE),
        validation_share=data.validation_share,
        held_out_share=data.held_out_share,
    )


def choose_papers(path: Path, data: DataConfig, seed: int) -> frozenset[int] | None:
    """Return the positions of a random sample of `data.most` usable papers; None if all are to be read.

    Raises:
        CorpusError: The file cannot be read.
    """
    if data.most is None:
        return None
    sample: Reservoir[int] = Reservoir(data.most, seed)
    for position, _ in enumerate(read_usable(path, data)):
        sample.offer(position)
    return frozenset(sample.items)


def read_usable(path: Path, data: DataConfig, chosen: frozenset[int] | None = None) -> Iterator[Paper]:
    """Yield the papers of the corpus that have a title and an abstract.

    Args:
        path: file of papers.
        data: configuration of the corpus.
        chosen: positions among the usable papers of those to yield; None yields all.

    Raises:
        CorpusError: The file cannot be read.
    """
    try:
        with read_papers(path, data.mapping) as reader:
            usable = (paper for paper in reader if paper.title and paper.abstract)
            yield from (paper for position, paper in enumerate(usable) if chosen is None or position in chosen)
    except PapersError as error:
        # Other commands take the fields by an option; here they are a key, with quotes for the shell and for Hydra.
        advice = re.sub(r"--map (\S+)", r'''"data.mapping='\1'"''', str(error))
        raise CorpusError(f"data.papers: {advice}") from error


def fewest_papers(data: DataConfig) -> int:
    """Return how many different papers a corpus needs, so that both parts that are searched have enough."""
    share = min(data.validation_share, data.held_out_share)
    count = math.ceil(FEWEST / share)
    return max(MIN_PAPERS, count if int(count * share) >= FEWEST else count + 1)


def require_papers(path: Path, data: DataConfig, group: NDArray[np.int32]) -> None:
    """Check that there are enough different papers. Near-duplicates count once, because all are in one part.

    Raises:
        CorpusError: There are too few.
    """
    needed, different = fewest_papers(data), len(np.unique(group))
    if different >= needed:
        return
    found = f"{len(group):,} with title and abstract"
    if different < len(group):
        found += f", {different:,} of them different (near-duplicates count once)"
    steps = ["give more papers"]
    if data.most is not None and data.most < needed:
        steps.append("raise data.most")
    if different >= MIN_PAPERS:
        share = math.ceil(1000 * FEWEST / different) / 1000
        keys = [key for key in ("validation_share", "held_out_share") if getattr(data, key) < share]
        steps.append(f"set {' and '.join(f'data.{key}={share:g}' for key in keys)}")
    raise CorpusError(
        f"data.papers: training needs at least {needed:,} different papers, and {path} has {found}: "
        f"{', or '.join(steps)}."
    )


def _scan(
    path: Path, data: DataConfig, chosen: frozenset[int] | None, minhash: MinHash
) -> tuple[NDArray[np.int32], NDArray[np.uint64]]:
    """Return day and signature of each paper."""
    days: list[int] = []
    signatures = []
    for paper in read_usable(path, data, chosen):
        day = paper.published or paper.updated
        days.append(day.toordinal() if day else UNDATED)
        signatures.append(minhash.signature(paper))
    table = np.stack(signatures) if signatures else np.empty((0, minhash.bands + 1), dtype=np.uint64)
    return np.array(days, dtype=np.int32), table


def _write_parts(
    path: Path, data: DataConfig, chosen: frozenset[int] | None, part: NDArray[np.int8], folder: Path
) -> dict[str, dict[str, object]]:
    counts: dict[SplitPart, int] = dict.fromkeys(PART_FILES, 0)
    first: dict[SplitPart, str] = {}
    last: dict[SplitPart, str] = {}
    with ExitStack() as stack:
        files = {which: stack.enter_context((folder / name).open("wb")) for which, name in PART_FILES.items()}
        for paper, which in zip(read_usable(path, data, chosen), map(SplitPart, part.tolist()), strict=True):
            if which is SplitPart.NONE:
                continue
            write_paper(files[which], paper)
            counts[which] += 1
            if day := paper.published or paper.updated:
                first[which] = min(first.get(which, str(day)), str(day))
                last[which] = max(last.get(which, str(day)), str(day))
    return {
        which.name.lower(): {"papers": counts[which], "from": first.get(which), "to": last.get(which)}
        for which in PART_FILES
    }


def _write_sets(folder: Path, which: SplitPart, data: DataConfig, seed: int) -> dict[str, int]:
    """Write the known-item sets of a part in BEIR's layout, such as `sets/held_out_title`, and return their sizes."""
    written = {}
    papers = list(read_corpus(folder / PART_FILES[which]))
    # The file is sorted by date, and its first papers would be those of one time.
    random.Random(seed).shuffle(papers)
    for kind in RUN_KINDS:
        most = data.validation_candidates
        if which is SplitPart.HELD_OUT:
            most = data.title_candidates if kind == "title" else data.first_sentence_candidates
        name = f"{which.name.lower()}_{kind}"
        try:
            written[name] = write_known_items(papers, folder / "sets" / name, kind=kind, most=most)
        except EvaluationError as error:
            raise CorpusError(f"data.{which.name.lower()}_share leaves too little to search in: {error}") from error
    return written
