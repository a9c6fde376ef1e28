"""Prepare an ablation: `python -m training.ablation.prepare FOLDER --papers FILE [--set SET …] [OVERRIDE …]`.

It writes what `python -m training.ablation.run` needs: `rows.json`, the composed rows; `pairs.jsonl`, the pairs of
every kind that a row trains on; and in `sets/` each test set with the list of the service's lexical index for each
query. No paper trains that is also in a set.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from msgspec import structs

from akin.indexing.in_process import default_settings
from akin.indexing.lexical_writer import LexicalWriter
from akin.relevance import RelevanceError, read_collection
from akin.relevance.collection import CORPUS, QUERIES
from akin.relevance.writing import write_judgements, write_lines
from retrieval_service.adapters.tantivy_index import TantivyIndex
from retrieval_service.errors import RequestError
from retrieval_service.ports import Hits
from retrieval_service.search.operators import parse_query
from training.ablation.measure import DEPTH, LISTS
from training.ablation.rows import compose_rows, write_rows
from training.ablation.run import PAIRS, SETS
from training.command import run_command
from training.data.config import NoMining
from training.errors import ConfigurationError, translate_write_errors
from training.evaluation.served import cleaned_papers
from training.pipeline.composition import set_default_paths
from training.pipeline.configuration import Configuration
from training.pipeline.run import UNTIL_PAIRS
from training.pipeline.run_folder import create_run
from training.pipeline.stages import run_stages
from training.pipeline.stages.pairs import PAIRS_FILE
from training.progress import log_duration

_NOTHING = Hits(np.empty(0, np.int64), np.empty(0, np.float32))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    return run_command(_parser(), _run, arguments)


def _run(options: argparse.Namespace) -> str:
    set_default_paths()
    folder: Path = options.folder
    if folder.exists():
        raise ConfigurationError(f"{folder} exists. Choose another folder: results belong to their pairs and sets.")
    sets: list[Path] = [path.expanduser().resolve() for path in options.sets]
    if len({path.name for path in sets}) < len(sets):
        raise ConfigurationError("two sets have the same name. Rename the folder of one.")
    named = [f"data.papers={options.papers}", f"evaluation.sets=[{','.join(f'{str(path)!r}' for path in sets)}]"]
    rows = compose_rows([*options.overrides, *named], options.rows)
    with translate_write_errors(folder):
        try:
            write_pairs(folder, [row.configuration for row in rows if row.train])
            for path in sets:
                with log_duration(f"searching in {path.name}"):
                    write_searched_set(path, folder / SETS / path.name)
            write_rows(folder, rows)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return f"{len(rows)} rows, their pairs and {len(sets)} sets are in {folder}"


def write_pairs(folder: Path, configurations: Sequence[Configuration]) -> None:
    """Write a pair of each paper for every kind that one of the configurations trains on.

    Raises:
        ConfigurationError: Nothing trains, or the configurations differ in their papers.
        CorpusError: The papers cannot be read, are too few, or do not give such pairs.
    """
    if len({repr(each.data) for each in configurations}) != 1:
        raise ConfigurationError("the rows must train on the same papers: give `data` in `common` alone.")
    first = configurations[0]
    kinds = {kind for each in configurations for kind, share in each.pairs.shares.items() if share > 0}
    pairs = structs.replace(
        first.pairs, shares=dict.fromkeys(sorted(kinds), 1.0), per_paper=True, most=None, labelled=False
    )
    run = create_run(folder / "corpus", structs.replace(first, pairs=pairs, mine=NoMining()))
    run_stages(run, UNTIL_PAIRS)
    (run.require_stage("pairs") / PAIRS_FILE).rename(folder / PAIRS)


def write_searched_set(source: Path, folder: Path) -> None:
    """Write a set as search sees it, with `lexical.npz`: the best passages of the service's lexical index by query.

    Texts are cleaned as those of a user's papers. A query has its words only, without operators; one that the service
    refuses has no words. A set inside a larger corpus is written with all of its passages.

    Raises:
        ConfigurationError: The set cannot be read.
    """
    settings = default_settings()
    try:
        with tempfile.TemporaryDirectory(prefix="akin-ablation-") as made:
            collection = read_collection(source)
            papers = list(cleaned_papers(collection))
            with LexicalWriter(Path(made) / "lexical") as writer:
                writer.add(0, papers)
                writer.close()
            index = TantivyIndex(
                Path(made) / "lexical", terms=settings.lexical_terms, postings=settings.lexical_postings
            )
            queries = {name: _words(text) for name, text in collection.queries.items()}
            found = [index.search(words, DEPTH) if words else _NOTHING for words in queries.values()]
    except RelevanceError as error:
        raise ConfigurationError(f"--set {source.name}: {error}") from error
    folder.mkdir(parents=True)
    write_lines(folder / CORPUS, ({"_id": each.id, "title": each.title, "text": each.abstract} for each in papers))
    write_lines(folder / QUERIES, ({"_id": name, "text": words} for name, words in queries.items()))
    write_judgements(folder, collection.qrels)
    np.savez_compressed(
        folder / LISTS,
        rows=np.concatenate([hits.rows for hits in found]),
        scores=np.concatenate([hits.scores for hits in found]),
        ends=np.cumsum([len(hits.rows) for hits in found]),
        bounds=np.array([hits.bounds or (np.nan, np.nan) for hits in found]),
    )


def _words(query: str) -> str:
    try:
        return parse_query(query).words
    except RequestError:
        return ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.ablation.prepare", description="Prepare the rows, pairs and sets of an ablation."
    )
    parser.add_argument("folder", type=Path, help="folder to write")
    parser.add_argument("overrides", nargs="*", metavar="OVERRIDE", help="changes of all rows: GROUP=NAME or KEY=VALUE")
    parser.add_argument("--papers", required=True, help="file of papers to train on")
    parser.add_argument(
        "--set", dest="sets", type=Path, action="append", default=[], help="folder of a test set; may be repeated"
    )
    parser.add_argument("--rows", type=Path, help="file of rows; by default configs/ablation.yaml")
    return parser


if __name__ == "__main__":
    sys.exit(main())
