"""Routes of the map, over the shared corpus and without a map."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from akin.indexing.corpus_map.build import MapOptions, build_map
from retrieval_service.corpus.map_files import EDGE, MAPS, POINT_BYTES, TILES
from tests.integration.generated import Corpus
from tests.integration.service import client_of
from tests.integration.snapshots import flip

pytest.importorskip("openTSNE")


@pytest.fixture(scope="module")
def mapped(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Yield a client of a copy of the shared corpus, with a map."""
    data = tmp_path_factory.mktemp("map") / "data"
    shutil.copytree(corpus.data, data)
    build_map(data, None)
    with client_of(data, corpus.encoder, watch_seconds=60, allowed_hosts="testserver") as client:
        yield client


def test_the_map_is_described_and_its_tiles_hold_every_paper(mapped: TestClient, corpus: Corpus) -> None:
    about = mapped.get("/v1/map").json()
    assert (about["papers"], about["placed"]) == (len(corpus.papers), len(corpus.papers))
    assert sum(group["papers"] for group in about["groups"]) == len(corpus.papers)
    assert all(0 <= label["x"] <= 1 and label["papers"] > 0 for label in about["labels"])
    places = []
    for tile in about["tiles"]:
        address = f"/map/tiles/{about['version']}/{tile['z']}/{tile['x']}/{tile['y']}"
        answer = mapped.get(address)
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert len(answer.content) == POINT_BYTES * tile["points"]
        n = tile["points"]
        places += list(zip(*np.frombuffer(answer.content, "<u2", 2 * n).reshape(2, n).tolist(), strict=True))
    assert len(places) == len(corpus.papers)
    one = mapped.get("/map/points", params={"ids": corpus.papers[3].id}).json()["points"][0]
    assert (round(one["x"] * EDGE), round(one["y"] * EDGE)) in places


def test_results_have_places_and_places_have_papers(mapped: TestClient, corpus: Corpus) -> None:
    wanted = [paper.id for paper in corpus.papers[:5]]
    found = mapped.get("/map/points", params={"ids": f"{','.join(wanted)},9912.00001,nothing"}).json()
    assert [point["id"] for point in found["points"]] == wanted
    assert found["unknown"] == ["9912.00001", "nothing"]
    for point in found["points"]:
        near = mapped.get("/map/near", params={"x": point["x"], "y": point["y"], "k": 3}).json()["points"]
        assert (near[0]["x"], near[0]["y"]) == (point["x"], point["y"])
        assert len(near) == 3
    first = corpus.papers[0]
    assert (found["points"][0]["title"], found["points"][0]["categories"]) == (first.title, list(first.categories))


def test_what_the_client_has_is_not_sent_again(mapped: TestClient) -> None:
    answer = mapped.get("/map")
    assert mapped.get("/map", headers={"if-none-match": answer.headers["etag"]}).status_code == 304


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [
        ("/map/tiles/0123456789abcdef/0/0/0", 404, "no_map"),
        ("/map/tiles/VERSION/30/0/0", 404, "no_map"),
        ("/map/tiles/VERSION/../../..", 404, "not_found"),
        ("/map/tiles/VERSION/0/0", 404, "no_map"),
        ("/map/tiles/VERSION/0/0/٣", 404, "no_map"),
        ("/map/near?x=2&y=0", 400, "invalid_parameter"),
        ("/map/near?x=nan&y=0", 400, "invalid_parameter"),
        ("/map/near?x=0.5", 400, "invalid_parameter"),
        ("/map/near?x=0.5&y=0.5&k=101", 400, "invalid_parameter"),
        ("/map/points", 400, "invalid_parameter"),
        ("/map/points?ids=,", 400, "invalid_parameter"),
        ("/map/points?id=1", 400, "invalid_parameter"),
    ],
)
def test_wrong_requests_are_refused(mapped: TestClient, address: str, status: int, code: str) -> None:
    version = mapped.get("/map").json()["version"]
    answer = mapped.get(address.replace("VERSION", version))
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize("address", ["/map", "/map/near?x=0&y=0", "/map/points?ids=1", "/map/tiles/0/0/0/0"])
def test_without_a_map_the_answer_says_what_to_do(client: TestClient, address: str) -> None:
    answer = client.get(address)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_map")
    assert "akin map build" in answer.json()["error"]["message"]


def test_a_map_is_served_as_soon_as_it_is_there_and_not_that_of_another(corpus: Corpus, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(corpus.data, data)
    with client_of(data, corpus.encoder, watch_seconds=60, allowed_hosts="testserver") as client:
        other = data / MAPS / "20200101T000000Z-000000"
        assert client.get("/map").status_code == 404
        built = build_map(data, None, MapOptions(sample=60))
        first = client.get("/map")
        assert first.json()["version"] == built.version
        (data / MAPS / corpus.manifest.id).rename(other)
        refused = client.get("/map", headers={"if-none-match": first.headers["etag"]})
        assert refused.status_code == 404
        assert "of another snapshot" in refused.json()["error"]["message"]
        other.rename(data / MAPS / corpus.manifest.id)
        flip(data / MAPS / corpus.manifest.id / TILES, 0)
        (data / MAPS / corpus.manifest.id).touch()
        assert "damaged" in client.get("/map").json()["error"]["message"]
