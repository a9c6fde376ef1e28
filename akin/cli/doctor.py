"""Define `akin doctor`."""

from __future__ import annotations

import os

import typer

from akin.cli.output import Json, print_json


def add_to(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(doctor)


def doctor(json: Json = False) -> None:
    """Examine this machine, the installation and the data folder, and say what to do.

    Nothing has to run, and nothing is changed. The exit code is 1 if something does not work, else 0.
    """
    from dataclasses import asdict

    from akin.doctor.command import examine_all

    findings = list(examine_all(os.environ))
    failed = sum(each.state == "fail" for each in findings)
    if json:
        print_json({"ok": not failed, "findings": [asdict(each) for each in findings]})
    else:
        width = max(len(each.check) for each in findings) + 2
        for each in findings:
            print(f"{each.state:<6}{each.check:<{width}}{each.found}")
            if each.advice:
                print(f"{'':<{6 + width}}→ {each.advice}")
        warned = sum(each.state == "warn" for each in findings)
        print(f"\n{failed} that do not work, {warned} that could be better, {len(findings) - failed - warned} in order")
    if failed:
        raise typer.Exit(1)
