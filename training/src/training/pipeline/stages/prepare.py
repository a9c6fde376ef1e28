"""`prepare`: the corpus split by time and by near-duplicates, and the known-item sets made of what is held out.

The corpus is read twice as a stream: once for signatures and dates, once to write. Memory holds some hundred bytes a
paper, and the papers that are held out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from papers import Paper, PapersError, fetch_sample, read_papers
from training.data.corpus import read_corpus, write_paper
from training.data.duplicates import MinHash, groups
from training.data.split import UNDATED, Part, Sizes, split
from training.errors import CorpusError, EvaluationError
from training.evaluation import RUN_KINDS, write_known_items
from training.pipeline.configuration import Data
from training.pipeline.run_folder import RunFolder
from training.progress import log_progress
from training.registry.source import file_sha256

FEWEST = 100
"""Papers. Fewer leave nothing to hold out that a figure could be made from."""

FILES = {Part.TRAIN: "train.jsonl", Part.VALIDATION: "validation.jsonl", Part.HELD_OUT: "held_out.jsonl"}
# Some held-out papers fit no known-item search: too short, or with a title that another has.
_SPARE = 1.1


def run_stage(run: RunFolder) -> None:
    """Makes the three files of papers, `held_out/`, `validation/` and `split.json`.

    Raises:
        CorpusError: The papers cannot be read or are too few.
    """
    data, seed = run.configuration.data, run.configuration.seed
    path = corpus_path(data, Path(run.configuration.paths.data))
    days, group = _look_through(path, data, seed)
    part = split(days, group, sizes(data))
    with run.write_stage("prepare") as folder:
        counts = _write_parts(path, data, part, folder)
        sets = {**_sets(folder, Part.HELD_OUT, data), **_sets(folder, Part.VALIDATION, data)}
        summary = {
            "papers": {"file": path.name, "sha256": file_sha256(path), "read": len(part)},
            "groups_of_near_duplicates": int((np.bincount(group) > 1).sum()),
            "parts": counts,
            "left_out": int((part == Part.NONE).sum()),
            "sets": sets,
        }
        (folder / "split.json").write_text(json.dumps(summary, indent=2) + "\n")
    run.record(data=summary)
    log_progress(f"{len(part):,} papers: " + ", ".join(f"{count['papers']:,} {name}" for name, count in counts.items()))


def corpus_path(data: Data, folder: Path) -> Path:
    """The file of papers; the sample is fetched the first time.

    Raises:
        CorpusError: The sample cannot be fetched.
    """
    if data.papers != "sample":
        return Path(data.papers).expanduser()
    try:
        return fetch_sample(folder / "corpora")
    except PapersError as error:
        raise CorpusError(f"data.papers: {error}") from error


def sizes(data: Data) -> Sizes:
    """How many groups the parts need for their known-item sets."""
    held_out = max(data.title_candidates, data.first_sentence_candidates)
    return Sizes(
        validation=int(data.validation_candidates * _SPARE),
        held_out=int(held_out * _SPARE),
        validation_share=data.validation_share,
        held_out_share=data.held_out_share,
    )


def read_usable(path: Path, data: Data) -> Iterator[Paper]:
    """The papers of the corpus that have a title and an abstract.

    Raises:
        CorpusError: The file cannot be read.
    """
    try:
        with read_papers(path, data.mapping) as reader:
            yield from islice((paper for paper in reader if paper.title and paper.abstract), data.most)
    except PapersError as error:
        raise CorpusError(f"data.papers: {error}") from error


def _look_through(path: Path, data: Data, seed: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    minhash = MinHash(shingle=data.shingle, bands=data.bands, rows=data.rows, seed=seed)
    days, signatures = [], []
    for paper in read_usable(path, data):
        day = paper.published or paper.updated
        days.append(day.toordinal() if day else UNDATED)
        signatures.append(minhash.signature(paper))
    if len(days) < FEWEST:
        raise CorpusError(
            f"data.papers: {path} has {len(days)} papers with title and abstract; training takes at least {FEWEST}."
        )
    return np.array(days, dtype=np.int32), groups(signatures)


def _write_parts(path: Path, data: Data, part: NDArray[np.int8], folder: Path) -> dict[str, dict[str, object]]:
    counts: dict[Part, int] = dict.fromkeys(FILES, 0)
    first: dict[Part, str] = {}
    last: dict[Part, str] = {}
    with ExitStack() as files:
        opened = {which: files.enter_context((folder / name).open("wb")) for which, name in FILES.items()}
        for paper, which in zip(read_usable(path, data), map(Part, part.tolist()), strict=True):
            if which is Part.NONE:
                continue
            write_paper(opened[which], paper)
            counts[which] += 1
            if day := paper.published or paper.updated:
                first[which] = min(first.get(which, str(day)), str(day))
                last[which] = max(last.get(which, str(day)), str(day))
    return {
        which.name.lower(): {"papers": counts[which], "from": first.get(which), "to": last.get(which)}
        for which in FILES
    }


def _sets(folder: Path, which: Part, data: Data) -> dict[str, int]:
    """Known-item sets in BEIR's layout: `held_out/title` and so on."""
    made = {}
    for kind in RUN_KINDS:
        most = data.validation_candidates
        if which is Part.HELD_OUT:
            most = data.title_candidates if kind == "title" else data.first_sentence_candidates
        name = f"{which.name.lower()}_{kind}"
        try:
            made[name] = write_known_items(
                read_corpus(folder / FILES[which]), folder / "sets" / name, kind=kind, most=most
            )
        except EvaluationError as error:
            raise CorpusError(f"data.{which.name.lower()}_share leaves too little to search in: {error}") from error
    return made
