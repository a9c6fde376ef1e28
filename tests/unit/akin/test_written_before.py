"""A version and its evaluation, as release 0.1.0 wrote them, are read by the registry of today."""

from __future__ import annotations

import shutil
from pathlib import Path

from akin.registry import evaluations, promotion, versions

BEFORE = Path(__file__).parents[2] / "data" / "text_encoder_of_schema_1"


def test_the_version_is_listed_with_its_evaluation(tmp_path: Path) -> None:
    shutil.copytree(BEFORE, tmp_path / versions.MODEL)
    (version,) = versions.versions(tmp_path)
    assert version == versions.promoted_version(tmp_path)
    assert (version.number, version.digest) == (1, version.manifest["digest"])
    report = evaluations.read(tmp_path, version.digest)
    assert report is not None
    (mean,) = report.summary(version.digest)[evaluations.MEASURE].values()
    assert round(mean, 4) == 0.3167
    assert promotion.history(tmp_path) == []
