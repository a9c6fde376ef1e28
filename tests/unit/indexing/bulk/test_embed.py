"""Embed papers into Parquet files: what is written, what a repeated run keeps, and what is refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from akin.cli import app
from akin.cli import embed as embed_command
from akin.errors import PapersUnusable
from akin.indexing.bulk import embed, encoders, files
from akin.indexing.bulk.embed import Made, embed_here, embed_papers
from akin.indexing.bulk.encoders import EncoderPlan
from akin.indexing.bulk.files import MANIFEST, EmbeddingFolder, EmbeddingManifest
from akin.indexing.bulk.on_ray import RayOptions, ray_engine
from akin.indexing.bulk.shards import Shard, Source, find_sources, read_shards
from akin.indexing.embedding_store import EmbeddingStore, text_digest
from akin.papers import Paper, PapersError, passage_text
from akin.papers.readers.mapping import MappingError
from retrieval_service.errors import BuildInProgress, NoPapers, SnapshotError
from tests.integration.generated import DIM, generated_papers, hashed

PLAN = EncoderPlan("a" * 64, 1, DIM)


class Encoder:
    """Encoder that counts its texts, and stops after some."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.stops_after = 10**9

    def embed(self, texts: Sequence[str]) -> Any:
        if len(self.texts) >= self.stops_after:
            raise KeyboardInterrupt
        self.texts.extend(texts)
        return np.stack([hashed(text) for text in texts])

    def close(self) -> None:
        pass


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> Encoder:
    made = Encoder()
    monkeypatch.setattr(embed, "open_encoder", lambda _: made)
    return made


def write(path: Path, papers: Sequence[Paper], *more: str) -> Path:
    lines = [json.dumps({"id": each.id, "title": each.title, "abstract": each.abstract}) for each in papers]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, *more]) + "\n")
    return path


def run(folder: Path, *given: Path, plan: EncoderPlan = PLAN, size: int = 64) -> EmbeddingManifest:
    sources = find_sources([str(each) for each in given])
    return embed_papers(sources, str(folder), plan, embed_here, size, lambda _: None)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.parquet")}


def test_every_paper_is_in_one_file_with_its_text_encoder_and_vector(tmp_path: Path, encoder: Encoder) -> None:
    papers = generated_papers(150)
    source = write(
        tmp_path / "papers.jsonl", papers, '{"id": "x"}', json.dumps({"id": "y", "title": "", "abstract": ""})
    )
    made = run(tmp_path / "out", source)
    assert (made.complete, made.papers, made.embedded, len(made.files)) == (True, 150, 150, 3)
    assert sum(made.rejected.values()) == 2
    rows = [row for name in sorted(made.files) for row in parquet.read_table(tmp_path / "out" / name).to_pylist()]
    assert [row["paper"] for row in rows] == [paper.id for paper in papers]
    assert {row["encoder"] for row in rows} == {PLAN.digest}
    for paper, row in zip(papers, rows, strict=True):
        assert row["text"] == text_digest(passage_text(paper))
        np.testing.assert_array_equal(np.float32(row["vector"]), hashed(passage_text(paper)))


def test_a_repeated_run_keeps_finished_files_and_makes_only_the_others(tmp_path: Path, encoder: Encoder) -> None:
    papers, out = generated_papers(300), tmp_path / "out"
    source = write(tmp_path / "papers.jsonl", papers)
    encoder.stops_after = 128
    with pytest.raises(KeyboardInterrupt):
        run(out, source)
    assert len(contents(out)) == 2
    with pytest.raises(SnapshotError, match="is not complete: repeat the akin embed"):
        EmbeddingFolder(str(out), PLAN.digest)
    (out / ".papers.jsonl-00002.parquet.abc").write_bytes(b"of a process that was killed")
    encoder.stops_after = 10**9
    assert run(out, source).embedded == 300 - 128
    assert len(encoder.texts) == len(set(encoder.texts)) == 300
    before = contents(out)
    assert run(out, source).embedded == 0
    assert contents(out) == before
    assert not list(out.glob(".*.parquet.*"))


def test_a_damaged_or_changed_file_is_made_again_and_a_stale_one_removed(tmp_path: Path, encoder: Encoder) -> None:
    papers, out = generated_papers(300), tmp_path / "out"
    source = write(tmp_path / "papers.jsonl", papers)
    run(out, source)
    whole = contents(out)
    damaged = bytearray(whole["papers.jsonl-00001.parquet"])
    damaged[len(damaged) // 3] ^= 1
    (out / "papers.jsonl-00001.parquet").write_bytes(damaged)
    (out / "papers.jsonl-00002.parquet").write_bytes(whole["papers.jsonl-00002.parquet"][:100])
    (out / "papers.jsonl-00003.parquet").write_bytes(whole["papers.jsonl-00000.parquet"])  # papers of another file
    assert run(out, source).embedded == 3 * 64
    assert contents(out) == whole
    write(source, papers[:100])
    made = run(out, source)
    assert (made.papers, made.embedded) == (100, 36)
    assert sorted(contents(out)) == sorted(made.files) == ["papers.jsonl-00000.parquet", "papers.jsonl-00001.parquet"]


def test_a_folder_of_files_has_names_of_its_own_for_each(tmp_path: Path, encoder: Encoder) -> None:
    papers = generated_papers(30)
    write(tmp_path / "in" / "one" / "part.jsonl", papers[:10])
    write(tmp_path / "in" / "two" / "part.jsonl", papers[10:])
    (tmp_path / "in" / "_SUCCESS").touch()
    made = run(tmp_path / "out", tmp_path / "in")
    assert list(made.files) == ["one_part.jsonl-00000.parquet", "two_part.jsonl-00000.parquet"]
    with pytest.raises(SnapshotError, match="have the same name"):
        find_sources([str(tmp_path / "in" / name / "part.jsonl") for name in ("one", "two")])
    with pytest.raises(SnapshotError, match="no such file or folder"):
        find_sources([str(tmp_path / "absent")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(SnapshotError, match="has no file of papers"):
        find_sources([str(tmp_path / "empty")])


def test_sources_and_embeddings_may_be_in_a_bucket(tmp_path: Path, encoder: Encoder) -> None:
    papers = generated_papers(100)
    write(tmp_path / "in" / "a.jsonl", papers[:70])
    write(tmp_path / "in" / "b.jsonl", papers[70:])
    (tmp_path / "out").mkdir()
    there = (tmp_path / "out").as_uri()
    sources = find_sources([(tmp_path / "in").as_uri()])
    assert [each.name for each in sources] == ["a.jsonl", "b.jsonl"]
    assert find_sources([(tmp_path / "in" / "a.jsonl").as_uri()])[0].address.startswith("file://")
    made = embed_papers(sources, there, PLAN, embed_here, 64, lambda _: None)
    assert made.papers == 100
    assert sum(len(part.papers) for part in EmbeddingFolder(there, PLAN.digest)) == 100
    assert embed_papers(sources, there, PLAN, embed_here, 64, lambda _: None).embedded == 0


def test_another_encoder_is_refused_for_the_same_folder_and_for_reading(tmp_path: Path, encoder: Encoder) -> None:
    source, out = write(tmp_path / "papers.jsonl", generated_papers(10)), tmp_path / "out"
    run(out, source)
    with pytest.raises(SnapshotError, match=r"encoder aaaaaaaaaaaa.*give another folder by --to"):
        run(out, source, plan=EncoderPlan("b" * 64, 2, DIM))
    with pytest.raises(SnapshotError, match=r"vectors of encoder aaaaaaaaaaaa .*bbbbbbbbbbbb is in use"):
        EmbeddingFolder(str(out), "b" * 64)


def test_what_is_missing_or_cut_off_is_named_at_opening_and_what_is_damaged_at_reading(
    tmp_path: Path, encoder: Encoder
) -> None:
    source, out = write(tmp_path / "papers.jsonl", generated_papers(130)), tmp_path / "out"
    with pytest.raises(SnapshotError, match=r"has no embeddings\.json: make embeddings there with akin embed"):
        EmbeddingFolder(str(out), PLAN.digest)
    run(out, source)
    path = out / "papers.jsonl-00001.parquet"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    parts = iter(EmbeddingFolder(str(out), PLAN.digest))
    assert len(next(parts).papers) == 64
    with pytest.raises(SnapshotError, match=r"00001\.parquet is damaged: repeat the akin embed"):
        next(parts)
    path.write_bytes(content[:-1])
    with pytest.raises(SnapshotError, match=r"00001\.parquet is damaged: repeat the akin embed"):
        EmbeddingFolder(str(out), PLAN.digest)
    path.unlink()
    with pytest.raises(SnapshotError, match=r"00001\.parquet is missing"):
        EmbeddingFolder(str(out), PLAN.digest)
    (out / MANIFEST).write_text("{")
    with pytest.raises(SnapshotError, match=r"embeddings\.json is damaged"):
        run(out, source)
    (out / MANIFEST).write_text(
        json.dumps({"format": 9, "encoder": {"version": 1, "digest": "a", "dim": 1}, "passage_text_version": 2})
    )
    with pytest.raises(SnapshotError, match="another release"):
        EmbeddingFolder(str(out), PLAN.digest)


def test_the_vectors_of_a_folder_are_read_once(
    tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    run(out, write(tmp_path / "papers.jsonl", generated_papers(130)))
    read: list[str] = []
    whole = files.describe
    monkeypatch.setattr(files, "describe", lambda content, papers: (read.append(papers), whole(content, papers))[1])
    assert [len(part.papers) for part in EmbeddingFolder(str(out), PLAN.digest)] == read == [64, 64, 2]


def test_a_source_without_papers_is_refused_with_the_reasons(tmp_path: Path, encoder: Encoder) -> None:
    source = write(tmp_path / "papers.jsonl", [], json.dumps({"id": "y", "title": "", "abstract": ""}))
    with pytest.raises(NoPapers, match=r"papers\.jsonl: no usable paper \(rejected: 1 "):
        run(tmp_path / "out", source)


def test_two_processes_do_not_write_into_one_folder(tmp_path: Path, encoder: Encoder) -> None:
    source, out = write(tmp_path / "papers.jsonl", generated_papers(5)), tmp_path / "out"

    def beside(*_: Any) -> Iterator[Made]:
        with pytest.raises(BuildInProgress, match="another process is writing embeddings"):
            run(out, source)
        yield Made("papers.jsonl-00000.parquet", 0, {}, b"x")

    embed_papers(find_sources([str(source)]), str(out), PLAN, beside, 64, lambda _: None)


def test_only_wanted_vectors_are_copied_to_the_store_and_each_once(tmp_path: Path, encoder: Encoder) -> None:
    papers, out = generated_papers(200), tmp_path / "out"
    run(out, write(tmp_path / "papers.jsonl", papers))
    digests = [text_digest(passage_text(paper)) for paper in papers]
    wanted = np.frombuffer(b"".join([*digests[50:150], bytes(16)]), "V16")
    with EmbeddingStore(tmp_path / "store", DIM) as store:
        store.append(digests[50:60], np.zeros((10, DIM), np.float32))
        folder = EmbeddingFolder(str(out), PLAN.digest)
        assert folder.copy_to(store, wanted) == 90
        assert folder.copy_to(store, wanted) == 0
        assert (store.positions(digests) >= 0).sum() == 100
        vectors = store.vectors(store.positions(digests[60:150]))
    np.testing.assert_allclose(vectors, [hashed(passage_text(paper)) for paper in papers[60:150]], atol=1e-3)


def test_shards_depend_on_the_source_alone(tmp_path: Path) -> None:
    papers = generated_papers(100)
    one, other = (Source("p", str(write(tmp_path / name, papers))) for name in ("a.jsonl", "b.jsonl"))
    first, second = list(read_shards(one, 40)), list(read_shards(other, 40))
    assert first == second
    assert [len(shard.ids) for shard in first] == [40, 40, 20]
    assert len({shard.content for shard in first}) == 3
    assert Shard("", ["a", "bc"], ["x", "y"], {}).content != Shard("", ["ab", "c"], ["x", "y"], {}).content


# --- the encoder in this process ---

RUNTIME = """
import json
import numpy as np
from helper import LENGTH

class TextEncoder:
    def __init__(self, folder, threads=0):
        self.digest = json.loads((folder / "manifest.json").read_text())["digest"]
        self.threads = threads

    def encode(self, texts, input_type):
        assert input_type == "passage"
        return np.full((len(texts), LENGTH), 0.5, np.float32), None
"""


def version(**more: str) -> EncoderPlan:
    files = {
        "runtime.py": RUNTIME,
        "helper.py": "LENGTH = 4",
        "manifest.json": json.dumps({"digest": "a" * 64}),
        **more,
    }
    return EncoderPlan("a" * 64, 1, 4, files={name: content.encode() for name, content in files.items()})


def test_an_encoder_runs_by_the_code_of_its_version() -> None:
    encoder = encoders.open_encoder(version())
    np.testing.assert_array_equal(encoder.embed(["one", "two"]), np.full((2, 4), 0.5, np.float32))
    encoder.close()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"manifest.json": json.dumps({"digest": "b" * 64})}, "files are of bbbbbbbbbbbb, not aaaaaaaaaaaa"),
        ({"helper.py": "import a_package_that_is_not_here"}, r"install akin with the extra `ray`.*--encoder grpc"),
    ],
)
def test_an_encoder_that_cannot_run_is_refused_with_what_helps(files: dict[str, str], message: str) -> None:
    with pytest.raises(SnapshotError, match=message):
        encoders.open_encoder(version(**files))


@pytest.mark.parametrize("change", [("LENGTH)", "LENGTH - 1)"), ("0.5", "np.nan")])
def test_vectors_of_another_length_or_without_numbers_are_refused(change: tuple[str, str]) -> None:
    encoder = encoders.open_encoder(version(**{"runtime.py": RUNTIME.replace(*change)}))
    with pytest.raises(SnapshotError, match="no 1 finite vectors of length 4"):
        encoder.embed(["one"])
    encoder.close()


def test_a_triton_that_does_not_answer_is_named() -> None:
    with pytest.raises(SnapshotError, match=r"127\.0\.0\.1:9.*name another by --encoder"):
        encoders.open_encoder(EncoderPlan("a" * 64, 1, 4, url="grpc://127.0.0.1:9"))


def test_what_ray_needs_is_named_where_it_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path / "papers.jsonl", generated_papers(5))
    monkeypatch.setitem(sys.modules, "ray", None)
    sources = find_sources([str(source)])
    with pytest.raises(SnapshotError, match=r"--engine ray needs Ray Data: .*extra `ray` on every node"):
        embed_papers(sources, str(tmp_path / "out"), PLAN, ray_engine(RayOptions()), 64, lambda _: None)


def test_a_failure_before_the_first_file_leaves_nothing(tmp_path: Path, encoder: Encoder) -> None:
    source = write(tmp_path / "papers.jsonl", generated_papers(10))
    encoder.stops_after = 0
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "out", source)
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(PapersError, match="is empty"):
        run(tmp_path / "out", tmp_path / "empty.jsonl")
    assert not (tmp_path / "out").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "mine", source)
    assert sorted(each.name for each in (tmp_path / "mine").iterdir()) == [".lock", "notes.txt"]


def test_fields_that_papers_do_not_have_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(MappingError):
        find_sources([str(tmp_path / "absent.jsonl")], "id=_id,foo=bar")


def test_a_folder_that_cannot_be_written_is_named_with_what_to_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embed_command, "_plan", lambda *_: nullcontext(PLAN))
    monkeypatch.setenv("AKIN_DATA", str(tmp_path / "data"))
    source = write(tmp_path / "papers.jsonl", generated_papers(3))
    (tmp_path / "file").touch()
    done = CliRunner().invoke(app, ["embed", str(source), "--to", str(tmp_path / "file")])
    assert isinstance(done.exception, PapersUnusable)
    assert str(done.exception) == f"cannot write {tmp_path}/file: File exists. Name another folder."
