"""Check the services of Cloud Run strictly by the part of its published schema that they use."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
import yaml

from akin.cloud.config import Cloud, Serve
from akin.cloud.render import service_file, write_manifests
from akin.errors import AkinError, BadSetting
from akin.settings.reference import definitions
from akin.stack_settings import ROOT
from tests.unit.deploy.composition import dockerfile

FOLDER = ROOT / "deploy/cloud/run"
DIGEST = "ab" * 32
MODELS, SNAPSHOT = f"gs://shelf/akin/models@{DIGEST}", f"gs://shelf/akin/snapshot@{DIGEST}"
TRAFFIC: list[dict[str, Any]] = [
    {"revisionName": "akin-1", "percent": 100},
    {"revisionName": "akin-2", "tag": "candidate", "percent": 0},
]
CLOUD = Cloud(
    "shelf-project",
    "earth-north1",
    "gs://shelf/akin",
    tag="v1",
    serve=Serve(service_account="server@p.example", page_account="page@p.example"),
)


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    """https://docs.cloud.google.com/run/docs/reference/yaml/v1"""


class Port(Strict):
    containerPort: int
    name: Literal["http1", "h2c"]


class Variable(Strict):
    name: str
    value: str


class Resources(Strict):
    limits: dict[Literal["cpu", "memory"], str]


class HttpGet(Strict):
    path: str
    port: int


class TcpSocket(Strict):
    port: int


class Probe(Strict):
    periodSeconds: Annotated[int, msgspec.Meta(ge=1, le=240)]
    timeoutSeconds: Annotated[int, msgspec.Meta(ge=1, le=240)]
    failureThreshold: Annotated[int, msgspec.Meta(ge=1)]
    httpGet: HttpGet | None = None
    tcpSocket: TcpSocket | None = None


class Container(Strict):
    name: str
    image: str
    env: list[Variable]
    resources: Resources
    startupProbe: Probe
    livenessProbe: Probe | None = None
    ports: list[Port] = []


class PodSpec(Strict):
    serviceAccountName: str
    containerConcurrency: Annotated[int, msgspec.Meta(ge=1, le=1000)]
    timeoutSeconds: Annotated[int, msgspec.Meta(ge=1, le=3600)]
    containers: Annotated[list[Container], msgspec.Meta(min_length=1, max_length=10)]


class TemplateMetadata(Strict):
    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{0,61}[a-z0-9]$")]
    labels: dict[str, str]
    annotations: dict[
        Literal[
            "autoscaling.knative.dev/minScale",
            "autoscaling.knative.dev/maxScale",
            "run.googleapis.com/execution-environment",
            "run.googleapis.com/cpu-throttling",
            "run.googleapis.com/startup-cpu-boost",
            "run.googleapis.com/container-dependencies",
            "run.googleapis.com/sessionAffinity",
        ],
        str,
    ]


class Template(Strict):
    metadata: TemplateMetadata
    spec: PodSpec


class Traffic(Strict):
    revisionName: str
    percent: Annotated[int, msgspec.Meta(ge=0, le=100)]
    tag: str = ""


class ServiceSpec(Strict):
    template: Template
    traffic: list[Traffic]


class Metadata(Strict):
    name: str
    labels: dict[str, str]
    annotations: dict[Literal["run.googleapis.com/ingress", "run.googleapis.com/launch-stage"], str]


class Service(Strict):
    apiVersion: Literal["serving.knative.dev/v1"]
    kind: Literal["Service"]
    metadata: Metadata
    spec: ServiceSpec


def render(part: str, cloud: Cloud = CLOUD, models: str = MODELS) -> Service:
    text = service_file(cloud, part, f"akin-{part}-2", models, SNAPSHOT, TRAFFIC)
    return msgspec.convert(yaml.safe_load(text), Service)


@pytest.fixture(params=["api", "page"])
def service(request: pytest.FixtureRequest) -> Service:
    return render(request.param)


def test_every_file_is_a_service() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == {"api", "page"}


def test_images_accounts_and_traffic_are_those_of_the_settings(service: Service) -> None:
    spec = service.spec.template.spec
    images = {each.name: each.image for each in spec.containers}
    assert set(images.values()) == {f"earth-north1-docker.pkg.dev/shelf-project/akin/{name}:v1" for name in images}
    assert spec.serviceAccountName in ("server@p.example", "page@p.example")
    assert msgspec.to_builtins(service.spec.traffic)[1] == {**TRAFFIC[1]}
    assert service.metadata.name in (CLOUD.serve.service, CLOUD.serve.page)


def test_one_container_has_the_port_of_its_image(service: Service) -> None:
    (entrance,) = (each for each in service.spec.template.spec.containers if each.ports)
    (port,) = entrance.ports
    assert any(f"EXPOSE {port.containerPort}" in line for line in dockerfile(f"{entrance.name}.Dockerfile"))


def test_containers_start_in_an_order_that_ends(service: Service) -> None:
    template = service.spec.template
    names = [each.name for each in template.spec.containers]
    needs = json.loads(template.metadata.annotations["run.googleapis.com/container-dependencies"])
    started: set[str] = set()
    while len(started) < len(names):
        ready = {name for name in names if name not in started and set(needs.get(name, [])) <= started}
        assert ready, needs
        started |= ready
    assert {name for each in needs.items() for name in (each[0], *each[1])} <= set(names)


def test_probes_are_within_the_bounds_of_cloud_run(service: Service) -> None:
    for container in service.spec.template.spec.containers:
        for probe in filter(None, (container.startupProbe, container.livenessProbe)):
            assert probe.periodSeconds * probe.failureThreshold <= 240
            assert probe.timeoutSeconds <= probe.periodSeconds
            assert (probe.httpGet is None) != (probe.tcpSocket is None)


def test_every_variable_is_a_setting_and_sources_are_pinned(service: Service) -> None:
    for container in service.spec.template.spec.containers:
        values = {each.name: each.value for each in container.env}
        assert set(values) <= set(definitions())
        for name, value in values.items():
            if name.endswith("_SOURCE"):
                assert value.endswith(f"@{DIGEST}")
    names = {each.name for container in service.spec.template.spec.containers for each in container.env}
    assert {"AKIN_MODELS_SOURCE", "AKIN_SNAPSHOT_SOURCE"} <= names


def test_a_file_names_no_project_and_no_place() -> None:
    for path in FOLDER.iterdir():
        text = re.sub(r"#.*", "", path.read_text("utf-8"))
        assert not re.search(r"gs://|pkg\.dev|gserviceaccount|(?:north|south|east|west|central)[a-z]*\d", text)


@pytest.mark.parametrize(
    "models", ["gs://shelf/models\n  - x", 'gs://shelf/"x', "gs://shelf/$x", "gs://shelf/x@latest"]
)
def test_a_value_cannot_change_the_file(models: str) -> None:
    with pytest.raises(AkinError):
        render("api", models=models)


def test_an_account_is_asked_for() -> None:
    cloud = msgspec.structs.replace(CLOUD, serve=Serve())
    with pytest.raises(BadSetting, match=r"serve\.service_account is missing"):
        render("api", cloud)
    with pytest.raises(BadSetting, match=r"serve\.page_account is missing"):
        render("page", cloud)
    with pytest.raises(BadSetting, match=r"serve\.service_account is missing"):
        write_manifests(cloud, "cpu", MODELS, SNAPSHOT, Path("/nonexistent/x"))
