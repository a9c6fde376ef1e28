"""Folder of an ablation as `python -m training.ablation.prepare` makes it, with tiny models."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from training.ablation.prepare import write_searched_set
from training.ablation.rows import compose_rows, write_rows
from training.ablation.run import PAIRS, SETS

from ..conftest import WORDS


def write_set(folder: Path) -> Path:
    """Write a set in which a query is a word, and its paper has it in the title and the abstract."""
    (folder / "qrels").mkdir(parents=True)
    papers = [{"_id": f"p{n}", "title": word, "text": f"{word} {WORDS[n - 1]}"} for n, word in enumerate(WORDS)]
    queries = [{"_id": f"q{n}", "text": word} for n, word in enumerate(WORDS)]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, papers)))
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    judged = "".join(f"q{n}\tp{n}\t1\n" for n in range(len(WORDS)))
    (folder / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}")
    return folder


@pytest.fixture
def prepared(tmp_path: Path, tiny_bert: Callable[..., Path]) -> Callable[[str], Path]:
    """Return a function that prepares an ablation of rows, written in YAML."""

    def make(rows: str) -> Path:
        folder = tmp_path / "ablation"
        folder.mkdir()
        common = f"experiment=smoke, tracking=none, model.source={tiny_bert(8)}, model.max_length=16"
        loop = "trainer.batch_size=4, trainer.steps=2, trainer.evaluate_every=100, trainer.save_every=100"
        (tmp_path / "rows.yaml").write_text(f"common: [{common}, {loop}, trainer.learning_rate=0.01]\nrows: {rows}\n")
        write_rows(folder, compose_rows(path=tmp_path / "rows.yaml"))
        with (folder / PAIRS).open("w") as file:
            for number, word in enumerate(WORDS):
                other = WORDS[number - 1]
                for kind, anchor in (("title", word), ("first_sentence", f"{word} {other}")):
                    pair = {"kind": kind, "anchor": anchor, "positive": f"{other} {word} {kind[0]}", "groups": [number]}
                    file.write(json.dumps(pair) + "\n")
        write_searched_set(write_set(tmp_path / "words"), folder / SETS / "words")
        return folder

    return make
