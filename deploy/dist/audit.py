"""Audit what the locks install: known vulnerabilities, licences, bills of materials, and secrets in tracked files.

Run by `make audit`. Each part prints what it found, and the exit code is 1 if one of them found something.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / ".venv-audit/bin"
LICENCES = ROOT / "requirements/licences.toml"
BOMS = ROOT / "dist/sbom"
_SECRETS = ("Base64HighEntropyString", "HexHighEntropyString", "KeywordDetector")


def locks() -> list[Path]:
    """Return the tracked locks."""
    found = subprocess.run(["git", "ls-files", "*.lock"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in found.stdout.split() if not name.endswith("dvc.lock") or "requirements" in name]


def environments() -> list[Path]:
    """Return the folders of packages of this checkout's environments, those that are set up."""
    found = [*ROOT.glob(".venv*/lib/python3*/site-packages"), *ROOT.glob(".triton/python/lib/python3*/site-packages")]
    return sorted(path for path in [*found, ROOT / ".triton/server"] if path.is_dir())


def licence_of(package: Distribution) -> str:
    """Return the licence that a package's metadata states, the expression before classifiers and free text."""
    about: Any = package.metadata
    stated = about.get("License-Expression") or "; ".join(
        line.rpartition("::")[2].strip()
        for line in about.get_all("Classifier", [])
        if line.startswith("License ::") and not line.endswith("OSI Approved")
    )
    text = (about.get("License") or "").strip().splitlines()
    return str(stated or (text[0][:120] if text else ""))


def refusal(name: str, licence: str, rules: Mapping[str, Any]) -> str | None:
    """Return why a package may not be used, or None."""
    if name.lower() in rules["packages"]:
        return None
    if found := [each for each in rules["refused"] if re.search(rf"(?<![A-Za-z]){re.escape(each)}", licence, re.I)]:
        return f"its licence is {licence!r} ({', '.join(found)})"
    if not any(re.search(rf"(?<![A-Za-z]){re.escape(each)}", licence, re.I) for each in rules["accepted"]):
        return f"its licence is {licence!r}, which no one has accepted" if licence else "it states no licence"
    return None


def licences(folders: Iterable[Path], rules: Mapping[str, Any]) -> Iterator[tuple[str, str, str | None]]:
    """Yield the name, the licence and the refusal of each package of some folders, each package once."""
    seen = set()
    for package in distributions(path=[str(folder) for folder in folders]):
        name = str(package.metadata["Name"])
        if (name, package.version) in seen or name.startswith("akin"):
            continue
        seen.add((name, package.version))
        licence = licence_of(package)
        yield f"{name} {package.version}", licence, refusal(name, licence, rules)


def check_licences() -> bool:
    """Write the report of licences, and say which packages may not be used; False if there is one."""
    rules = tomllib.loads(LICENCES.read_text("utf-8"))
    found = sorted(licences(environments(), rules), key=lambda each: each[0].lower())
    report = ROOT / "dist/licences.txt"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text("".join(f"{name}\t{licence}\n" for name, licence, _ in found), encoding="utf-8")
    bad = [f"{name}: {why}" for name, _, why in found if why]
    print(f"licences: {len(found)} packages of {len(environments())} environments, {len(bad)} refused; {report.name}")
    for line in bad:
        print(f"  {line}. Choose another package, or state a reason in {LICENCES.name}.")
    return not bad


def unaudited(answer: Mapping[str, Any]) -> tuple[int, int, list[str]]:
    """Return the numbers of packages that were looked up and that were not, and the vulnerabilities, of an answer."""
    packages = answer["dependencies"]
    skipped = [each for each in packages if "skip_reason" in each]
    known = [
        f"{each['name']} {each['version']}: {bug['id']}, fixed in {', '.join(bug['fix_versions']) or 'no release'}"
        for each in packages
        for bug in each.get("vulns", [])
    ]
    return len(packages) - len(skipped), len(skipped), known


def check_vulnerabilities() -> bool:
    """Look the packages of every lock up; False if one has a known vulnerability, or if none could be looked up."""
    good = True
    for lock in locks():
        command = [str(TOOLS / "pip-audit"), "--no-deps", "--disable-pip", "-f", "json", "-r", str(lock)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        name = lock.relative_to(ROOT)
        try:
            looked_up, skipped, known = unaudited(json.loads(done.stdout))
        except ValueError:
            looked_up, skipped, known = 0, 0, []
        print(f"vulnerabilities: {name}: {looked_up} packages looked up, {len(known)} known, {skipped} not looked up")
        for line in known:
            print(f"  {line}")
        if not looked_up:
            said = (done.stderr.strip().splitlines() or ["no reason"])[-1][:200]
            print(f"  No package could be looked up: is the advisory service of pypi.org reachable from here? ({said})")
            return False
        good = good and not known
    return good


def write_boms() -> bool:
    """Write a bill of materials of each lock, in CycloneDX's JSON."""
    BOMS.mkdir(parents=True, exist_ok=True)
    for lock in locks():
        target = BOMS / (str(lock.relative_to(ROOT)).replace("/", "-").removesuffix(".lock") + ".cdx.json")
        command = [str(TOOLS / "cyclonedx-py"), "requirements", str(lock), "--output-reproducible", "-o", str(target)]
        subprocess.run(command, check=True, capture_output=True)
        print(f"materials: {target.relative_to(ROOT)}, {len(json.loads(target.read_bytes())['components'])} packages")
    return True


def check_secrets() -> bool:
    """Look for keys and tokens in all tracked files; False if one has some."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = [name for name in listed.stdout.split("\0") if name and not name.endswith(".lock")]
    off = [part for name in _SECRETS for part in ("--disable-plugin", name)]
    command = [str(Path(sys.executable).parent / "detect-secrets-hook"), "--no-verify", *off, *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    print(f"secrets: {len(files)} tracked files, {'none found' if not done.returncode else 'some found'}")
    if done.returncode:
        print(done.stdout)
    return not done.returncode


def main() -> int:
    """Run all parts; return 1 if one of them found something."""
    return 0 if all([check_licences(), check_secrets(), write_boms(), check_vulnerabilities()]) else 1


if __name__ == "__main__":
    sys.exit(main())
