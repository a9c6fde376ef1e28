"""Define `akin cloud`: training jobs of Vertex AI, and services of Cloud Run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from akin.cli.output import Json, print_json, print_rows, read_settings, say

if TYPE_CHECKING:
    from akin.cloud.config import Cloud
    from akin.cloud.launch import Launcher

app = typer.Typer(no_args_is_help=True)

File = Annotated[
    Path | None, typer.Option("--settings", metavar="FILE", help="Settings; default: cloud.toml in this folder.")
]
Run = Annotated[str, typer.Argument(metavar="RUN", help="Name of the run.")]
Pause = Annotated[float, typer.Option(hidden=True, min=0)]
Models = Annotated[str, typer.Option(metavar="ADDRESS@DIGEST", help="Models; default: the latest in the bucket.")]
Snapshot = Annotated[str, typer.Option(metavar="ADDRESS@DIGEST", help="Snapshot; default: the latest in the bucket.")]
Tag = Annotated[str | None, typer.Option(help="Tag of the images; default: that of the settings.")]


@app.callback()
def group() -> None:
    """Train and serve on Google Cloud, by the settings of one file (docs/cloud.md)."""


@app.command()
def train(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[GROUP=NAME | KEY=VALUE]...", help="Settings of `akin train`, after those of the file."
        ),
    ] = None,
    settings: File = None,
    name: Annotated[str, typer.Option(metavar="RUN", help="Name of the run; default: experiment and time.")] = "",
    resume: Annotated[str, typer.Option(metavar="RUN", help="Go on with a run whose job ended early.")] = "",
    project: Annotated[str | None, typer.Option(help="Id of the project.")] = None,
    region: Annotated[str | None, typer.Option(help="Region of the job.")] = None,
    bucket: Annotated[str | None, typer.Option(help="Address below which runs are, gs://bucket.")] = None,
    image: Annotated[str | None, typer.Option(help="Image of the job.")] = None,
    papers: Annotated[
        str | None, typer.Option(help="sample, a file, a .dvc file, or gs://bucket/papers.jsonl.")
    ] = None,
    machine: Annotated[str | None, typer.Option(help="Type of the machine.")] = None,
    accelerator: Annotated[str | None, typer.Option(help="Type of its accelerators; '' for none.")] = None,
    spot: Annotated[bool | None, typer.Option("--spot/--no-spot", help="Machines that may be taken away.")] = None,
    hours: Annotated[float | None, typer.Option(help="Longest time of the job.")] = None,
    budget: Annotated[float | None, typer.Option(help="Most money for the job, by train.price_per_hour.")] = None,
    follow: Annotated[bool, typer.Option("--follow/--no-follow", help="Print the log until the job ends.")] = True,
    show: Annotated[bool, typer.Option("--show", help="Print the job without starting it.")] = False,
    pause: Pause = 20,
    json: Json = False,
) -> None:
    """Train in a job of Vertex AI; the version and its report are then in the bucket (akin cloud take)."""
    from akin.cloud.config import read_cloud
    from akin.cloud.launch import Launcher, new_run
    from akin.errors import BadSetting

    if name and resume:
        raise BadSetting("--resume RUN names the run already: leave out --name.")
    changed: dict[str, Any] = {"project": project, "region": region, "bucket": bucket}
    changed["train"] = {
        "image": image,
        "papers": papers,
        "machine": machine,
        "accelerator": accelerator,
        "spot": spot,
        "hours": hours,
        "budget": budget,
    }
    cloud = read_cloud(settings, changed)
    if overrides:
        cloud = read_cloud(
            settings, {**changed, "train": {**changed["train"], "overrides": [*cloud.train.overrides, *overrides]}}
        )
    run = resume or name or new_run(cloud.train.overrides)
    if show:
        _show(cloud, run)
        return
    launcher = Launcher(cloud, say, pause)
    job = launcher.start(run, resume=bool(resume))
    if not follow:
        if json:
            print_json({"run": run, "job": job.name})
        else:
            say(f"watch it with: akin cloud follow {run}")
        return
    _follow(launcher, run, json)


@app.command("follow")
def follow_run(run: Run, settings: File = None, pause: Pause = 20, json: Json = False) -> None:
    """Print the log of a run's job until it ends, and submit it again if its machine was taken away for good."""
    _follow(_launcher(settings, pause), run, json)


@app.command()
def status(run: Run, settings: File = None, json: Json = False) -> None:
    """Print the state of a run."""
    found = _launcher(settings).state(run)
    if json:
        print_json(found)
        return
    rows = {key: str(value) for key, value in found.items() if value and key != "result"}
    if result := found.get("result"):
        rows["version"] = f"{result['version']} ({result['digest'][:12]}): akin cloud take {run}"
    print_rows(rows)


@app.command()
def cancel(run: Run, settings: File = None) -> None:
    """Stop the job of a run; what it did is kept."""
    _launcher(settings).cancel(run)
    say(f"stopped; go on with: akin cloud train --resume {run}")


@app.command()
def take(run: Run, settings: File = None, json: Json = False) -> None:
    """Fetch the version of a run into the registry here, as its next version."""
    from akin.cloud.config import read_cloud
    from akin.cloud.launch import check_run
    from akin.cloud.take import take_version
    from akin.cloud.work import VERSION, run_address

    check_run(run)
    address = f"{run_address(read_cloud(settings), run)}/{VERSION}"
    number = take_version(address, read_settings().repository, say)
    if json:
        print_json({"version": number})


@app.command()
def deploy(
    part: Annotated[str, typer.Argument(metavar="api|page", help="The API for programs, or the page for readers.")],
    models: Models = "",
    snapshot: Snapshot = "",
    tag: Tag = None,
    build: Annotated[bool, typer.Option("--build", help="Build and push the images with this tag first.")] = False,
    revision: Annotated[str, typer.Option(metavar="COMMIT", help="Commit that is built, for the labels.")] = "unknown",
    settings: File = None,
    json: Json = False,
) -> None:
    """Deploy to Cloud Run: test a revision without traffic, give it the traffic, test again, or go back."""
    from akin.cloud.config import read_cloud
    from akin.cloud.deploy import Deployment
    from akin.cloud.render import check_part, pinned

    check_part(part)
    cloud = read_cloud(settings, {"tag": tag})
    deployment = Deployment(cloud, part, pinned(cloud, "models", models), pinned(cloud, "snapshot", snapshot), say)
    if build:
        deployment.build(revision)
    name = deployment.run()
    if json:
        print_json({"revision": name, "models": deployment.models, "snapshot": deployment.snapshot})


@app.command()
def manifests(
    overlay: Annotated[str, typer.Argument(metavar="cpu|gpu", help="Where Triton runs.")],
    to: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder to write.")],
    models: Models = "",
    snapshot: Snapshot = "",
    tag: Tag = None,
    settings: File = None,
) -> None:
    """Write a folder of Kustomize for GKE: kubectl apply -k FOLDER."""
    from akin.cloud.config import read_cloud
    from akin.cloud.render import check_overlay, pinned, write_manifests

    check_overlay(overlay)
    cloud = read_cloud(settings, {"tag": tag})
    write_manifests(cloud, overlay, pinned(cloud, "models", models), pinned(cloud, "snapshot", snapshot), to)
    say(f"apply it with: kubectl apply -k {to}")


@app.command()
def worker(
    job: Annotated[str, typer.Argument(metavar="JOB", help="The work, as `akin cloud train` writes it.")],
) -> None:
    """Do the work of a job in its container; `akin cloud train` starts this."""
    import msgspec

    from akin.cloud.work import Work
    from akin.cloud.worker import FAILED, log, work
    from akin.errors import AkinError, BadSetting

    try:
        wanted = Work.decode(job)
    except msgspec.DecodeError as error:
        raise BadSetting(f"JOB is no description of work: {error}.") from error
    try:
        code = work(wanted, read_settings(), log)
    except AkinError as error:
        log(str(error))
        code = FAILED  # another code would be tried again and again, and paid for
    if code:
        raise typer.Exit(code)


def _launcher(settings: Path | None, pause: float = 20) -> Launcher:
    from akin.cloud.config import read_cloud
    from akin.cloud.launch import Launcher

    return Launcher(read_cloud(settings), say, pause)


def _follow(launcher: Launcher, run: str, json: bool) -> None:
    try:
        result = launcher.follow(run)
    except KeyboardInterrupt:
        say(f"the job goes on: akin cloud follow {run}, or stop it: akin cloud cancel {run}")
        raise
    if json:
        print_json({"name": run, **result})
        return
    say(f"version {result['version']} ({result['digest'][:12]}) is in the bucket; take it: akin cloud take {run}")


def _show(cloud: Cloud, run: str) -> None:
    from akin.cloud.inputs import check_papers
    from akin.cloud.launch import check_run
    from akin.cloud.vertex import job_spec
    from akin.cloud.work import Work, run_address

    check_run(run)
    check_papers(cloud.train.papers)
    work = Work(run_address(cloud, run), cloud.project, cloud.train.overrides, cloud.train.papers)
    print_json(job_spec(cloud, run, work.encode()))
