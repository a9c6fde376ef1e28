"""Test the small scripts of workflows and hooks: changelog, badge, locks."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from akin.stack_settings import ROOT

CHANGELOG = "# Changelog\n\n## 0.2.0 (2027-01-01)\n\n### Search\n\n- Faster.\n\n## 0.1.0 (unreleased)\n\n- First.\n"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"dist_{name}", ROOT / f"deploy/dist/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_part_of_a_version_ends_at_the_next_heading() -> None:
    assert load("changelog").part_of(CHANGELOG, "0.2.0") == "### Search\n\n- Faster."


@pytest.mark.parametrize(("version", "said"), [("0.1.0", "unreleased"), ("0.2", "no heading"), ("1.0.0", "no heading")])
def test_a_version_without_a_dated_part_is_refused(version: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        load("changelog").part_of(CHANGELOG, version)


def test_a_tag_of_another_version_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert load("changelog").main(["77.0.0"]) == 1
    assert "pyproject.toml has" in capsys.readouterr().err


def test_a_badge_never_says_more_than_was_measured() -> None:
    badge = load("badge").badge
    assert badge(89.99)["message"] == "89 %"
    assert [badge(each)["color"] for each in (100, 85, 75, 0)] == ["brightgreen", "green", "yellow", "red"]


def test_the_locks_have_what_is_asked_for() -> None:
    locks = load("locks")
    assert {"requirements/all.lock", "requirements/service.lock", "requirements/ui.lock"} <= {
        name for name, _ in locks.asked()
    }
    assert locks.problems() == []


def test_a_missing_or_older_package_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locks = load("locks")
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = ["msgspec>=0.19"]\n[project.optional-dependencies]\n'
        'ui = ["Gradio_Client>=6", "old[x]>=2"]\n'
        "[dependency-groups]\ndev = []\n"
    )
    (tmp_path / "Makefile").write_text("lock:\n\t$(compile) --extra ui --group dev -o some.lock\n")
    (tmp_path / "some.lock").write_text(
        "gradio-client==6.1 \\\n    --hash=sha256:0\nold[x]==1.9 ; sys_platform == 'x'\n"
    )
    monkeypatch.setattr(locks, "ROOT", tmp_path)
    assert locks.problems() == ["some.lock: msgspec is missing", "some.lock: old[x]>=2 is not met by 1.9"]
