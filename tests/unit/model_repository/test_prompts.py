"""Test the prompts of a version: what is read of a text, and which requests share a run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

DIM = 8
QUERY, PASSAGE = "search_query: ", "search_document: "
Serve = Callable[..., Any]


class Graphs:
    """Graph whose vector of a text depends on every token and its place; `ran` has the token ids of each row."""

    def __init__(self) -> None:
        self.ran: list[list[int]] = []

    def __call__(self, path: Path) -> Any:
        return lambda threads: self.run

    def run(self, feed: dict[str, Any]) -> Any:
        vectors = np.zeros((len(feed["input_ids"]), DIM), np.float32)
        for row, (ids, mask) in enumerate(zip(feed["input_ids"], feed["attention_mask"], strict=True)):
            tokens = ids[mask.astype(bool)]
            if len(tokens):
                self.ran.append(tokens.tolist())
                vectors[row] = np.cos(np.outer(tokens + 1, np.arange(1, DIM + 1)) * 0.37).T @ np.arange(len(tokens))
        return vectors


@pytest.fixture
def graphs(text_encoder: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Graphs:
    graphs = Graphs()
    monkeypatch.setitem(text_encoder.sys.modules["runtime"].GRAPHS, "onnxruntime", graphs)
    return graphs


def words_tokenizer() -> Any:
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    signs = [chr(code) for code in range(32, 127)] + ["\n", "🔭"]
    tokenizer = Tokenizer(models.WordLevel({sign: at + 1 for at, sign in enumerate(signs)} | {"?": 0}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    return tokenizer


def make_version(folder: Path, max_length: int = 64, tokenizer: Any = None, **more: object) -> Path:
    """Make a version whose tokens are single letters."""
    folder.mkdir()
    (tokenizer or words_tokenizer()).save(str(folder / "tokenizer.json"))
    graph = {"file": "model.onnx", "pad_id": 0, "inputs": ["input_ids", "attention_mask"]}
    manifest = {"dim": DIM, "max_length": max_length, "digest": "0" * 64, "graph": graph, **more}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture
def load(text_encoder: ModuleType, graphs: Graphs, tmp_path: Path) -> Serve:
    """Return a function that loads a version with a manifest's further fields."""
    runtime: Any = text_encoder.sys.modules["runtime"]
    numbers = iter(range(100))
    return lambda **more: runtime.TextEncoder(
        make_version(tmp_path / f"loaded {next(numbers)}", **more), runtime="onnxruntime", threads=1
    )


@pytest.fixture
def serve(text_encoder: ModuleType, graphs: Graphs, tmp_path: Path) -> Iterator[Serve]:
    """Return a function that serves a version; it is unloaded at the end."""
    served = []

    def start(**more: object) -> Any:
        parameters = {"RUNTIME": "onnxruntime", "THREADS": "1", "TOKEN_BUDGET": "1024", "MAX_TEXT_BYTES": "1000"}
        parameters |= {"BULK_FROM_TEXTS": "9", "BULK_QUEUE_BYTES": "32000000"}
        folder = make_version(tmp_path / str(len(served) + 1), **more)
        config = {
            "max_batch_size": 64,
            "parameters": {key: {"string_value": value} for key, value in parameters.items()},
        }
        served.append(text_encoder.TritonPythonModel())
        served[-1].initialize(
            {"model_config": json.dumps(config), "model_repository": str(tmp_path), "model_version": folder.name}
        )
        graphs.ran.clear()
        return served[-1]

    interval = sys.getswitchinterval()
    yield start
    sys.setswitchinterval(interval)
    for each in served:
        each.finalize()


@pytest.mark.parametrize(
    ("query", "passage"),
    [
        (QUERY, PASSAGE),
        ("", "title: none | text: "),
        ("Represent {this} sentence:\n", ""),
        ("🔭 ", "%s %d {0} \\n"),
    ],
)
def test_a_text_is_read_as_if_it_began_with_its_prompt(load: Serve, query: str, passage: str) -> None:
    plain, prompted = load(), load(prompts={"query": query, "passage": passage})
    for text in ("lenses", query, passage, query + "lenses", "{} %s", "a\nb", "🔭", ""):
        for given, prompt in (((), query), (("query",), query), (("passage",), passage)):
            found, tokens = prompted.encode([text, "beside"], *given)
            wanted, counted = plain.encode([prompt + text, prompt + "beside"])
            assert found.tobytes() == wanted.tobytes()
            assert tokens.tolist() == counted.tolist()


@pytest.mark.parametrize("prompts", [{}, {"query": ""}, {"query": "", "passage": ""}, None])
def test_without_prompts_both_types_are_what_they_were(load: Serve, prompts: Any) -> None:
    texts = ["gravity", "", " two words ", "x" * 200]
    given = {} if prompts is None else {"prompts": prompts}
    encoder = load(**given)
    wanted, counted = encoder.encode_prompted(texts)
    for input_type in ("query", "passage"):
        found, tokens = encoder.encode(texts, input_type)
        assert (found.tobytes(), tokens.tobytes()) == (wanted.tobytes(), counted.tobytes())
        assert encoder.add_prompt(texts, input_type) == texts


def test_a_version_of_an_earlier_release_has_no_prompts(load: Serve) -> None:
    before = Path(__file__).parents[2] / "data/text_encoder_of_schema_1/1/manifest.json"
    manifest = json.loads(before.read_text())
    graph = manifest["graph"] | {"inputs": ["input_ids", "attention_mask"]}
    # The files themselves are another's here.
    encoder = load(**manifest | {"dim": DIM, "graph": graph, "files": {}})
    assert encoder.digest == manifest["digest"]
    assert encoder.prompts == {"query": "", "passage": ""}
    assert encoder.encode(["light"], "passage")[0].tobytes() == encoder.encode(["light"])[0].tobytes()


def test_a_prompt_takes_its_part_of_the_longest_text_and_counts_as_tokens(load: Serve, graphs: Graphs) -> None:
    encoder = load(prompts={"query": QUERY})
    graphs.ran.clear()
    _, tokens = encoder.encode(["y" * 100])
    assert tokens.tolist() == [len(QUERY) + 100]
    (read,) = graphs.ran
    assert len(read) == encoder.max_length
    assert encoder._tokenizer.decode(read).replace(" ", "") == (QUERY + "y" * 50).replace(" ", "")


@pytest.mark.parametrize(
    ("prompts", "reason"),
    [
        ({"query": "x" * 600}, "the prompt for query has 600 tokens, more than half of the 64"),
        ({"passage": "x" * 33}, "the prompt for passage has 33 tokens"),
        ({"query": "\ud800"}, "the prompt for query is not valid Unicode"),
        ({"query": 5}, "must be an object of texts"),
        (["query: "], "must be an object of texts"),
        (None, "must be an object of texts"),
        ({"title": "x"}, "a prompt for 'title'; there are query and passage"),
    ],
)
def test_a_prompt_that_cannot_be_used_is_refused_when_the_version_is_loaded(
    text_encoder: ModuleType, load: Serve, prompts: Any, reason: str
) -> None:
    with pytest.raises(text_encoder.sys.modules["runtime"].BadPrompt, match=reason):
        load(prompts=prompts)


@pytest.mark.parametrize("input_type", ["title", "", "Query", 5, 0, True, None, ["query"], {"query": 1}])
def test_an_unknown_type_refuses_its_request_only(serve: Serve, request_of: Any, input_type: Any) -> None:
    served = serve(prompts={"query": QUERY, "passage": PASSAGE})
    good, bad, other = (
        request_of("one"),
        request_of("two", input_type=input_type),
        request_of("three", input_type="passage"),
    )
    answers = served.execute([good, bad, other])
    assert [answer.error is None for answer in answers] == [True, False, True]
    message, code = answers[1].error.args
    assert message == f"the parameter input_type is {str(input_type)!r}; it must be 'query' or 'passage'."
    assert code == answers[1].error.INVALID_ARG
    assert answers[0].outputs["TOKENS"].tolist() == [[len(QUERY) + 3]]


def test_queries_and_passages_share_a_run_and_each_gets_its_own_prompt(
    serve: Serve, load: Serve, request_of: Any, graphs: Graphs, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve(prompts={"query": QUERY, "passage": PASSAGE})
    runs: list[list[str]] = []
    tokenize = served.encoder.tokenize
    monkeypatch.setattr(served.encoder, "tokenize", lambda texts: runs.append(list(texts)) or tokenize(texts))
    types = [None, "passage", "query", "passage"]
    requests = [request_of("the same text", **({"input_type": each} if each else {})) for each in types]
    answers = served.execute(requests)
    assert runs == [[prompt + "the same text" for prompt in (QUERY, PASSAGE, QUERY, PASSAGE)]]
    vectors = [answer.outputs["EMBEDDING"].tobytes() for answer in answers]
    assert vectors[0] == vectors[2] != vectors[1] == vectors[3]
    reference = load(prompts={"query": QUERY, "passage": PASSAGE})
    assert vectors[1] == reference.encode(["the same text"], "passage")[0].tobytes()


def test_bulk_work_has_the_prompt_of_its_type(serve: Serve, load: Serve, request_of: Any) -> None:
    served = serve(prompts={"query": QUERY, "passage": PASSAGE})
    texts = [f"text {number}" for number in range(12)]
    requests = [request_of(*texts), request_of(*texts, input_type="passage"), request_of("x", bulk=True, input_type="")]
    answers = served.execute(requests)
    assert answers[:2] == [None, None]
    assert answers[2].error is not None
    reference = load(prompts={"query": QUERY, "passage": PASSAGE})
    for request, input_type in zip(requests, ("query", "passage"), strict=False):
        assert request.sent.wait(10)
        found, tokens = reference.encode(texts, input_type)
        np.testing.assert_allclose(request.response.outputs["EMBEDDING"], found, rtol=1e-6)
        assert request.response.outputs["TOKENS"][:, 0].tolist() == tokens.tolist()


def test_a_blank_text_is_refused_although_its_prompt_is_not(serve: Serve, request_of: Any) -> None:
    served = serve(prompts={"query": QUERY})
    blank, long = served.execute([request_of(" \n"), request_of("x" * 990)])
    assert "blank" in blank.error.args[0]
    assert long.error is None


@pytest.mark.parametrize("kind", ["bpe", "unigram", "wordpiece"])
def test_each_kind_of_tokenizer_reads_text_and_prompt_as_one(load: Serve, graphs: Graphs, kind: str) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    corpus = ["query: what bends light?", "passage: mass bends light", "light light mass what query passage"] * 20
    if kind == "bpe":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        trainer: Any = trainers.BpeTrainer(
            vocab_size=300, special_tokens=["<s>", "</s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
        )
    elif kind == "unigram":
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        tokenizer.decoder = decoders.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=60, special_tokens=["<s>", "</s>", "<unk>"], unk_token="<unk>")
    else:
        tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(vocab_size=80, special_tokens=["<s>", "</s>", "<unk>"])
    tokenizer.train_from_iterator(corpus, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    # What the file says about cutting and padding counts for training, not for serving.
    tokenizer.enable_truncation(4, direction="left")
    tokenizer.enable_padding(direction="left", length=40)
    encoder = load(tokenizer=tokenizer, prompts={"query": "query: ", "passage": "passage: "})
    tokenizer.no_truncation()
    tokenizer.no_padding()
    for input_type, text in (("query", "what bends light?"), ("passage", "mass bends light"), ("passage", "zzz")):
        graphs.ran.clear()
        _, tokens = encoder.encode([text], input_type)
        wanted = tokenizer.encode(f"{input_type}: {text}").ids
        assert graphs.ran == [wanted]
        assert tokens.tolist() == [len(wanted)]
    graphs.ran.clear()
    _, tokens = encoder.encode(["light " * 100], "query")
    wanted = tokenizer.encode("query: " + "light " * 100).ids
    assert tokens.tolist() == [len(wanted)]
    assert graphs.ran == [[*wanted[:63], 1]]


def test_a_text_of_which_the_tokenizer_knows_nothing_is_one_token_of_padding(load: Serve, graphs: Graphs) -> None:
    from tokenizers import Tokenizer, models

    encoder = load(tokenizer=Tokenizer(models.BPE({"pad": 0, "k": 1}, [])))
    graphs.ran.clear()
    vectors, _ = encoder.encode(["zz", "k"])
    assert sorted(graphs.ran) == [[0], [1]]
    assert np.isfinite(vectors).all()
