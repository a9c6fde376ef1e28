"""Make learned weights of words for papers, with a sparse encoder that needs no model for queries.

Usage: python -m training.sparse --model MODEL --papers FILE --output FILE [--map FIELDS]

MODEL is the folder or hub id of a `SparseEncoder` of sentence-transformers whose queries are looked up in a table
("inference-free"). `akin index build --word-weights FILE` ranks by the result. Such a model has weights for pieces of
words, and a lexical index has words: a word of the text gets the sum of its pieces, a further word the weight of the
one piece that it is, and a further piece is left out. The queries' table is multiplied into the weights.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from akin.papers import Paper, PapersError, passage_text, read_papers
from akin.storage.durable import publish_file
from training.command import run_command
from training.errors import CorpusError, SourceError, UnsupportedModel, translate_write_errors
from training.progress import log_progress

if TYPE_CHECKING:
    from sentence_transformers import SparseEncoder

_BATCH = 32
_PAPERS_BETWEEN_REPORTS = 1_000


class SparseWords:
    """Weights of words by a sparse encoder.

    Attributes:
        name: folder or hub id of the encoder.
        digest: digest of its weights.
    """

    def __init__(self, name: str, device: str | None = None) -> None:
        """Load the encoder.

        Raises:
            SourceError: It cannot be loaded.
            UnsupportedModel: Its queries need a model, or its pieces of words cannot be joined.
        """
        from sentence_transformers import SparseEncoder

        try:
            self._model = SparseEncoder(name, device=device)
        except (OSError, ValueError, KeyError) as error:
            raise SourceError(f"{name} is not a SparseEncoder that can be loaded: {error}") from error
        self.name = name
        table = query_table(self._model, name)
        self._tokenizer = self._model[0].sub_modules["document"][0].tokenizer
        self._pieces = pieces_of(self._tokenizer, name)
        if len(table.weight) < len(self._pieces) or table.tokenizer.get_vocab() != self._tokenizer.get_vocab():
            raise UnsupportedModel(f"{name} has other pieces of words for queries than for passages.")
        self._factors: list[float] = table.weight.detach().double().tolist()
        digest = hashlib.sha256()
        for key, tensor in sorted(self._model.state_dict().items()):
            digest.update(key.encode() + tensor.detach().cpu().numpy().tobytes())
        self.digest = digest.hexdigest()

    def weigh(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Return the weights of words for each text."""
        made: Any = self._model.encode_document(list(texts), batch_size=_BATCH, show_progress_bar=False)
        pieces: list[dict[int, float]] = [{} for _ in texts]
        found = made.cpu().coalesce()
        for (row, piece), weight in zip(found.indices().T.tolist(), found.values().tolist(), strict=True):
            if weight * self._factors[piece] > 0:
                pieces[row][piece] = weight * self._factors[piece]
        return [self._by_word(text, each) for text, each in zip(texts, pieces, strict=True)]

    def write(self, papers: Iterable[Paper], path: Path) -> int:
        """Write the weights of papers as JSON lines, and return the number of papers.

        Raises:
            TrainingError: The file cannot be written.
        """
        aside = path.with_name(f".{path.name}.part")
        written: set[str] = set()
        # A build takes the first of several records of a paper.
        new = (paper for paper in papers if paper.id not in written)
        with translate_write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with aside.open("w", encoding="utf-8") as file:
                while group := {paper.id: paper for paper in islice(new, _BATCH)}:
                    made = self.weigh([passage_text(paper) for paper in group.values()])
                    for name, weights in zip(group, made, strict=True):
                        rounded = {word: round(weight, 4) for word, weight in weights.items()}
                        file.write(json.dumps({"id": name, "weights": rounded}, ensure_ascii=False) + "\n")
                    written.update(group)
                    if len(written) % _PAPERS_BETWEEN_REPORTS < _BATCH:
                        log_progress(f"  {len(written):,} papers")
            publish_file(aside, path)
        return len(written)

    def _by_word(self, text: str, weights: dict[int, float]) -> dict[str, float]:
        found = {
            piece: weights[number]
            for number in weights
            if (piece := self._pieces[number]) is not None and piece.isalnum()
        }
        for word, pieces in self._words(text):
            if weight := sum(weights.get(piece, 0.0) for piece in set(pieces)):
                found[word] = weight
        return found

    def _words(self, text: str) -> Iterator[tuple[str, list[int]]]:
        """Yield the words of a text as the model sees them, each with the numbers of its pieces."""
        made = self._tokenizer(text, add_special_tokens=False, truncation=False, return_offsets_mapping=True)
        words: dict[int, list[int]] = {}
        for place, word in enumerate(made.word_ids()):
            words.setdefault(word, []).append(place)
        for places in words.values():
            start, end = made["offset_mapping"][places[0]][0], made["offset_mapping"][places[-1]][1]
            yield text[start:end].lower(), [made["input_ids"][place] for place in places]


def query_table(model: SparseEncoder, name: str) -> Any:
    """Return the module that looks up the weights of a query's pieces.

    Raises:
        UnsupportedModel: A query goes through anything else.
    """
    routes = getattr(model[0], "sub_modules", {})
    asked = list(routes["query"]) if "query" in routes else list(model)
    queries = [type(module).__name__ for module in asked]
    if queries != ["SparseStaticEmbedding"] or "document" not in routes or len(model) != 1:
        raise UnsupportedModel(
            f"{name} needs an encoder for queries ({', '.join(queries)}), which the lexical half does not have. Choose "
            "an inference-free model: a Router with SparseStaticEmbedding alone for queries."
        )
    return asked[0]


def pieces_of(tokenizer: Any, name: str) -> list[str | None]:
    """Return the pieces that begin a word, by their numbers; None in place of the others and of special ones.

    Raises:
        UnsupportedModel: It cannot be told which pieces begin a word.
    """
    kind = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    if kind["type"] != "WordPiece":
        raise UnsupportedModel(f"{name} has a tokenizer of the kind {kind['type']}; only WordPiece can be joined.")
    special, prefix = set(tokenizer.all_special_tokens), kind["continuing_subword_prefix"]
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    found: list[str | None] = [None] * (max(vocabulary.values()) + 1)
    for piece, number in vocabulary.items():
        if piece not in special and not piece.startswith(prefix):
            found[number] = piece
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m training.sparse", description="Make learned weights of words for papers."
    )
    parser.add_argument("--model", required=True, help="an inference-free SparseEncoder: a folder or a hub id")
    parser.add_argument("--papers", metavar="FILE", type=Path, required=True, help="the papers that will be indexed")
    parser.add_argument("--map", metavar="FIELDS", help="the fields of that file, such as id=_id,title=title")
    parser.add_argument("--output", metavar="FILE", type=Path, required=True, help="the file of weights, JSON lines")
    return run_command(parser, _weigh, arguments)


def _weigh(options: argparse.Namespace) -> str:
    words = SparseWords(options.model)
    try:
        with read_papers(options.papers, options.map) as papers:
            count = words.write(papers, options.output)
    except PapersError as error:
        raise CorpusError(str(error)) from error
    return f"{count:,} papers; index them with: akin index build {options.papers} --word-weights {options.output}"


if __name__ == "__main__":
    sys.exit(main())
