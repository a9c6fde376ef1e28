"""Test the guarantees of docker-compose.yml."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

import pytest
import yaml

from akin.edge import AllowedHosts, parse_hosts
from akin.settings import EncoderSettings, EnvironmentSettings, PageSettings, ServiceSettings
from akin.settings.reference import definitions
from akin.stack_settings import ROOT
from tests.unit.deploy.composition import Compose, dockerfile, example, final_stage, read

READERS: dict[type[EnvironmentSettings], list[str]] = {
    ServiceSettings: ["retrieval", "retrieval-gpu"],
    PageSettings: ["ui"],
    EncoderSettings: ["triton"],
}
# The images and the networks of the containers fix these.
FIXED = {
    *("AKIN_DATA", "AKIN_MODEL_REPOSITORY", "AKIN_SERVICE_HOST", "AKIN_SERVICE_PORT", "AKIN_UI_HOST", "AKIN_UI_PORT"),
    "AKIN_VECTOR_DEVICE",  # the profile gpu alone
    # The images lack the clients of Milvus and of Redis.
    "AKIN_RATE_REDIS",
    *("AKIN_MILVUS_URI", "AKIN_MILVUS_TOKEN", "AKIN_MILVUS_PREFIX", "AKIN_MILVUS_SECONDS", "AKIN_MILVUS_EFFORT"),
    "AKIN_MILVUS_WORDS",
    *("AKIN_SERVICE_METRICS_HOST", "AKIN_SERVICE_METRICS_PORT"),
    *("AKIN_TRITON_HTTP_PORT", "AKIN_TRITON_GRPC_PORT", "AKIN_TRITON_METRICS_PORT", "AKIN_ENCODER_INNER"),
}


@pytest.fixture(scope="module")
def compose() -> Compose:
    return read({})


def test_the_example_of_settings_holds_every_one_of_them_with_its_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    assert set(re.findall(r"\$\{((?:AKIN|TRITON|PYTHON|PROMETHEUS|ALERTMANAGER|GRAFANA)_\w+)", text)) == set(example())
    given, empty = read(example()), read({})
    for owner, names in READERS.items():
        for name in names:
            assert owner.read(given.services[name].environment) == owner.read(empty.services[name].environment), name
    for service in (*given.services.values(), *empty.services.values()):
        service.environment.clear()
    assert given == empty


@pytest.mark.parametrize("owner", READERS)
def test_every_setting_can_be_set_or_is_fixed_by_the_containers(
    compose: Compose, owner: type[EnvironmentSettings]
) -> None:
    wanted = {owner.variable(field) for field in owner.model_fields} - FIXED
    for name in READERS[owner]:
        assert wanted <= set(compose.services[name].environment), name


def test_the_rate_limit_can_be_switched_on() -> None:
    changed = read({"AKIN_RATE_LIMIT": "5", "AKIN_RATE_BURST": "7"})
    for name in READERS[ServiceSettings]:
        settings = ServiceSettings.read(changed.services[name].environment)
        assert (settings.rate_limit, settings.rate_burst) == (5, 7)


def test_a_setting_reaches_its_service() -> None:
    changed = read({"AKIN_BIND": "0.0.0.0", "AKIN_UI_PORT": "1", "AKIN_CORPUS": "/c.jsonl", "AKIN_IMAGES": "r/a"})
    assert changed.services["ui"].ports == ["0.0.0.0:1:7860"]
    assert changed.services["index"].command[3] == "/c.jsonl"
    assert changed.services["triton"].image == "r/a/triton:latest"


def test_only_the_page_and_the_api_are_published_and_on_this_machine_only(compose: Compose) -> None:
    published = {name: service.ports for name, service in compose.started().items() if service.ports}
    assert published == {"retrieval": ["127.0.0.1:8080:8080"], "ui": ["127.0.0.1:7860:7860"]}
    more = {name for name, service in compose.started("monitoring").items() if service.ports} - set(published)
    assert more == {"prometheus", "alertmanager", "grafana"}
    assert all(port.startswith("127.0.0.1:") for name in more for port in compose.services[name].ports)


def test_every_setting_given_to_the_service_is_one(compose: Compose) -> None:
    given = compose.services["retrieval"].environment | compose.services["retrieval-gpu"].environment
    assert set(given) <= {ServiceSettings.variable(field) for field in ServiceSettings.model_fields}
    ServiceSettings.read(given)


def test_every_variable_of_the_containers_is_a_setting(compose: Compose) -> None:
    given = {name for service in compose.services.values() for name in service.environment}
    for path in (ROOT / "deploy").glob("*.Dockerfile"):
        given |= set(re.findall(r"\b(AKIN_\w+)=", path.read_text()))
    assert len(given) > 30
    assert {name for name in given if name.startswith("AKIN_")} <= set(definitions())


@pytest.mark.parametrize("own", ["", "papers.example.org, *.example.org"])
def test_each_server_answers_under_the_names_that_its_clients_use(own: str) -> None:
    changed = read({"AKIN_BIND": "192.0.2.7", "AKIN_ALLOWED_HOSTS": own})
    asked = {"ui": ["127.0.0.1:7860", "localhost", "[::1]", "192.0.2.7:7860"]}
    asked["retrieval"] = asked["retrieval-gpu"] = [*asked["ui"], "retrieval:8080", "retrieval:8081"]
    for name, hosts in asked.items():
        allowed = AllowedHosts.of("0.0.0.0", parse_hosts(changed.services[name].environment["AKIN_ALLOWED_HOSTS"]))
        assert all(allowed.permit(host, from_here=False) for host in hosts)
        assert allowed.permit("www.example.org", from_here=False) == bool(own)
        assert not allowed.permit("evil.example", from_here=False)
    everywhere = read({"AKIN_BIND": "0.0.0.0"})
    for name in asked:
        names = parse_hosts(everywhere.services[name].environment["AKIN_ALLOWED_HOSTS"])
        assert AllowedHosts.of("0.0.0.0", names).permit("10.0.0.7:7860", from_here=False)
        assert not AllowedHosts.of("0.0.0.0", names).permit("evil.example", from_here=False)


def test_metrics_are_for_the_networks_inside(compose: Compose) -> None:
    for name in ("retrieval", "retrieval-gpu"):
        service = compose.services[name]
        assert service.environment["AKIN_SERVICE_METRICS_HOST"] == "0.0.0.0"
        assert not [port for port in service.ports if port.endswith(":8081")]


def test_every_log_has_a_limit(compose: Compose) -> None:
    for name, service in compose.services.items():
        assert service.logging is not None, name
        assert set(service.logging.options) == {"max-size", "max-file"}


def test_every_service_has_a_limit_of_memory_and_none_may_ask_for_more_cpus_than_a_small_machine_has(
    compose: Compose,
) -> None:
    for name, service in compose.services.items():
        assert service.mem_limit not in {None, "0"}, name
        assert float(service.cpus or "nan") <= 1, name  # 0 are all; an engine refuses more than there are
    changed = read({"AKIN_TRITON_MEMORY": "512m", "AKIN_TRITON_CPUS": "1.5"}).services["triton"]
    assert (changed.mem_limit, changed.cpus) == ("512m", "1.5")


def test_prometheus_keeps_more_than_the_longest_window_of_an_alert(compose: Compose) -> None:
    options = dict(option.split("=", 1) for option in compose.services["prometheus"].command)
    days = int(options["--storage.tsdb.retention.time"].removesuffix("d"))
    text = (ROOT / "deploy/monitoring/objectives.yml").read_text()
    assert days > max(int(found) for found in re.findall(r"\[(\d+)d\]", text))
    assert options["--storage.tsdb.retention.size"] == "5000MB"


@pytest.mark.parametrize("name", ["triton", "retrieval", "ui", "training", "triton-gpu"])
def test_an_image_is_labelled_with_what_it_was_built_from(compose: Compose, name: str) -> None:
    last = final_stage(dockerfile(f"{name}.Dockerfile"))
    arguments = dict(line.removeprefix("ARG ").split("=") for line in last if line.startswith("ARG "))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert arguments == {
        "REVISION": "unknown", "SOURCE": "unknown", "VERSION": project["version"], "LICENSE": project["license"],
    }  # fmt: skip
    (labels,) = (line for line in last if line.startswith("LABEL "))
    found = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', labels))
    assert found == {
        "title": f"akin-{name}", "revision": "$REVISION", "version": "$VERSION", "source": "$SOURCE",
        "licenses": "$LICENSE",
    }  # fmt: skip
    # After all that changes files, as a new commit must not build these layers again.
    first = min(at for at, line in enumerate(last) if line.startswith("ARG "))
    assert not [line for line in last[first:] if line.split()[0] in {"RUN", "COPY", "ADD"}]
    for service in compose.services.values():
        if service.build and service.build.dockerfile == f"deploy/{name}.Dockerfile":
            assert {"REVISION", "SOURCE"} <= set(service.build.args)


IMAGE = re.compile(r"^[\w.-]+(/[\w.-]+)*(:(?P<tag>[\w.-]+))?(@sha256:(?P<digest>[0-9a-f]{64}))?$")


def foreign_images() -> Iterator[str]:
    """Yield the images of others that are built upon or started."""
    yield from (value for name, value in example().items() if name.endswith("_IMAGE"))
    build = yaml.safe_load((ROOT / "cloudbuild.yaml").read_text())
    yield from (step["name"] for step in build["steps"])
    yield from (value for name, value in build["substitutions"].items() if name.endswith("_IMAGE"))
    for path in (ROOT / "deploy").glob("*.Dockerfile"):
        for line in dockerfile(path.name):
            if line.startswith("FROM ") and line.split()[1] not in {"scratch", "${PYTHON_IMAGE}", "${TRITON_IMAGE}"}:
                yield line.split()[1]


def test_no_image_of_others_is_taken_as_whatever_is_newest() -> None:
    images = list(foreign_images())
    assert len(images) > 10
    for image in images:
        found = IMAGE.match(image)
        assert found is not None, image
        version = re.search(r"\d+\.\d+", found["tag"] or "")
        assert found["digest"] or (version and found["tag"] != "latest"), image


@pytest.mark.parametrize("name", ["PROMETHEUS_IMAGE", "ALERTMANAGER_IMAGE", "GRAFANA_IMAGE"])
def test_what_is_only_started_is_pinned_by_digest(name: str) -> None:
    found = IMAGE.match(example()[name])
    assert found is not None
    assert found["tag"]
    assert found["digest"]


def test_one_time_services_stay_ended_and_the_others_restart(compose: Compose) -> None:
    once = {name for name, service in compose.services.items() if service.restart == "no"}
    assert once == {"export", "export-gpu", "index"}


def test_a_service_has_no_right_that_it_does_not_need(compose: Compose) -> None:
    for name, service in compose.services.items():
        assert service.read_only, name
        assert service.cap_drop == ["ALL"], name
        assert service.security_opt == ["no-new-privileges:true"], name
    for name in ("triton", "triton-gpu", "index", "retrieval", "retrieval-gpu"):
        assert "models:/models:ro" in compose.services[name].volumes


def networks_of(compose: Compose, name: str) -> set[str]:
    """Return the networks of a service; `default` if it names none."""
    return set(compose.services[name].networks) or {"default"}


@pytest.mark.parametrize("suffix", ["", "-gpu"])
def test_the_page_reaches_the_service_and_nothing_else(compose: Compose, suffix: str) -> None:
    page, service, triton = (networks_of(compose, name) for name in ("ui", f"retrieval{suffix}", f"triton{suffix}"))
    assert page == {"page"}
    assert page & service
    assert service & triton
    for name in set(compose.services) - {"ui", "retrieval", "retrieval-gpu"}:
        assert not networks_of(compose, name) & page, name


def test_only_embedding_and_monitoring_services_reach_triton(compose: Compose) -> None:
    for triton in ("triton", "triton-gpu"):
        networks = networks_of(compose, triton)
        assert "default" not in networks
        assert not compose.services[triton].ports
        near = {name for name in compose.services if networks_of(compose, name) & networks}
        users = {"index", "retrieval", "retrieval-gpu", "drift", "refresh"}
        assert near == {"triton", "triton-gpu", *users, "prometheus", "alertmanager", "grafana"}
    assert {name for name in compose.services if "encoder" in networks_of(compose, name)} == {
        "triton", "triton-gpu", "index", "retrieval", "retrieval-gpu", "drift", "refresh",
    }  # fmt: skip
    used = {network for name in compose.services for network in networks_of(compose, name)}
    assert used == set(compose.networks)


def test_services_for_a_gpu_have_the_usual_names(compose: Compose) -> None:
    for name in ("triton", "retrieval"):
        on_gpu = compose.services[f"{name}-gpu"].networks
        assert set(on_gpu) == set(compose.services[name].networks)
        asked_on = {"triton": ("encoder", "monitoring"), "retrieval": ("page", "monitoring")}[name]
        assert all(name in on_gpu[network].aliases for network in asked_on)


@pytest.mark.parametrize("name", ["triton", "triton-gpu"])
def test_tritons_http_cannot_be_reached_from_another_container(name: str) -> None:
    last = final_stage(dockerfile(f"{name}.Dockerfile"))
    (environment,) = (line for line in last if line.startswith("ENV "))
    assert {"AKIN_TRITON_HOST=0.0.0.0", "AKIN_TRITON_HTTP_HOST=127.0.0.1"} <= set(environment.split())
    assert "EXPOSE 8001 8002" in last
    (check,) = (line for line in last if line.startswith("HEALTHCHECK "))
    assert "http://127.0.0.1:8000/v2/models/text_encoder/ready" in check


def test_the_gpus_image_has_the_fixes_of_what_was_published() -> None:
    """Compare tags, as no digest can be looked up here."""
    found = re.fullmatch(r"nvcr\.io/nvidia/tritonserver:(\d\d\.\d\d)-py3", example()["TRITON_IMAGE"])
    assert found is not None
    assert found[1] >= "26.07"
    assert example()["TRITON_IMAGE"] in (ROOT / "SECURITY.md").read_text()


def test_triton_has_shared_memory_for_its_python_backend(compose: Compose) -> None:
    assert compose.services["triton"].shm_size == "256m"  # an engine's own default is 64


@pytest.mark.parametrize("name", ["triton", "retrieval", "ui", "training"])
def test_an_image_is_slim_and_runs_as_an_ordinary_user(compose: Compose, name: str) -> None:
    lines = dockerfile(f"{name}.Dockerfile")
    stages = [line.split()[1] for line in lines if line.startswith("FROM ") and line.split()[1] != "scratch"]
    assert stages == ["${PYTHON_IMAGE}"] * 2
    assert lines[0] == f"ARG PYTHON_IMAGE={example()['PYTHON_IMAGE']}"
    last = final_stage(lines)
    assert "USER 10001:10001" in last
    assert len([line for line in last if line.split()[0] in {"RUN", "COPY", "ADD"}]) == 2
    assert not any("pip" in line or "apt" in line for line in last)
    (command,) = (line for line in last if line.startswith("CMD "))
    assert command.startswith('CMD ["python", "-m"')
    assert any(line.startswith("HEALTHCHECK ") for line in last) == (name != "training")
    assert any(service.image == f"akin/{name}:latest" for service in compose.services.values())


@pytest.mark.parametrize("name", ["triton", "retrieval", "ui", "training"])
def test_everything_installed_is_locked(name: str) -> None:
    for line in dockerfile(f"{name}.Dockerfile"):
        for command in re.findall(r"pip [^&]*install [^&]*", line):
            assert "--require-hashes" in command or "torch.txt" in command
            assert "--no-deps" in command or "$TORCH_DEPENDENCIES" in command
    if name == "training":
        assert "ARG TORCH_DEPENDENCIES=--no-deps" in dockerfile("training.Dockerfile")


def test_dockerignore_permits_what_the_images_copy() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    let_through = {line[1:] for line in ignored if line.startswith("!")}
    copied = set()
    for path in (ROOT / "deploy").glob("*.Dockerfile"):
        for line in dockerfile(path.name):
            if line.startswith("COPY ") and "--from" not in line:
                copied |= {source.split("/")[0] for source in line.split()[1:-1]}
    assert copied == let_through
    assert all((ROOT / folder).is_dir() for folder in copied)
