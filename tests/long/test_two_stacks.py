"""Two whole stacks with encoders of their own, of which one interleaves the other's results with its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import httpx
import pytest

from akin.feedback.store import FeedbackStore
from tests.conftest import STARTS_SOON, RunningStack
from tests.long.papers import write_papers

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]
PAPERS = 120


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write papers whose texts share some of their words."""
    return write_papers(tmp_path_factory.mktemp("papers") / "papers.jsonl", PAPERS)


def test_readers_of_one_stack_judge_the_encoder_of_another(
    encoder_repository: Path, papers: Path, tmp_path: Path
) -> None:
    exported, other = encoder_repository / "text_encoder", tmp_path / "models" / "text_encoder"
    shutil.copytree(exported / "1", other / "1")
    for name in ("config.pbtxt", "PROMOTED"):
        shutil.copy(exported / name, other)
    manifest = json.loads((other / "1/manifest.json").read_text())
    # The same model behind a prompt is another encoder.
    manifest |= {"digest": "cd" * 32, "prompts": {"query": "market virus: ", "passage": "market: "}}
    (other / "1/manifest.json").write_text(json.dumps(manifest))
    own = tmp_path / "candidate", tmp_path / "models"
    with RunningStack.over(*own, str(papers), **STARTS_SOON) as candidate:
        options = {
            "AKIN_FEEDBACK": "on",
            "AKIN_INTERLEAVE": candidate.settings.service_url,
            "AKIN_INTERLEAVE_SHARE": "1",
            "AKIN_INTERLEAVE_SECONDS": "10",
        }
        own = tmp_path / "serving", encoder_repository
        with RunningStack.over(*own, str(papers), **STARTS_SOON, **options) as serving:
            asked = {"query": "sparse solver for plasma", "mode": "dense", "k": 10}
            urls = (serving.settings.service_url, candidate.settings.service_url)
            alone = [httpx.post(f"{url}/search", json=asked, timeout=60).json() for url in urls]
            names = [{result["id"] for result in each["results"]} for each in alone]
            assert names[0] != names[1]
            assert alone[0]["encoder"]["digest"] != alone[1]["encoder"]["digest"] == "cd" * 32
            found = httpx.post(f"{urls[0]}/search", json={**asked, "feedback": True}, timeout=60).json()
            shown = [result["id"] for result in found["results"]]
            assert set(shown) <= names[0] | names[1]
            assert set(shown) & (names[1] - names[0])
            said = {"search": found["feedback"]["search"], "paper": shown[0], "rank": 1, "useful": True}
            httpx.post(f"{urls[0]}/feedback", json=said, timeout=60).raise_for_status()
            # The other stack is away: searches go on, and are those of this one alone.
            assert candidate.akin("down").returncode == 0
            plain = httpx.post(f"{urls[0]}/search", json={**asked, "feedback": True}, timeout=60).json()
            assert [result["id"] for result in plain["results"]] == [result["id"] for result in alone[0]["results"]]
        (marked,) = FeedbackStore(tmp_path / "serving/feedback", days=180, most_bytes=1_000_000).read()
        assert marked.search.candidate is not None
        assert marked.search.candidate.digest == "cd" * 32
        assert set(marked.search.teams or ()) >= {"serving", "candidate"}
        told = serving.akin("interleave", "report", "--json")
        assert told.returncode == 0, told.stderr
