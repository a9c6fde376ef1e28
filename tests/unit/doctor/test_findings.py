"""Examine made-up machines, packages, ports and folders: each fault has its own finding, with a next step."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer

from akin.cli import doctor
from akin.doctor import command, folders, libraries, machine, models, ports
from akin.doctor.finding import Finding, examine
from akin.settings import EncoderSettings
from akin.stack.record import Stack
from akin.stack_settings import Settings
from akin.storage.locks import hold_lock
from retrieval_service.adapters.english import ANALYSIS_VERSION
from retrieval_service.corpus import SnapshotDirectory
from retrieval_service.corpus.manifest import EncoderRecord, FileRecord
from tests.unit.published import published_manifest

NOW = datetime(2026, 11, 27, tzinfo=UTC)
GOOD = machine.Machine(
    system="Linux",
    architecture="x86_64",
    cpu="A CPU",
    features=frozenset({"avx2", "avx512f", "avx512_vnni"}),
    cores=8,
    quota=None,
    memory=16_000_000_000,
    available=12_000_000_000,
    shared=8_000_000_000,
    files=65_536,
    now=NOW,
)
ENCODER = EncoderRecord(1, "a" * 64, 384)


def settings_of(data: Path, **more: str) -> Settings:
    return Settings.read({"AKIN_DATA": str(data), "AKIN_MODEL_REPOSITORY": str(data / "models"), **more})


def of(check: str, findings: Iterable[Finding]) -> Finding:
    (found,) = (each for each in findings if each.check == check)
    return found


def on(here: machine.Machine, check: str, **more: str) -> Finding:
    settings = settings_of(Path("/tmp/akin-doctor"), **more)
    return of(check, machine.examine_machine(here, settings, EncoderSettings.read(more)))


def test_a_good_machine_has_no_fault() -> None:
    settings = settings_of(Path("/tmp/akin-doctor"))
    found = list(machine.examine_machine(GOOD, settings, EncoderSettings.read({})))
    assert [each.check for each in found] == ["system", "cpu", "cores", "clock"]
    assert {each.state for each in found} == {"ok"}
    assert "avx512_vnni" in of("cpu", found).found
    assert machine.examine_memory(GOOD, 1_000_000).state == "ok"


@pytest.mark.parametrize(
    ("changed", "check", "state", "advice"),
    [
        ({"features": frozenset({"sse4_2"})}, "cpu", "fail", "AKIN_TRITON_URL"),
        ({"features": frozenset({"avx2"})}, "cpu", "warn", "VNNI"),
        ({"features": frozenset()}, "cpu", "ok", ""),
        ({"architecture": "aarch64"}, "system", "fail", "containers"),
        ({"system": "Darwin", "architecture": "arm64"}, "system", "fail", "containers"),
        ({"cores": 1}, "cores", "warn", "two"),
        ({"quota": 1.5}, "cores", "warn", "AKIN_SEARCH_THREADS and AKIN_ENCODER_THREADS to 1"),
        ({"shared": 1_000_000}, "shared memory", "fail", "shm_size"),
        ({"files": 256}, "open files", "warn", "ulimit"),
        ({"now": datetime(1970, 1, 1, tzinfo=UTC)}, "clock", "fail", "timedatectl"),
    ],
)
def test_a_machine_with_a_fault(changed: dict[str, object], check: str, state: str, advice: str) -> None:
    found = on(replace(GOOD, **changed), check)  # type: ignore[arg-type]
    assert found.state == state
    assert advice in found.advice


def test_a_triton_elsewhere_needs_no_cpu_of_its_own() -> None:
    weak = replace(GOOD, features=frozenset({"sse2"}), architecture="aarch64", shared=0)
    settings = settings_of(Path("/tmp/akin-doctor"), AKIN_TRITON_URL="grpc://other:8001")
    assert {each.state for each in machine.examine_machine(weak, settings, EncoderSettings.read({}))} == {"ok"}


def test_openvino_on_a_cpu_that_is_slower_with_it() -> None:
    found = on(replace(GOOD, features=frozenset({"avx2"})), "cpu", AKIN_ENCODER_RUNTIME="openvino")
    assert (found.state, "unset it" in found.advice) == ("warn", True)


def test_an_index_that_is_larger_than_the_memory() -> None:
    found = machine.examine_memory(GOOD, 15_000_000_000)
    assert found.state == "warn"
    assert "akin index tune --memory 14000" in found.advice


def test_packages_that_are_missing_of_another_version_or_twins() -> None:
    lock = {"numpy": {"2.0", "2.1"}, "httpx": {"0.28"}, "faiss-cpu": {"1.13"}}
    wanted = ["numpy", "httpx", "faiss-cpu"]

    def states(**has: str) -> list[tuple[str, str]]:
        named = {name.replace("_", "-"): version for name, version in has.items()}
        return [(each.state, each.found) for each in libraries.examine_packages(named, lock, wanted)]

    assert states(numpy="2.1", httpx="0.28", faiss_cpu="1.13") == [("ok", "3 of 3 are there, in the locked versions")]
    assert states(httpx="0.28", faiss_cpu="1.13") == [("fail", "missing: numpy")]
    (other,) = states(numpy="3.0", httpx="0.28", faiss_gpu="1.15")
    assert other == ("warn", "other versions than locked: numpy 3.0 (locked: 2.0 or 2.1)")
    assert states(numpy="2.0", httpx="0.28", faiss_cpu="1.13", faiss_gpu="1.15")[0][0] == "fail"


def test_what_serving_needs_is_read_from_the_metadata() -> None:
    listed = ["msgspec>=0.19", 'HTTPX_2[http2]>=1; extra == "cli"', 'torch>=2; extra == "training"']
    assert libraries.needed(listed, own=True) == ["msgspec", "httpx-2"]
    assert libraries.needed(listed, own=False) == ["msgspec"]


def test_this_environment_has_what_serving_needs() -> None:
    assert {each.state for each in libraries.examine_environment()} <= {"ok", "warn"}


def test_a_server_that_was_not_set_up_and_one_elsewhere(tmp_path: Path) -> None:
    (found,) = libraries.examine_server(settings_of(tmp_path, AKIN_TRITON_HOME=str(tmp_path / "none")))
    assert (found.state, "setup" in found.advice) == ("fail", True)
    (found,) = libraries.examine_server(settings_of(tmp_path, AKIN_TRITON_URL="grpc://other:8001"))
    assert (found.state, "grpc://other:8001" in found.found) == ("ok", True)


def test_ports_that_are_free_of_this_stack_or_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(tmp_path)
    at = "http://127.0.0.1:"
    stack = Stack([], [], service=f"{at}8080", page=f"{at}7860", triton="127.0.0.1:8001", triton_http="", complete=True)
    monkeypatch.setattr(ports, "find_running_stack", lambda _: stack)
    taken = {8080, 8000, 8002}
    found = list(
        ports.examine_ports(
            settings, lambda number, _: number not in taken, {8000: (7, "nginx"), 8002: None}.__getitem__
        )
    )
    told = {each.found: each.state for each in found}
    assert told["8080 (AKIN_SERVICE_PORT) is held by the running stack"] == "ok"
    assert told["8081 (AKIN_SERVICE_METRICS_PORT) is free"] == "ok"
    assert told["8000 (AKIN_TRITON_HTTP_PORT) is held by process 7 (nginx)"] == "fail"
    assert told["8002 (AKIN_TRITON_METRICS_PORT) is held by a process that this user may not see"] == "fail"
    elsewhere = settings_of(tmp_path, AKIN_TRITON_URL="grpc://other:8001", AKIN_SERVICE_METRICS_PORT="0")
    assert len(list(ports.examine_ports(elsewhere, lambda *_: True))) == 2


def test_the_process_that_holds_a_port_is_named() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        found = ports.listener(server.getsockname()[1])
    assert found is not None
    assert found[0] == os.getpid()


def folder_states(data: Path, user: int | None = None) -> list[tuple[str, str]]:
    found = examine("data folder", lambda: folders.examine_folder(settings_of(data), user))
    return [(each.state, each.found) for each in found]


def test_a_data_folder_that_is_missing_good_or_a_file(tmp_path: Path) -> None:
    assert folder_states(tmp_path / "a" / "b")[0][0] == "ok"
    assert folder_states(tmp_path, os.getuid()) == [("ok", str(tmp_path))]
    (tmp_path / "file").touch()
    assert folder_states(tmp_path / "file") == [("fail", f"{tmp_path}/file is a file")]
    assert folder_states(tmp_path / "with space")[0][0] == "fail"


def test_links_that_lead_nowhere_and_in_a_loop(tmp_path: Path) -> None:
    for name, target in (("loop", "loop"), ("nowhere", "absent")):
        (tmp_path / name).symlink_to(tmp_path / target)
        ((state, found),) = folder_states(tmp_path / name)
        assert state == "fail"
        assert str(tmp_path / name) in found


def test_entries_of_another_user(tmp_path: Path) -> None:
    (tmp_path / "snapshots").mkdir()
    (tmp_path / "snapshots" / "one").mkdir()
    ((state, found),) = folder_states(tmp_path, os.getuid() + 1)
    assert state == "warn"
    assert found.startswith("3 of its entries belong to another user: ")


def test_a_folder_without_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    assert folder_states(tmp_path)[0][0] == "fail"
    assert "read-only" in folder_states(tmp_path / "absent")[0][1]


def test_half_written_files_unless_a_build_runs(tmp_path: Path) -> None:
    building = tmp_path / "snapshots" / ".building-x"
    building.mkdir(parents=True)
    (building / "vectors.faiss").write_bytes(b"x" * 5_000_000)
    settings = settings_of(tmp_path)
    (found,) = folders.examine_left(settings)
    assert (found.state, found.found) == ("warn", "snapshots/.building-x (5.0 MB)")
    with hold_lock(tmp_path / "snapshots" / ".lock", 0, RuntimeError()):
        assert list(folders.examine_left(settings)) == []
    (tmp_path / "last-build").write_text("failed")
    assert [each.check for each in folders.examine_left(settings)] == ["half-written", "last build"]


def test_the_live_snapshot(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    assert of("snapshot", folders.examine_snapshot(settings, NOW)).state == "warn"
    more = {"analysis_version": ANALYSIS_VERSION, "files": {"vectors.faiss": FileRecord("0" * 64, 3)}}
    SnapshotDirectory(tmp_path).use(published_manifest(tmp_path, "one", ENCODER, **more).id)
    vectors = tmp_path / "snapshots" / "one" / "vectors.faiss"
    assert "cannot be read" in of("snapshot", folders.examine_snapshot(settings, NOW)).found
    vectors.write_bytes(b"12")
    assert "2 bytes, not 3" in of("snapshot", folders.examine_snapshot(settings, NOW)).found
    vectors.write_bytes(b"123")
    assert of("snapshot", folders.examine_snapshot(settings, NOW)).state == "ok"
    early = list(folders.examine_snapshot(settings, datetime(2025, 1, 1, tzinfo=UTC)))
    assert of("clock", early).state == "warn"
    (tmp_path / "snapshots" / "CURRENT").write_text("gone\n")
    found = of("snapshot", folders.examine_snapshot(settings, NOW))
    assert (found.state, "akin index use" in found.advice) == ("fail", True)


def test_a_snapshot_of_an_earlier_release(tmp_path: Path) -> None:
    SnapshotDirectory(tmp_path).use(published_manifest(tmp_path, "one", ENCODER, analysis_version=0).id)
    assert "akin index update" in of("snapshot", folders.examine_snapshot(settings_of(tmp_path), NOW)).advice


def test_room_on_the_disk(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    assert of("disk", folders.examine_disk(settings, 999_999_999)).state == "fail"
    assert of("disk", folders.examine_disk(settings, 10**15)).state == "ok"
    assert of("disk", folders.examine_disk(settings, 1_000_000_001)).state == "warn"
    more = {"files": {"vectors.faiss": FileRecord("0" * 64, 100_000_000_000)}}
    SnapshotDirectory(tmp_path).use(published_manifest(tmp_path, "one", ENCODER, **more).id)
    assert of("disk", folders.examine_disk(settings, 119_000_000_000)).state == "fail"


def model(data: Path, number: int, digest: str, **manifest: object) -> None:
    folder = data / "models" / "text_encoder" / str(number)
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"graph")
    files = {"model.onnx": {"sha256": "", "bytes": 5}}
    (folder / "manifest.json").write_text(json.dumps({"digest": digest, "name": "m", "files": files, **manifest}))


def test_the_promoted_encoder(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)

    def states() -> list[str]:
        found = models.examine_models(settings, GOOD.features, EncoderSettings.read({}))
        return [each.state for each in found]

    assert states() == ["warn"]
    model(tmp_path, 1, "a" * 64, parity={"runtimes": {"onnxruntime": {}}})
    model(tmp_path, 2, "b" * 64)
    pointer = tmp_path / "models" / "text_encoder" / "PROMOTED"
    pointer.write_text("1")
    assert states() == ["warn"]  # this CPU takes OpenVINO
    pointer.write_text("2")
    assert states() == ["ok"]
    SnapshotDirectory(tmp_path).use(published_manifest(tmp_path, "one", ENCODER).id)
    assert states() == ["ok", "fail"]
    pointer.write_text("7")
    assert states() == ["fail"]
    pointer.write_text("2")
    (tmp_path / "models" / "text_encoder" / "2" / "model.onnx").write_bytes(b"gra")
    assert states() == ["fail"]


def test_the_command_needs_nothing_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AKIN_DATA", str(tmp_path / "none"))
    monkeypatch.setenv("AKIN_SERVICE_PROT", "1")
    monkeypatch.setattr(ports, "port_is_free", lambda *_: True)
    with suppress(typer.Exit):  # this machine may lack something
        doctor.doctor(json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] == all(each["state"] != "fail" for each in found["findings"])
    assert any("AKIN_SERVICE_PORT" in each["found"] for each in found["findings"] if each["check"] == "settings")
    assert all(each["advice"] for each in found["findings"] if each["state"] != "ok")
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_setting_is_a_finding_and_hides_no_other() -> None:
    found = list(command.examine_all({"AKIN_SERVICE_PORT": "many", "AKIN_DATA": "/tmp/akin-doctor"}))
    assert (found[0].check, found[0].state) == ("settings", "fail")
    assert "AKIN_SERVICE_PORT" in found[0].found
    assert {"system", "packages", "port", "data folder", "encoder"} <= {each.check for each in found}


def test_a_fault_ends_the_command_with_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(command, "examine_all", lambda _: [Finding("disk", "fail", "full", "remove something")])
    with pytest.raises(typer.Exit) as ended:
        doctor.doctor()
    assert ended.value.exit_code == 1
    assert "→ remove something" in capsys.readouterr().out
    monkeypatch.setattr(command, "examine_all", lambda _: [Finding("disk", "warn", "nearly full", "prune")])
    doctor.doctor()


def test_a_data_folder_that_is_no_folder_hides_no_finding_about_ports(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    found = list(ports.examine_ports(settings_of(tmp_path / "loop"), lambda *_: True))
    assert {each.state for each in found} == {"ok"}
    (tmp_path / "file").touch()
    assert folder_states(tmp_path / "file" / "below") == [
        ("fail", f"{tmp_path}/file/below cannot be made: {tmp_path}/file is a file")
    ]
