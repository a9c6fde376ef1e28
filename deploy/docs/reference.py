"""Write the pages of the reference from the code: they are made with the site, so that they are never out of date."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from prometheus_client.metrics import MetricWrapperBase
from typer import Context
from typer.main import get_command

from akin.cli import app as command_line
from deploy.docs.client_reference import client_page
from deploy.docs.http_reference import cell, http_page
from retrieval_service.app import create_app
from retrieval_service.metrics import Metrics
from retrieval_service.metrics_app import create_metrics_app
from retrieval_service.settings import Settings

ROOT: Final = Path(__file__).resolve().parents[2]
CONFIGS: Final = ROOT / "training/configs"


def pages() -> dict[str, str]:
    """Return the text of each page of the reference, by its name."""
    makers: dict[str, Callable[[], str]] = {
        "http": http,
        "commands": commands,
        "metrics": metrics,
        "configs": configs,
        "client": client_page,
    }
    return {name: make() for name, make in makers.items()}


def http() -> str:
    """Return the page of the HTTP routes, from the OpenAPI document of the service."""
    with tempfile.TemporaryDirectory() as data:
        return http_page(create_app(Settings(data=Path(data))).state.openapi)


def commands() -> str:
    """Return the page of the command line, from its parser."""
    lines = [
        "# Command line\n",
        "Every command of `akin`, from its parser. In a clone it is `.venv/bin/akin`. Every command has `--help`.\n",
    ]
    for name, command in each_command(get_command(command_line), "akin"):
        lines += [f"## {name}\n", plain(command.help or ""), ""]
        lines += [f"    {name}{command.get_usage(Context(command, info_name=name)).partition(name)[2]}\n"]
        rows = [option_row(each) for each in command.params if not each.hidden and each.name != "help"]
        if rows:
            lines += ["| argument or option | default | meaning |", "| --- | --- | --- |", *rows, ""]
    return "\n".join(lines)


def each_command(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield the whole name and the parser of each command, without groups."""
    children = getattr(command, "commands", None)
    if children is None:
        yield name, command
    else:
        for child, content in children.items():
            if not content.hidden:
                yield from each_command(content, f"{name} {child}")


def option_row(option: Any) -> str:
    """Return the row of an argument or option."""
    names = ", ".join(f"`{each}`" for each in (*option.opts, *option.secondary_opts))
    default = getattr(option, "default", None)
    known = isinstance(default, str | int | float) and not isinstance(default, bool)
    shown = "required" if option.required else (f"`{default}`" if known and default != "" else "")
    return f"| {names} | {shown} | {cell(getattr(option, 'help', None) or '')} |"


def metrics() -> str:
    """Return the page of the service's metrics, from their definitions."""
    counters = Metrics()
    create_metrics_app(Settings(data=ROOT / "absent"), counters)
    labels = {
        family.name: each._labelnames
        for each in vars(counters).values()
        if isinstance(each, MetricWrapperBase)
        for family in each.describe()
    }
    lines = [
        "# Metrics\n",
        "Metrics of the service, from their definitions. [Monitoring](../monitoring.md#metrics) explains them,",
        "and where Triton's own are described.\n",
        "| metric | type | labels | meaning |",
        "| --- | --- | --- | --- |",
    ]
    for family in sorted(counters.registry.collect(), key=lambda each: each.name):
        name = family.name + ("_total" if family.type == "counter" else "")
        shown = ", ".join(f"`{each}`" for each in labels.get(family.name) or getattr(family, "_labelnames", None) or ())
        lines.append(f"| `{name}` | {family.type} | {shown} | {cell(family.documentation)} |")
    return "\n".join([*lines, ""])


def configs() -> str:
    """Return the page of the training configurations, from their files."""
    lines = [
        "# Training configurations\n",
        "Files of `training/configs`. `akin train group=name` chooses one of a group, `akin train group.key=value`",
        "changes a key ([training](../training.md#groups-and-keys)). A file that begins with `_` is part of others and",
        "cannot be chosen.\n",
    ]
    for folder in sorted(path for path in CONFIGS.iterdir() if path.is_dir()):
        lines.append(f"## {folder.name}\n")
        for path in sorted(folder.glob("*.yaml"), key=lambda each: each.name.lstrip("_")):
            lines += [f"### {folder.name}={path.stem}\n", *config(path)]
    lines.append("## Files of their own\n")
    for path in sorted(CONFIGS.glob("*.yaml")):
        lines += [f"### {path.name}\n", *config(path)]
    return "\n".join(lines)


def config(path: Path) -> list[str]:
    """Return the lines that show a file: its first comment as text, the rest as it is."""
    written = path.read_text("utf-8").splitlines()
    comments = [line[1:].strip() for line in written if line.startswith("#") and "@package" not in line]
    rest = [line for line in written if not line.startswith("#")]
    return [" ".join(comments), "", "```yaml", *rest, "```", ""]


def plain(text: str) -> str:
    """Return a help text without the indentation and marks of the parser."""
    return "\n".join(line.strip() for line in text.replace("\b", "").strip().splitlines())
