"""Write the report after every record: `gpu-check.json`, and the same in Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.gpu_check.steps.throughput import GOAL, PEER
from benchmarks.report import Row, rows_table

_SHARE = 0.6


@dataclass
class StepReport:
    """Records of one step.

    Attributes:
        name: The step's name.
        state: `done`, `failed`, `stopped`, `running`, `not run` (no time was left) or `lacking` (it cannot run here).
        seconds: The time that it took.
        facts: Facts about the machine, by name.
        rows: Figures.
        lines: Remarks.
        goals: Goals, and True for each that was reached.
    """

    name: str
    state: str = "running"
    seconds: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    goals: list[tuple[str, bool]] = field(default_factory=list)

    def add(self, record: Mapping[str, Any]) -> None:
        """Add a record of the step's process."""
        for kind, content in record.items():
            if kind == "row":
                self.rows.append(Row(**content))
            elif kind == "line":
                self.lines.append(content)
            elif kind == "fact":
                self.facts[content[0]] = content[1]
            elif kind == "goal":
                self.goals.append((content[0], bool(content[1])))


class Report:
    """Records of all steps, on disk after every change."""

    def __init__(self, folder: Path, arguments: Mapping[str, Any]) -> None:
        """Write into a folder; the arguments are those of the command."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._arguments = dict(arguments)
        self.steps: list[StepReport] = []

    def resume(self) -> list[str]:
        """Take over the steps of the report in the folder that ended on the same device; return their names.

        Raises:
            SystemExit: There is no report, or it is of another device.
        """
        path = self._folder / "gpu-check.json"
        try:
            content = json.loads(path.read_bytes())
            device = content["arguments"]["device"]
            steps = [StepReport(**{**each, "rows": [Row(**row) for row in each["rows"]]}) for each in content["steps"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SystemExit(
                f"{path} cannot be continued ({error}): leave --resume out, or name its folder."
            ) from error
        if device != self._arguments["device"]:
            raise SystemExit(f"{path} is of the device {device}: name another folder with --out.")
        self.steps = [each for each in steps if each.state == "done"]
        return [each.name for each in self.steps]

    def write(self) -> None:
        """Write both files."""
        steps = [{**vars(step), "rows": [vars(row) for row in step.rows]} for step in self.steps]
        content = {
            "arguments": self._arguments,
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "goals": self.goals(),
            "steps": steps,
        }
        for name, text in (("gpu-check.json", json.dumps(content, indent=1)), ("gpu-check.md", self.markdown())):
            aside = self._folder / f".{name}"
            aside.write_text(text)
            aside.replace(self._folder / name)

    def goals(self) -> list[tuple[str, bool]]:
        """Return the goals of every step, and on a GPU those that compare two steps."""
        found = [goal for step in self.steps for goal in step.goals]
        if self._arguments["device"] == "cpu":
            return found
        rows = [row for step in self.steps for row in step.rows if row.metric == "texts/s" and row.unit]
        for kind in ("abstracts", "titles"):
            served = max((row.value for row in rows if row.dataset.startswith(f"{kind}, ")), default=0.0)
            here = [row for row in rows if row.dataset == kind]
            peer = max((row.value for row in here if row.system.startswith(PEER)), default=0.0)
            ours = max((row.value for row in here if row.system.startswith("ours")), default=0.0)
            if served and peer:
                text = f"through Triton, {kind}: {GOAL} x sentence-transformers in process ({served / peer:.2f} x)"
                found.append((text, served >= GOAL * peer))
            if served and ours:
                text = f"through Triton, {kind}: {_SHARE:.0%} of our rate in process ({served / ours:.0%})"
                found.append((text, served >= _SHARE * ours))
        return found

    def markdown(self) -> str:
        """Return the report as Markdown."""
        parts = ["# GPU check\n"]
        if goals := self.goals():
            parts.append("\n".join(f"- [{'x' if met else ' '}] {text}" for text, met in goals) + "\n")
        for step in self.steps:
            parts.append(f"## {step.name}: {step.state} ({step.seconds:.0f} s)\n")
            if step.lines:
                parts.append("\n".join(f"- {line}" for line in step.lines) + "\n")
            if step.facts:
                facts = "\n".join(f"| {name} | {value} |" for name, value in step.facts.items())
                parts.append(f"| | |\n| --- | --- |\n{facts}\n")
            if step.rows:
                parts.append(rows_table(step.rows))
        return "\n".join(parts)
