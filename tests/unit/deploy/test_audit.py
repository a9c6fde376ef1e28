"""The audit: which licences are refused, and that a look-up that looked nothing up is no success."""

from __future__ import annotations

import importlib.util
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", ROOT / "deploy/dist/audit.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RULES = tomllib.loads((ROOT / "requirements/licences.toml").read_text())


@pytest.mark.parametrize(
    "licence",
    [
        "GPL-3.0-only",
        "GNU General Public License v3 (GPLv3)",
        "AGPL-3.0",
        "LGPL-2.1",
        "MIT OR GPL-2.0",
        "SSPL-1.0",
        "",
        "Own",
    ],
)
def test_licences_that_are_refused(audit: ModuleType, licence: str) -> None:
    assert audit.refusal("x", licence, RULES)


@pytest.mark.parametrize("licence", ["MIT", "Apache-2.0", "BSD-3-Clause", "Apache Software License", "MPL-2.0", "ISC"])
def test_licences_that_are_accepted(audit: ModuleType, licence: str) -> None:
    assert audit.refusal("x", licence, RULES) is None


def test_every_package_of_this_environment_may_be_used(audit: ModuleType) -> None:
    [folder] = {Path(path) for path in sys.path if path.endswith("site-packages")}
    found = list(audit.licences([folder], RULES))
    assert len(found) > 80
    assert [(name, why) for name, _, why in found if why] == []


def test_skipped_packages_are_not_taken_for_safe(audit: ModuleType) -> None:
    answer = {
        "dependencies": [
            {"name": "a", "skip_reason": "not found"},
            {"name": "b", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]},
            {"name": "c", "version": "1", "vulns": []},
        ]
    }
    assert audit.unaudited(answer) == (2, 1, ["b 1: CVE-1, fixed in 2"])


def test_an_audit_that_reaches_no_service_fails(
    audit: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    tool = tmp_path / "pip-audit"
    tool.write_text("""#!/bin/sh\necho '{"dependencies": [{"name": "a", "skip_reason": "x"}]}'\n""")
    tool.chmod(0o755)
    monkeypatch.setattr(audit, "TOOLS", tmp_path)
    assert audit.check_vulnerabilities() is False
    assert "advisory service of pypi.org reachable" in capsys.readouterr().out
