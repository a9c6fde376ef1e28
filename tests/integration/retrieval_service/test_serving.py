"""The running service while snapshots and encoders change: no request is lost."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from starlette.testclient import TestClient

from akin.stack.processes import free_ports
from retrieval_service.app import create_app
from retrieval_service.corpus import SnapshotDirectory
from retrieval_service.settings import Settings
from tests.integration.service import client_of, start_service
from tests.integration.snapshots import flip
from tests.servers import within


@pytest.fixture
def serve(tmp_path: Path) -> Callable[[Any], TestClient]:
    return lambda encoder: client_of(tmp_path, encoder, watch_seconds=0.03, search_threads=2)


def test_without_a_snapshot_the_service_runs_and_says_what_to_do(
    tmp_path: Path, kit: Any, serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = kit.Encoder()
    with serve(encoder) as client:
        assert f"Waiting for a snapshot in {tmp_path}" in caplog.text
        for answer in (client.post("/search", json={"query": "a"}), client.get("/corpus"), client.get("/papers/x")):
            assert answer.status_code == 503
            assert answer.json()["error"]["code"] == "no_snapshot"
            assert "akin index build sample" in answer.json()["error"]["message"]
            assert int(answer.headers["retry-after"]) > 0
        assert client.get("/health/live").status_code == 200
        assert client.get("/health/ready").status_code == 503
        assert client.post("/embed", json={"abstract": "words"}).status_code == 200
        kit.build(kit.papers(40), encoder, tmp_path)
        within(5, "a change of the service", lambda: client.get("/health/ready").status_code == 200)
        assert client.post("/search", json={"query": "gugipivu"}).json()["searched"] == 40


def test_a_lost_encoder_degrades_and_comes_back(tmp_path: Path, kit: Any, serve: Any) -> None:
    papers, encoder, _ = kit.built(tmp_path, 200)
    ask = {"query": papers[7].title}
    with serve(encoder) as client:
        assert client.post("/search", json=ask).json()["degraded"] is None
        encoder.away = True
        answer = client.post("/search", json=ask)
        assert answer.status_code == 200
        assert "away" in answer.json()["degraded"]
        assert answer.json()["results"][0]["id"] == papers[7].id
        assert answer.json()["results"][0]["sources"].keys() == {"lexical"}
        dense = client.post("/search", json={**ask, "mode": "dense"})
        assert (dense.status_code, dense.json()["error"]["code"]) == (503, "encoder_unavailable")
        assert int(dense.headers["retry-after"]) > 0
        # Papers are compared by their stored vectors, which needs no encoder.
        like = client.post("/search", json={"like": papers[7].id, "mode": "dense"}).json()
        assert like["degraded"] is None
        assert len(like["results"]) == 10
        assert client.get("/health/ready").status_code == 200
        within(5, "a change of the service", lambda: client.get("/health").json()["status"] == "degraded")
        assert client.post("/embed", json={"abstract": "words"}).status_code == 503
        encoder.away = False
        within(5, "a change of the service", lambda: client.post("/search", json=ask).json()["degraded"] is None)
        text = client.app.state.metrics.text().decode()
        assert "akin_degraded_searches_total 0.0" not in text


def test_it_starts_without_an_encoder(tmp_path: Path, kit: Any, serve: Any) -> None:
    papers, encoder, _ = kit.built(tmp_path, 50)
    encoder.away = True
    with serve(encoder) as client:
        assert client.post("/search", json={"query": papers[0].title}).json()["degraded"]
        encoder.away = False
        within(5, "a change of the service", lambda: client.get("/health").json()["status"] == "ok")


def test_an_encoder_that_ends_without_queries_is_detected(tmp_path: Path, kit: Any, serve: Any) -> None:
    _, encoder, _ = kit.built(tmp_path, 50)
    with serve(encoder) as client:
        encoder.away = True
        within(5, "a change of the service", lambda: client.get("/health").json()["status"] == "degraded")


def test_a_snapshot_of_another_encoder_is_refused(tmp_path: Path, kit: Any, serve: Any) -> None:
    ours, other = kit.Encoder("ours"), kit.Encoder("other")
    kept = kit.build(kit.papers(50), ours, tmp_path)
    with serve(ours) as client:
        strange = kit.build(kit.papers(60), other, tmp_path)

        def refused() -> dict[str, Any] | None:
            snapshot = client.get("/health/ready").json()["components"]["snapshot"]
            return snapshot.get("refused")

        within(5, "a change of the service", lambda: refused() is not None)
        reason = refused()["reason"]
        assert strange.id in reason
        assert other.identity.digest[:12] in reason
        assert ours.identity.digest[:12] in reason
        assert client.post("/search", json={"query": "gugipivu"}).json()["snapshot"] == kept.id
        SnapshotDirectory(tmp_path).use(kept.id)
        within(5, "a change of the service", lambda: refused() is None)


def test_the_only_snapshot_is_of_another_encoder(tmp_path: Path, kit: Any, serve: Any) -> None:
    kit.build(kit.papers(50), kit.Encoder("other"), tmp_path)
    with serve(kit.Encoder("ours")) as client:
        answer = client.post("/search", json={"query": "gugipivu"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "encoder_mismatch")
        assert client.get("/health/ready").status_code == 503


def test_a_damaged_snapshot_is_refused(tmp_path: Path, kit: Any, serve: Any) -> None:
    _, encoder, kept = kit.built(tmp_path, 50)
    with serve(encoder) as client:
        damaged = kit.build(kit.papers(60), encoder, tmp_path, use=False)
        (tmp_path / "snapshots" / damaged.id / "vectors.faiss").write_bytes(b"nothing")
        SnapshotDirectory(tmp_path).use(damaged.id)
        within(
            5,
            "a change of the service",
            lambda: "refused" in client.get("/health/ready").json()["components"]["snapshot"],
        )
        assert client.post("/search", json={"query": "gugipivu"}).json()["snapshot"] == kept.id


@pytest.fixture
def flipped(corpus: Any, tmp_path: Path) -> str:
    """Return a published snapshot with a flipped bit in a part that opening does not check."""
    name = corpus.manifest.id
    path = shutil.copytree(corpus.data / "snapshots" / name, tmp_path / "snapshots" / name) / "catalogue.sqlite"
    assert path.stat().st_size > 2 * 65_536
    flip(path)
    return str(name)


def test_damage_inside_a_file_is_found_while_it_is_served(
    tmp_path: Path, flipped: str, kit: Any, serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    SnapshotDirectory(tmp_path).use(flipped)
    with serve(kit.Encoder()) as client:
        within(5, "a change of the service", lambda: client.get("/health").json()["status"] == "degraded")
        ready = client.get("/health/ready")
        assert ready.status_code == 200
        snapshot = ready.json()["components"]["snapshot"]
        assert (snapshot["status"], snapshot["id"]) == ("damaged", flipped)
        assert "catalogue.sqlite: is damaged" in snapshot["reason"]
        assert client.post("/search", json={"query": "gugipivu"}).status_code == 200
        assert "akin_snapshot_damaged 1.0" in client.app.state.metrics.text().decode()
        sleep(0.2)
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 1
    assert f"Snapshot {flipped} is damaged" in errors[0]


def test_the_snapshot_before_a_damaged_one_is_served_again(tmp_path: Path, flipped: str, kit: Any, serve: Any) -> None:
    _, encoder, kept = kit.built(tmp_path, 50)
    with serve(encoder) as client:
        SnapshotDirectory(tmp_path).use(flipped)

        def snapshot() -> dict[str, Any]:
            found: dict[str, Any] = client.get("/health/ready").json()["components"]["snapshot"]
            return found

        within(5, "a change of the service", lambda: "refused" in snapshot())
        for _ in range(5):
            assert (snapshot()["id"], snapshot()["status"]) == (kept.id, "ok")
            sleep(0.05)
        assert "catalogue.sqlite: is damaged" in snapshot()["refused"]["reason"]
        assert client.get("/health").json()["status"] == "ok"
        newer = kit.build(kit.papers(60), encoder, tmp_path)
        within(5, "a change of the service", lambda: snapshot()["id"] == newer.id)
        assert "refused" not in snapshot()
        assert "akin_snapshot_damaged 0.0" in client.app.state.metrics.text().decode()


def test_a_change_of_snapshots_loses_and_mixes_no_answers(tmp_path: Path, kit: Any, serve: Any) -> None:
    """Send a hundred requests a second while two snapshots without a common paper alternate."""
    encoder, papers = kit.Encoder(), kit.papers(500)
    snapshots = SnapshotDirectory(tmp_path)
    halves = [papers[:200], papers[200:]]
    known = {kit.build(half, encoder, tmp_path).id: half for half in halves}
    stop, wrong, seen = threading.Event(), [], []

    def admitted(half: list[Any], number: int) -> set[str]:
        return {paper.id for paper in half if number % 3 or "cs.LG" in paper.categories}

    with serve(encoder) as client:

        def ask(asker: int) -> None:
            started = monotonic()
            number = asker
            while not stop.is_set():
                sleep(max(0.0, started + len(range(asker, number, 4)) * 0.04 - monotonic()))
                narrowed = {} if number % 3 else {"categories": "cs.LG"}
                answer = client.post("/search", json={"query": papers[number % 500].title, "k": 5, **narrowed})
                content = answer.json()
                if answer.status_code != 200:
                    wrong.append(content)
                    return
                rights = admitted(known[content["snapshot"]], number)
                if content["searched"] != len(rights) or not {x["id"] for x in content["results"]} <= rights:
                    wrong.append(content)
                seen.append(content["snapshot"])
                number += 4

        askers = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
        for asker in askers:
            asker.start()
        for _ in range(6):
            for snapshot in known:
                snapshots.use(snapshot)
                within(5, "a change of the service", lambda named=snapshot: seen[-1:] == [named])
                sleep(0.1)
        stop.set()
        for asker in askers:
            asker.join()
        swaps = next(
            line
            for line in client.app.state.metrics.text().decode().splitlines()
            if line.startswith("akin_snapshot_swaps_total ")
        )
    assert wrong == []
    assert set(seen) == set(known)
    assert len(seen) >= 100
    assert float(swaps.split()[-1]) >= 12


def test_a_new_snapshot_is_searched_before_it_is_served(tmp_path: Path, kit: Any, serve: Any) -> None:
    _, encoder, _ = kit.built(tmp_path, 50)
    encoder.texts.clear()
    with serve(encoder) as client:
        assert client.get("/health/ready").status_code == 200
        assert encoder.texts
        # No client sent these searches, so they are not counted.
        assert "akin_search_stage_seconds_count{" not in client.app.state.metrics.text().decode()


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_the_process_serves_without_triton_and_ends_clean(corpus: Any, ending: signal.Signals) -> None:
    [port] = free_ports(1)
    process = start_service(corpus.data, port)
    url = f"http://127.0.0.1:{port}"

    def up() -> bool:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        try:
            return bool(urllib.request.urlopen(f"{url}/health/ready", timeout=2).status == 200)
        except OSError:
            return False

    try:
        within(30, "a change of the service", up)
        started = monotonic()
        answer = urllib.request.urlopen(f"{url}/search?q=gugipivu", timeout=5).read().decode()
        assert monotonic() - started < 1
        assert '"degraded":"' in answer
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{url}/search?q=gugipivu&mode=dense", timeout=5)
        assert caught.value.code == 503
        caught.value.close()
    finally:
        process.send_signal(ending)
        _, errors = process.communicate(timeout=15)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


def test_a_wrong_setting_is_reported_in_one_line(tmp_path: Path) -> None:
    process = start_service(tmp_path, 8080, AKIN_POOL="many")
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert errors.startswith("AKIN_POOL is 'many': ")
    assert len(errors.splitlines()) == 1


def test_a_taken_port_is_reported_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = start_service(tmp_path, taken.getsockname()[1])
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Address already in use. AKIN_SERVICE_HOST and AKIN_SERVICE_PORT choose another address." in errors
    assert len(errors.splitlines()) == 1


def test_the_application_can_be_made_without_a_loop(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
    assert create_app(Settings(data=tmp_path)).state.openapi["info"]["title"] == "Akin"
