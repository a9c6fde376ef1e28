"""Each format on tiny files that are made as its publishers write it."""

from __future__ import annotations

import csv
import gzip
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from akin.relevance import RelevanceError, format_of, read_collection, read_collections
from akin.relevance.loaders.files import parquet_rows


def lines(path: Path, *records: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def csfcube(folder: Path) -> Path:
    def record(identity: str, title: str) -> dict[str, object]:
        return {
            "paper_id": identity,
            "title": title,
            "abstract": [f"{title} is hard.", "We aim high.", "We bend wings.", "They fly."],
            "metadata": {"year": 2019},
            "pred_labels": ["background_label", "objective_label", "method_label", "result_label"],
        }

    lines(folder / "abstracts-csfcube-preds.jsonl", *(record(f"{n}", f"Paper {n}") for n in range(1, 5)))
    judged = {
        "1": {"cands": ["2", "3", "4"], "relevance_adju": [3, 0, 1], "relevance_max": [3, 1, 1]},
        "2": {"cands": ["3"], "relevance_adju": [1]},
    }
    for facet in ("background", "method"):
        (folder / f"test-pid2anns-csfcube-{facet}.json").write_text(json.dumps(judged))
    return folder


def test_csfcube_is_a_collection_for_each_facet_that_asks_with_the_sentences_of_the_facet(tmp_path: Path) -> None:
    background, method = read_collections([csfcube(tmp_path / "csfcube")])
    assert (background.name, method.name) == ("csfcube-background", "csfcube-method")
    assert background.queries["1"] == "Paper 1 Paper 1 is hard. We aim high."
    assert method.queries["1"] == "Paper 1 We bend wings."
    assert background.qrels == {"1": {"2": 3, "4": 1}, "2": {"3": 1}}
    # Paper 1 asks and answers nothing; paper 2 asks and is an answer too.
    assert list(background.passages) == ["2", "3", "4"]
    assert background.passages["3"] == "Paper 3. Paper 3 is hard. We aim high. We bend wings. They fly."
    assert background.kind == "neighbours"
    assert background.digest != method.digest


def doris_mae(folder: Path) -> Path:
    content = {
        "Query": [
            {"query_text": "I need wings.", "candidate_pool": [0, 1, 2], "aspects": {"a1": ["s1"], "a2": []}},
            {"query_text": "I need nothing.", "candidate_pool": [0], "aspects": {"a3": []}},
        ],
        "Corpus": [
            {"title": f"Paper {n}", "original_abstract": f"On {n}.", "masked_abstract": "On X.", "url": ""}
            for n in range(4)
        ],
        "Annotation": [
            {"aspect_id": aspect, "abstract_id": paper, "score": score}
            for aspect, paper, score in [
                ("a1", 0, 2),
                ("s1", 0, 2),
                ("a2", 0, 1),
                ("a1", 1, 2),
                ("s1", 2, 2),
                ("a2", 2, 1),
            ]
        ],
    }
    folder.mkdir()
    (folder / "DORIS-MAE_dataset_v1.json").write_text(json.dumps(content))
    return folder


def test_doris_mae_adds_the_scores_of_the_aspects(tmp_path: Path) -> None:
    found = read_collection(doris_mae(tmp_path / "doris"))
    assert dict(found.queries) == {"0": "I need wings."}
    assert found.qrels == {"0": {"0": 5, "2": 3}}  # paper 1 has 2 points in three aspects
    assert found.passages["3"] == "Paper 3. On 3."


def litsearch(folder: Path) -> Path:
    question = {"query_set": "inline_acl", "query": "Which paper bends wings?", "specificity": 1, "quality": 2}
    lines(folder / "query.jsonl", question | {"corpusids": [7, 8]}, question | {"query": "And?", "corpusids": [9]})
    paper = {"title": "Wings", "abstract": "They bend.", "citations": [], "full_paper": "…"}
    lines(
        folder / "corpus_clean.jsonl",
        *({"corpusid": n, **paper} for n in (7, 8)),
        {"corpusid": 9, "title": "", "abstract": "Oil"},
    )
    return folder


def test_litsearch_questions_have_their_places_as_ids(tmp_path: Path) -> None:
    found = read_collection(litsearch(tmp_path / "litsearch"))
    assert dict(found.queries) == {"0": "Which paper bends wings?", "1": "And?"}
    assert found.qrels == {"0": {"7": 1, "8": 1}, "1": {"9": 1}}
    assert dict(found.passages) == {"7": "Wings. They bend.", "8": "Wings. They bend.", "9": "Oil"}
    assert found.kind == "question"


def test_scirepeval_search_asks_with_texts_and_proximity_with_papers(tmp_path: Path) -> None:
    def paper(identity: str) -> dict[str, Any]:
        return {"doc_id": identity, "title": f"Paper {identity}", "abstract": None if identity == "c" else "On oil."}

    search, near = tmp_path / "search", tmp_path / "same_author"
    lines(search / "evaluation.jsonl", {"doc_id": "q1", "query": "oil", "candidates": [paper("a"), paper("b")]})
    lines(
        search / "test/test_qrel.jsonl",
        {"query_id": "q1", "cand_id": "a", "score": 3},
        {"query_id": "q1", "cand_id": "b", "score": 0},
    )
    lines(
        near / "evaluation.jsonl",
        {"doc_id": "a", "query": paper("a"), "candidates": [paper("b"), paper("c")]},
        {"doc_id": "b", "query": paper("b"), "candidates": [paper("a"), paper("c")]},
    )
    lines(
        near / "test_qrel.jsonl",
        {"query_id": "a", "cand_id": "b", "score": 1},
        {"query_id": "b", "cand_id": "c", "score": 1},
    )
    asked, related = read_collections([search, near])
    assert dict(asked.queries) == {"q1": "oil"}
    assert asked.qrels == {"q1": {"a": 3}}
    assert dict(asked.passages) == {"a": "Paper a. On oil.", "b": "Paper b. On oil."}
    assert asked.kind is None
    assert related.queries["a"] == "Paper a On oil."
    assert list(related.passages) == ["b", "c"]  # paper a asks only; each candidate once
    assert related.passages["c"] == "Paper c"
    assert related.kind == "neighbours"


def trec_covid(folder: Path) -> Path:
    folder.mkdir()
    with (folder / "metadata.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["cord_uid", "sha", "title", "doi", "abstract"])
        rows.writerows(
            [["x1", "", "Masks", "", "They help,\nsome say."], ["x1", "", "Again", "", ""], ["x2", "", "", "", "Bats"]]
        )
    (folder / "topics-rnd5.xml").write_text(
        '<?xml version="1.0"?><topics><topic number="1"><query>masks</query><question>do masks\n help?</question>'
        "<narrative>…</narrative></topic></topics>"
    )
    (folder / "qrels-covid_d5_j0.5-5.txt").write_text("1 4.5 x1 2\n1 5 x2 -1\n")
    return folder


def test_trec_covid_takes_the_questions_and_the_first_record_of_an_id(tmp_path: Path) -> None:
    found = read_collection(trec_covid(tmp_path / "covid"))
    assert dict(found.queries) == {"1": "do masks help?"}
    assert found.qrels == {"1": {"x1": 2}}
    limit = csv.field_size_limit()
    assert dict(found.passages) == {"x1": "Masks. They help, some say.", "x2": "Bats"}
    assert csv.field_size_limit() == limit  # readers of other files in this process rely on it


def parts(folder: Path, *splits: str) -> Path:
    for split in splits:
        lines(
            folder / f"corpus/{split}.jsonl", {"_id": "d1", "text": f"Wings of {split}"}, {"_id": "d2", "text": "Oil"}
        )
        lines(folder / f"queries/{split}.jsonl", {"_id": "q1", "text": "wings"}, {"_id": "q2", "text": "oil"})
        lines(
            folder / f"qrels/{split}.jsonl",
            {"query-id": "q1", "corpus-id": "d1"},
            {"query-id": "q2", "corpus-id": ["d1", "d2"]},
        )
    return folder


def test_nanobeir_has_judgements_without_gains_and_several_sets_in_a_folder(tmp_path: Path) -> None:
    one = read_collection(parts(tmp_path / "NanoSciFact", "train"))
    assert one.name == "NanoSciFact"
    assert one.qrels == {"q1": {"d1": 1}, "q2": {"d1": 1, "d2": 1}}
    assert one.passages["d1"] == "Wings of train"
    many = read_collections([parts(tmp_path / "NanoBEIR-en", "NanoSCIDOCS", "NanoNFCorpus")])
    assert [(each.name, each.passages["d1"]) for each in many] == [
        ("NanoNFCorpus", "Wings of NanoNFCorpus"),
        ("NanoSCIDOCS", "Wings of NanoSCIDOCS"),
    ]
    lines(tmp_path / "NanoSciFact/qrels/dev.jsonl", {"query-id": "q1", "corpus-id": "d2"})
    with pytest.raises(RelevanceError, match="judgements of dev, train, but none called test"):
        read_collection(tmp_path / "NanoSciFact")


def beir(folder: Path, *splits: str) -> Path:
    lines(
        folder / "corpus.jsonl",
        {"_id": "d1", "text": "Wings", "metadata": {}},
        {"_id": "d2", "title": None, "text": "Oil"},
    )
    lines(folder / "queries.jsonl", {"_id": "q1", "text": "wings", "metadata": {"published": "2019-01-02"}})
    (folder / "qrels").mkdir()
    for split in splits:
        (folder / f"qrels/{split}.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\n")
    return folder


def test_beir_may_lack_titles_be_packed_and_have_other_splits(tmp_path: Path) -> None:
    folder = beir(tmp_path / "nfcorpus", "train", "dev")
    with pytest.raises(RelevanceError, match=r"has no test\.tsv but dev\.tsv, train\.tsv: give one of these files"):
        read_collection(folder)
    found = read_collection(folder / "qrels/dev.tsv")
    assert found.name == "nfcorpus-dev"
    assert dict(found.passages) == {"d1": "Wings", "d2": "Oil"}
    assert found.records == {"q1": {"published": "2019-01-02"}}
    (folder / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td2\t1\n")
    assert read_collection(folder).qrels == {"q1": {"d2": 1}}
    assert read_collection(folder).name == "nfcorpus"
    packed = tmp_path / "packed"
    lines(packed / "qrels/test.jsonl", {"query-id": "q1", "corpus-id": "d1", "score": 2})
    for name in ("corpus.jsonl", "queries.jsonl"):
        with gzip.open(packed / f"{name}.gz", "wb") as file:
            file.write((folder / name).read_bytes())
    assert read_collection(packed).qrels == {"q1": {"d1": 2}}
    assert dict(read_collection(packed).passages) == dict(found.passages)


def test_a_folder_of_collections_of_several_formats_is_all_of_them(tmp_path: Path) -> None:
    csfcube(tmp_path / "b")
    doris_mae(tmp_path / "a")
    (tmp_path / "other").mkdir()
    assert [each.name for each in read_collections([tmp_path])] == ["a", "b-background", "b-method"]
    with pytest.raises(RelevanceError, match=r"several collections \(a, b-background, b-method\), where one is needed"):
        read_collection(tmp_path)
    with pytest.raises(RelevanceError, match=r"other/queries\.jsonl cannot be read"):
        read_collection(tmp_path / "other")
    with pytest.raises(RelevanceError, match=r"none does not exist"):
        read_collection(tmp_path / "none")


ABSTRACTS, METHOD = "abstracts-csfcube-preds.jsonl", "test-pid2anns-csfcube-method.json"
DORIS, QRELS = "DORIS-MAE_dataset_v1.json", "qrels-covid_d5_j0.5-5.txt"
ASKED = {"query_text": "q", "candidate_pool": []}
EMPTY: dict[str, Any] = {"Query": [], "Corpus": [], "Annotation": []}
BROKEN: list[tuple[Any, str, object, str]] = [
    (csfcube, ABSTRACTS, "{", r"preds\.jsonl is not JSON lines in UTF-8, see line 1"),
    (csfcube, ABSTRACTS, {"paper_id": "1", "abstract": "text"}, r"jsonl:1 must have an abstract"),
    (csfcube, METHOD, [1], r"method\.json must hold an object"),
    (csfcube, METHOD, {"9": {}}, r"judges query 9, but .* has no such paper"),
    (csfcube, METHOD, {"1": {"cands": ["2"], "relevance_adju": []}}, "of the same length"),
    (csfcube, METHOD, {"1": {"cands": ["2"], "relevance_adju": [0]}}, "no judgement is above 0"),
    (doris_mae, DORIS, {"Query": [], "Corpus": {}}, "has no list Corpus"),
    (doris_mae, DORIS, EMPTY | {"Query": [1]}, "Query must be a list of objects"),
    (doris_mae, DORIS, EMPTY | {"Query": [ASKED]}, "query 0 has no aspects"),
    (doris_mae, DORIS, EMPTY | {"Annotation": [{"aspect_id": "a"}]}, "annotation 0 has no abstract_id"),
    (litsearch, "query.jsonl", {"query": "q"}, r"query\.jsonl:1 has no corpusids"),
    (litsearch, "query.jsonl", {"query": "q", "corpusids": 7}, r"query\.jsonl:1: corpusids must be a list"),
    (litsearch, "query.jsonl", {"query": "q", "corpusids": [1]}, "judges passage 1 for query 0, but"),
    (litsearch, "corpus_clean.jsonl", {"corpusid": 7, "title": 1, "abstract": ""}, "title and text must be texts"),
    (trec_covid, "metadata.csv", "cord_uid,title\nx1,Masks\n", r"metadata\.csv:2 has no abstract"),
    (trec_covid, "topics-rnd5.xml", "<topics>", r"topics-rnd5\.xml:1 is not XML"),
    (trec_covid, "topics-rnd5.xml", '<topics><topic number="1"/></topics>', "a topic without number or question"),
    (trec_covid, QRELS, "1 4.5 x1\n", r"txt:1 must have topic, round, paper and gain"),
    (trec_covid, QRELS, "2 4.5 x1 1\n", "query 2 is judged, but has no text"),
    (parts, "corpus/train.jsonl", {"_id": "d1"}, r"train\.jsonl:1 has no text"),
    (
        parts,
        "qrels/train.jsonl",
        {"query-id": "q", "corpus-id": "d", "score": 0.5},
        r"1: the score 0\.5 is not",
    ),
]


@pytest.mark.parametrize(("make", "file", "content", "complaint"), BROKEN)
def test_a_broken_file_is_named_with_its_place_and_the_reason(
    tmp_path: Path, make: Any, file: str, content: object, complaint: str
) -> None:
    folder = make(tmp_path / "broken", *(["train"] if make is parts else []))
    (folder / file).write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(RelevanceError, match=complaint):
        _ = [each.passages for each in read_collections([folder])]


def test_a_file_and_a_folder_that_is_not_there_are_named_as_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text("{}\n")
    with pytest.raises(RelevanceError, match=r"corpus\.jsonl is a file\. Give the folder of a test collection, or one"):
        read_collections([tmp_path / "corpus.jsonl"])
    with pytest.raises(RelevanceError, match=r"nothere does not exist\. Give the folder"):
        read_collections([tmp_path / "nothere"])


def test_each_folder_is_read_as_its_own_format(tmp_path: Path) -> None:
    makers = {"CSFCube": csfcube, "DORIS-MAE": doris_mae, "LitSearch": litsearch, "TREC-COVID": trec_covid}
    folders = {name: make(tmp_path / name) for name, make in makers.items()}
    folders |= {"NanoBEIR": parts(tmp_path / "NanoBEIR", "train"), "BEIR": beir(tmp_path / "BEIR", "test")}
    for name, folder in folders.items():
        assert format_of(folder) == name
    assert format_of(tmp_path) is None
    assert format_of(Path("mteb:SCIDOCS")) == "mteb"


class Task:
    """A task as mteb 2 makes it: the data by subset and split, once they are loaded."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.metadata = SimpleNamespace(dataset={"path": "mteb/made", "revision": "abc"})
        self._data = data

    def load_data(self) -> None:
        self.dataset = self._data

    def convert_v1_dataset_format_to_v2(self, num_proc: int | None) -> None:
        assert num_proc is None


def mteb_with(tasks: dict[str, Task]) -> ModuleType:
    module = ModuleType("mteb")
    module.get_task = tasks.__getitem__  # type: ignore[attr-defined]
    return module


def split_data(*texts: str) -> dict[str, Any]:
    corpus = [{"id": f"d{n}", "text": text, "title": "T"} for n, text in enumerate(texts)]
    return {
        "corpus": corpus,
        "queries": [{"id": "q", "text": "wings"}],
        "relevant_docs": {"q": {"d0": 1}},
        "top_ranked": None,
    }


def test_tasks_of_mteb_are_collections(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = {
        "Made": Task({"default": {"test": split_data("Wings", "Oil")}}),
        "Many": Task({"de": {"test": split_data("Flügel"), "dev": split_data("Öl")}}),
        "STS": Task({"default": {"test": [1, 2]}}),
    }
    monkeypatch.setitem(sys.modules, "mteb", mteb_with(tasks))
    found = read_collection(Path("mteb:Made"))
    assert (found.name, dict(found.queries), found.qrels) == ("Made", {"q": "wings"}, {"q": {"d0": 1}})
    assert dict(found.passages) == {"d0": "T. Wings", "d1": "T. Oil"}
    many = read_collections([Path("mteb:Many"), Path("mteb:Made")])
    assert [each.name for each in many] == ["Many-de-test", "Many-de-dev", "Made"]
    assert len({each.digest for each in many}) == 3
    with pytest.raises(RelevanceError, match="STS is no retrieval task"):
        read_collection(Path("mteb:STS"))
    with pytest.raises(RelevanceError, match="mteb has no task Unknown"):
        read_collection(Path("mteb:Unknown"))


@pytest.mark.parametrize(
    ("missing", "read", "reason"),
    [
        ("mteb", lambda: read_collection(Path("mteb:SCIDOCS")), "mteb, which is not installed. Install it"),
        (
            "pyarrow",
            lambda: list(parquet_rows([Path("a.parquet")], ["_id"])),
            "needs the package pyarrow. Use the training",
        ),
    ],
)
def test_an_optional_package_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, missing: str, read: Any, reason: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(RelevanceError, match=reason):
        read()
