"""Read the settings of Google Cloud from one file, and from options that change some of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from akin.bundles import Place
from akin.errors import BadSetting
from akin.installation import ROOT

EXAMPLE = "deploy/cloud/cloud.example.toml"
EXPERIMENTS = ROOT / "training/configs/experiment"

Project = Annotated[str, msgspec.Meta(pattern=r"^([a-z][a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$")]
Region = Annotated[str, msgspec.Meta(pattern=r"^[a-z]+-[a-z]+[0-9]{1,2}$")]
# A revision is named after its service and the time, in at most 63 signs.
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{0,44}[a-z0-9]$")]
Account = Annotated[str, msgspec.Meta(pattern=r"^$|^[^@\s]+@[^@\s]+\.[^@\s]+$")]
Optional = Annotated[str, msgspec.Meta(pattern=r"^$|^[A-Za-z0-9][A-Za-z0-9._:/@-]*$")]

_ACCOUNT = "an account, such as NAME@PROJECT.iam.gserviceaccount.com"
_SERVICE = "a name of small letters, digits and dashes that begins with a letter, at most 46"
_MEANINGS = {
    "project": "the id of a project, such as my-project-1",
    "region": "a region, such as europe-west4",
    "bucket": "the bucket of this project, such as gs://bucket or gs://bucket/folder",
    "repository": "the name of a repository of Artifact Registry",
    "tag": "a tag of images: letters, digits, dots, dashes and underscores, at most 128",
    "build_account": _ACCOUNT,
    "train.image": "the address of an image, such as REGION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE:TAG",
    "train.machine": "a type of machine, such as g2-standard-8",
    "train.accelerator": "a type of accelerator, such as NVIDIA_L4, or empty for none",
    "train.hours": "above 0 and at most 168",
    "train.budget": "an amount of money, or 0 for no bound",
    "train.service_account": _ACCOUNT,
    "train.wandb_secret": "the name of a secret: letters, digits, dashes and underscores",
    "serve.service": _SERVICE,
    "serve.page": _SERVICE,
    "serve.service_account": _ACCOUNT,
    "serve.page_account": _ACCOUNT,
    "serve.refresh_account": _ACCOUNT,
    "serve.memory": "a size such as 4Gi",
}
_REQUIRED = ("project", "region", "bucket")
# A setting of Hydra: KEY=VALUE, +KEY=VALUE, or ~KEY.
_OVERRIDE = re.compile(r"(\+\+?|~)?[\w./@:-]*\w=.*|~[\w./@:-]*\w", re.DOTALL)


class Train(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of a training job.

    Attributes:
        image: Image of the job; empty for `training-gpu`, or `training` without an accelerator, under the given tag.
        machine: Type of the machine.
        accelerator: Type of its accelerators; empty for none.
        accelerators: Their number; the training has a process for each.
        disk_gigabytes: Size of its disk.
        spot: True to use machines that may be taken away; the training goes on from the last copy of its run.
        hours: Longest time of the job.
        budget: Most money for the job, in the currency of `price_per_hour`; 0 for no bound but the time.
        price_per_hour: Price of the machine with its accelerators.
        again: How often a job that lost its machine for good is submitted again.
        save_seconds: Seconds between two copies of the run in the bucket.
        service_account: Account that the job runs as.
        wandb_secret: Name of the secret with the key of Weights & Biases; empty for none.
        papers: `sample`, a file here, a `.dvc` file here, or an address such as gs://bucket/papers.jsonl.gz.
        overrides: Settings of `akin train`.
    """

    image: Optional = ""
    machine: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]+$")] = "g2-standard-8"
    accelerator: Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9_]*$")] = "NVIDIA_L4"
    accelerators: Annotated[int, msgspec.Meta(ge=1, le=16)] = 1
    disk_gigabytes: Annotated[int, msgspec.Meta(ge=100, le=64_000)] = 100
    spot: bool = True
    hours: Annotated[float, msgspec.Meta(gt=0, le=168)] = 12
    budget: Annotated[float, msgspec.Meta(ge=0)] = 0
    price_per_hour: Annotated[float, msgspec.Meta(ge=0)] = 0
    again: Annotated[int, msgspec.Meta(ge=0, le=20)] = 3
    save_seconds: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 120
    service_account: Account = ""
    wandb_secret: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{0,255}$")] = ""
    papers: str = "sample"
    overrides: tuple[str, ...] = ()

    @property
    def seconds(self) -> int:
        """Return the longest time of the job, by its hours and its budget."""
        hours = self.hours
        if self.budget:
            hours = min(hours, self.budget / self.price_per_hour)
        return int(hours * 3600)


class Serve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the services of Cloud Run.

    Attributes:
        service: Name of the service of the API.
        page: Name of the service of the page.
        service_account: Account that the API runs as.
        page_account: Account that the page runs as.
        refresh_account: Account of the nightly refresh on GKE, which may write into the bucket; empty for none.
        smallest: Least number of instances of each.
        largest: Greatest number of instances of each.
        memory: Memory of the container of the API; its files are in it.
    """

    service: Name = "akin"
    page: Name = "akin-page"
    service_account: Account = ""
    page_account: Account = ""
    refresh_account: Account = ""
    smallest: Annotated[int, msgspec.Meta(ge=0, le=100)] = 1
    largest: Annotated[int, msgspec.Meta(ge=1, le=100)] = 4
    memory: Annotated[str, msgspec.Meta(pattern=r"^[1-9][0-9]*(Mi|Gi)$")] = "4Gi"


class Cloud(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of `akin cloud`.

    Attributes:
        project: Id of the project.
        region: Region of jobs, services and images.
        bucket: Address below which runs, inputs, models and snapshots are.
        repository: Name of the repository of Artifact Registry.
        tag: Tag of the images.
        build_account: Account that builds of images run as; empty for the default of Cloud Build.
        endpoints: Other addresses of interfaces, such as those of Private Service Connect: `aiplatform`, `logging`,
            `secretmanager`.
        train: Settings of training jobs.
        serve: Settings of services.
    """

    project: Project
    region: Region
    bucket: str
    repository: Name = "akin"
    tag: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$")] = "latest"
    build_account: Account = ""
    endpoints: dict[str, str] = {}
    train: Train = Train()
    serve: Serve = Serve()

    def below(self, path: str) -> str:
        """Return the address of a path in the bucket."""
        return f"{self.bucket.rstrip('/')}/{path}"

    @property
    def images(self) -> str:
        """Return the address below which the images are."""
        return f"{self.region}-docker.pkg.dev/{self.project}/{self.repository}"

    @property
    def training_image(self) -> str:
        """Return the image of a training job."""
        return self.train.image or f"{self.images}/training{'-gpu' if self.train.accelerator else ''}:{self.tag}"


def read_cloud(path: Path | None, changed: Mapping[str, Any] | None = None) -> Cloud:
    """Return the settings of a file with changes, such as {"region": …, "train": {"spot": False}}.

    Args:
        path: The file; None for `cloud.toml` in the current folder if it is there.
        changed: Values that replace those of the file; None counts as absent.

    Raises:
        BadSetting: The file cannot be read, or a value is missing or cannot be used.
    """
    file = path or Path("cloud.toml")
    given: dict[str, Any] = {}
    if path is not None or file.is_file():
        try:
            given = msgspec.toml.decode(file.read_bytes(), type=dict[str, Any])
        except OSError as error:
            raise BadSetting(f"{file} cannot be read ({error.strerror}): copy {EXAMPLE} and fill it in.") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadSetting(f"{file} is no TOML: {error}.") from error
    for key, value in (changed or {}).items():
        if isinstance(value, dict):
            table = given.setdefault(key, {})
            if isinstance(table, dict):
                table.update({name: each for name, each in value.items() if each is not None})
        elif value is not None:
            given[key] = value
    for name in _REQUIRED:
        if not given.get(name):
            raise BadSetting(
                f"{name} is missing: write {_MEANINGS[name]}, into {file} ({EXAMPLE} shows all), or give --{name}."
            )
    try:
        cloud = msgspec.convert(given, Cloud)
    except msgspec.ValidationError as error:
        raise BadSetting(_explain(file, given, changed or {}, error)) from error
    _check(cloud, file)
    return cloud


def _explain(file: Path, given: Mapping[str, Any], changed: Mapping[str, Any], error: msgspec.ValidationError) -> str:
    """Return which value is wrong, where it was given, and what it may be."""
    reason, _, where = str(error).partition(" - at `$.")
    name = where.rstrip("`").partition("[")[0]  # without the place in a list
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", reason):
        return f"{file}: there is no setting {name}{'.' if name else ''}{unknown[1]}: {EXAMPLE} shows all."
    by_option = not isinstance(_value(changed, name), Mapping | None)
    option = f"--{name.rpartition('.')[2]}" if by_option else f"{file}: {name or 'a value'}"
    meaning = _MEANINGS.get(name)
    wanted = f"it must be {meaning}" if meaning else f"{reason}; {EXAMPLE} shows all"
    return f"{option} {_value(given, name)!r} cannot be used: {wanted}."


def _value(given: Mapping[str, Any], name: str) -> Any:
    """Return a value of nested tables by its name with dots; None without one."""
    found: Any = given
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _check(cloud: Cloud, file: Path) -> None:
    """Check what concerns several settings.

    Raises:
        BadSetting: They do not fit each other.
        BucketError: `bucket` is no address.
    """
    if not cloud.bucket.startswith("gs://"):
        raise BadSetting(f"{file}: bucket is {cloud.bucket!r}: it must be {_MEANINGS['bucket']}.")
    Place(cloud.bucket)
    train = cloud.train
    if train.budget and not train.price_per_hour:
        raise BadSetting(
            f"{file}: train.budget needs train.price_per_hour, the price of {train.machine} with its accelerators: "
            "prices differ by region and change, so none is built in."
        )
    if train.wandb_secret and not train.service_account:
        raise BadSetting(
            f"{file}: train.wandb_secret needs train.service_account: a job without an account of its own gets no "
            "token for Secret Manager."
        )
    if train.seconds < 60:
        raise BadSetting(f"{file}: train.hours and train.budget leave {train.seconds} s: give the job more.")
    for override in train.overrides:
        if not _OVERRIDE.fullmatch(override):
            raise BadSetting(f"{override!r} is no setting of `akin train`: write KEY=VALUE, such as experiment=smoke.")
        if re.match(r"[+~]*(data\.papers|paths\.)", override):
            raise BadSetting(f"{override!r}: in a job, train.papers names the papers, and folders are fixed.")
    # Another image may have other experiments.
    if not train.image and EXPERIMENTS.is_dir():
        known = sorted(each.stem for each in EXPERIMENTS.glob("*.yaml"))
        for override in train.overrides:
            key, _, name = override.partition("=")
            if key == "experiment" and name not in known:
                raise BadSetting(f"there is no experiment {name!r} for {override!r}: take {', '.join(known)}.")
    if cloud.serve.smallest > cloud.serve.largest:
        raise BadSetting(f"{file}: serve.smallest is above serve.largest.")
