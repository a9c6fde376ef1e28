"""Check the manifests for GKE by Kubernetes' own schemas, strictly, and what they promise beyond a schema."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import msgspec
import pytest
import yaml
from typer.testing import CliRunner

from akin import cli
from akin.cloud.render import write_manifests
from akin.settings.reference import definitions
from akin.stack_settings import ROOT
from tests.unit.deploy.composition import dockerfile
from tests.unit.deploy.test_cloud_run import CLOUD, MODELS, SNAPSHOT

FOLDER = ROOT / "deploy/cloud/gke"
VERSION = "1.34"
Manifest = dict[str, Any]


def read(path: Path) -> list[Manifest]:
    return [each for each in yaml.safe_load_all(path.read_text("utf-8")) if each]


BASE = sorted(path for path in (FOLDER / "base").glob("*.yaml") if path.name != "kustomization.yaml")
FILES = [*BASE, FOLDER / "refresh/refresh.yaml"]
ALL = [each for path in FILES for each in read(path)]
PODS = {each["metadata"]["name"]: each["spec"]["template"]["spec"] for each in ALL if each["kind"] == "Deployment"}


def named(kind: str) -> dict[str, Manifest]:
    return {each["metadata"]["name"]: each for each in ALL if each["kind"] == kind}


def monitoring(manifest: Manifest) -> None:
    """Check a PodMonitoring, whose schema Kubernetes does not have."""
    assert set(manifest) == {"apiVersion", "kind", "metadata", "spec"}
    assert manifest["apiVersion"] == "monitoring.googleapis.com/v1"
    assert set(manifest["spec"]) == {"selector", "endpoints"}
    for endpoint in manifest["spec"]["endpoints"]:
        assert set(endpoint) == {"port", "interval"}
        assert re.fullmatch(r"\d+s", endpoint["interval"])


def validate(manifest: Manifest) -> None:
    if manifest["kind"] == "PodMonitoring":
        monitoring(manifest)
    else:
        kubernetes_validate.validate(manifest, VERSION, strict=True)


@pytest.mark.parametrize("manifest", ALL, ids=lambda each: f"{each['kind']}-{each['metadata']['name']}")
def test_a_manifest_has_kubernetes_schema(manifest: Manifest) -> None:
    validate(manifest)


def test_the_schema_refuses_what_is_wrong() -> None:
    deployment = json.loads(json.dumps(named("Deployment")["triton"]))
    deployment["spec"]["template"]["spec"]["containers"][0]["imagee"] = "x"
    with pytest.raises(kubernetes_validate.ValidationError):
        validate(deployment)


def test_every_file_is_listed() -> None:
    listed = yaml.safe_load((FOLDER / "base/kustomization.yaml").read_text("utf-8"))["resources"]
    assert sorted(listed) == [path.name for path in BASE]
    [listed] = yaml.safe_load((FOLDER / "refresh/kustomization.yaml").read_text("utf-8"))["resources"]
    assert listed == FILES[-1].name


@pytest.mark.parametrize("name", ["triton", "retrieval", "ui"])
def test_a_pod_has_no_rights_that_it_does_not_need(name: str) -> None:
    pod = PODS[name]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001  # the user of the images
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"cpu", "memory", "ephemeral-storage"} <= set(container["resources"]["requests"])
        assert {"memory", "ephemeral-storage"} <= set(container["resources"]["limits"])
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
    assert named("Namespace")["akin"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("name", ["triton", "retrieval", "ui"])
def test_a_deployment_survives_the_loss_of_a_pod(name: str) -> None:
    assert named("Deployment")[name]["spec"]["replicas"] >= 2
    assert named("Deployment")[name]["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert named("PodDisruptionBudget")[name]["spec"]["minAvailable"] == 1
    if name != "ui":
        scaler = named("HorizontalPodAutoscaler")[name]["spec"]
        assert scaler["scaleTargetRef"]["name"] == name
        assert 2 <= scaler["minReplicas"] < scaler["maxReplicas"]


@pytest.mark.parametrize("name", ["triton", "retrieval", "ui"])
def test_ports_folders_and_variables_are_those_of_the_image(name: str) -> None:
    (container,) = PODS[name]["containers"]
    exposed = {
        port for line in dockerfile(f"{name}.Dockerfile") if line.startswith("EXPOSE") for port in line.split()[1:]
    }
    assert {str(each["containerPort"]) for each in container["ports"]} <= exposed
    assert {each["name"] for each in container["env"]} <= set(definitions())
    mounts = {each["mountPath"] for each in container["volumeMounts"]}
    assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in PODS[name]["volumes"]}
    assert mounts >= {"/tmp", *{"triton": ["/models"], "retrieval": ["/data"], "ui": []}[name]}
    ports = {each["name"] for each in container["ports"]}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        (check,) = (container[probe].get(each) for each in ("tcpSocket", "httpGet") if each in container[probe])
        assert check["port"] in ports
    (offered,) = named("Service")[name]["spec"]["ports"]
    assert offered["targetPort"] in ports


def test_pods_that_fetch_act_as_an_account_without_a_key() -> None:
    for name in ("triton", "retrieval"):
        assert PODS[name]["serviceAccountName"] == "akin"
    assert "serviceAccountName" not in PODS["ui"]
    assert "iam.gke.io/gcp-service-account" in named("ServiceAccount")["akin"]["metadata"]["annotations"]
    assert "iam.gke.io/gcp-service-account" in named("ServiceAccount")["akin-refresh"]["metadata"]["annotations"]
    assert not any(each["kind"] == "Secret" for each in ALL)


def test_triton_grows_with_its_queue() -> None:
    (metric,) = named("HorizontalPodAutoscaler")["triton"]["spec"]["metrics"]
    name = metric["pods"]["metric"]["name"]
    assert name == "prometheus.googleapis.com|nv_inference_pending_request_count|gauge"
    watched = named("PodMonitoring")["triton"]["spec"]
    assert watched["selector"] == {"matchLabels": {"app": "triton"}}
    # Triton reports the metric on the port that is watched.
    (container,) = PODS["triton"]["containers"]
    assert {"name": "metrics", "containerPort": 8002} in container["ports"]
    dashboard = (ROOT / "deploy/monitoring/grafana/dashboards/akin.json").read_text("utf-8")
    assert name.split("|")[1] in dashboard


def test_only_what_is_needed_is_open() -> None:
    policies = named("NetworkPolicy")
    assert policies["nothing"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    (client, monitor) = policies["triton"]["spec"]["ingress"]
    assert client["from"] == [{"podSelector": {"matchLabels": {"app": "retrieval"}}}]
    assert "egress" not in policies["triton"]["spec"]
    assert monitor["ports"] == [{"protocol": "TCP", "port": "metrics"}]
    (egress,) = policies["ui"]["spec"]["egress"]
    assert egress["to"] == [{"podSelector": {"matchLabels": {"app": "retrieval"}}}]
    # The metadata server gives tokens; the private networks stay closed.
    bucket = policies["bucket"]["spec"]["egress"]
    assert {"protocol": "TCP", "port": 988} in bucket[0]["ports"]
    assert "10.0.0.0/8" in bucket[1]["to"][0]["ipBlock"]["except"]


def test_a_file_names_no_project_and_no_place() -> None:
    for path in FOLDER.rglob("*"):
        if path.is_file():
            text = re.sub(r"#.*", "", path.read_text("utf-8"))
            assert not re.search(r"gs://|pkg\.dev|gserviceaccount|(?:north|south|east|west|central)[a-z]*\d", text), (
                path
            )


@pytest.mark.parametrize("overlay", ["cpu", "gpu"])
def test_the_folder_for_a_project_is_whole(overlay: str, tmp_path: Path) -> None:
    folder = tmp_path / "deployed"
    write_manifests(CLOUD, overlay, MODELS, SNAPSHOT, folder)
    content = yaml.safe_load((folder / "kustomization.yaml").read_text("utf-8"))
    (resource,) = content["resources"]
    assert (folder / resource).resolve() == FOLDER / "overlays" / overlay
    assert (folder / "sources.env").read_text() == f"AKIN_MODELS_SOURCE={MODELS}\nAKIN_SNAPSHOT_SOURCE={SNAPSHOT}\n"
    assert {each["name"] for each in content["images"]} == {
        "triton-gpu" if overlay == "gpu" else "triton",
        "retrieval",
        "ui",
    }


def test_the_nightly_refresh_fetches_updates_and_pushes_one_at_a_time() -> None:
    job = named("CronJob")["refresh"]["spec"]
    assert job["concurrencyPolicy"] == "Forbid"
    assert job["jobTemplate"]["spec"]["activeDeadlineSeconds"] < 24 * 3600
    pod = job["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == ("akin-refresh", False)
    assert pod["securityContext"]["runAsUser"] == 10001
    steps = [*pod["initContainers"], *pod["containers"]]
    commands = [each["command"] for each in steps]
    for command in commands:
        assert command[0] == "akin"
        # The command line knows the command, and needs nothing that is not given.
        assert CliRunner().invoke(cli.app, [*command[1:], "--help"]).exit_code == 0
    assert [command[1:3] for command in commands] == [
        ["fetch", "models"], ["fetch", "snapshot"], ["refresh"], ["push", "snapshot"],
    ]  # fmt: skip
    for each in steps:
        assert each["image"] == "retrieval"
        assert each["securityContext"] == PODS["retrieval"]["containers"][0]["securityContext"]
        assert {mount["mountPath"] for mount in each["volumeMounts"]} == {"/data", "/models", "/tmp"}
        given = {variable["name"] for variable in each.get("env", ())}
        assert given - {"SNAPSHOT_ADDRESS"} <= set(definitions())
        assert set(re.findall(r"\$\((\w+)\)", " ".join(each["command"]))) <= given
    # What was embedded stays, and Triton answers the job.
    claims = [each["persistentVolumeClaim"]["claimName"] for each in pod["volumes"] if "persistentVolumeClaim" in each]
    assert claims == list(named("PersistentVolumeClaim")) == ["refresh"]
    label = {"podSelector": {"matchLabels": job["jobTemplate"]["spec"]["template"]["metadata"]["labels"]}}
    assert named("NetworkPolicy")["refresh"]["spec"]["podSelector"] == label["podSelector"]
    assert named("NetworkPolicy")["triton-from-refresh"]["spec"]["ingress"][0]["from"] == [label]


def test_the_refresh_is_in_the_folder_only_with_its_account(tmp_path: Path) -> None:
    def folder(name: str, account: str) -> tuple[dict[str, Any], str]:
        serve = msgspec.structs.replace(CLOUD.serve, refresh_account=account)
        write_manifests(msgspec.structs.replace(CLOUD, serve=serve), "cpu", MODELS, SNAPSHOT, tmp_path / name)
        content = yaml.safe_load((tmp_path / name / "kustomization.yaml").read_text("utf-8"))
        return content, (tmp_path / name / "sources.env").read_text()

    without, sources = folder("without", "")
    assert (without["components"], len(without["patches"])) == ([], 1)
    assert "SNAPSHOT_ADDRESS" not in sources
    content, sources = folder("with", "writer@p.example")
    [component] = content["components"]
    assert (tmp_path / "with" / component).resolve() == FOLDER / "refresh"
    # It reads and writes the newest snapshot of the address, not the pinned one.
    assert f"SNAPSHOT_ADDRESS={SNAPSHOT.partition('@')[0]}\n" in sources
    patched = {each["target"]["name"]: json.loads(each["patch"])[0]["value"] for each in content["patches"]}
    assert patched == {"akin": "server@p.example", "akin-refresh": "writer@p.example"}


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl on this machine, which has Kustomize")
@pytest.mark.parametrize("overlay", ["cpu", "gpu"])
def test_kustomize_makes_valid_manifests_of_it(overlay: str, tmp_path: Path) -> None:
    write_manifests(CLOUD, overlay, MODELS, SNAPSHOT, tmp_path / "deployed")
    done = subprocess.run(
        ["kubectl", "kustomize", str(tmp_path / "deployed")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    made = list(yaml.safe_load_all(done.stdout))
    assert {each["kind"] for each in made} >= {"Deployment", "ConfigMap", "ServiceAccount", "NetworkPolicy"}
    for each in made:
        validate(each)
        assert each["kind"] == "Namespace" or each["metadata"]["namespace"] == "akin"
    found = {(each["kind"], each["metadata"]["name"]): each for each in made}
    pod = found["Deployment", "triton"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    image = "triton-gpu" if overlay == "gpu" else "triton"
    assert container["image"] == f"{CLOUD.images}/{image}:v1"
    assert found["ServiceAccount", "akin"]["metadata"]["annotations"] == {
        "iam.gke.io/gcp-service-account": "server@p.example"
    }
    # The pods read the ConfigMap that was made: a change of the sources starts new ones.
    (key,) = (name for kind, name in found if kind == "ConfigMap")
    assert found["ConfigMap", key]["data"]["AKIN_MODELS_SOURCE"] == MODELS
    assert container["env"][0]["valueFrom"]["configMapKeyRef"]["name"] == key
    if overlay == "gpu":
        assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
        assert {each["name"] for each in pod["volumes"]} == {"models", "tmp", "shm", "engines"}
        assert {each["mountPath"] for each in container["volumeMounts"]} >= {"/models", "/var/cache/akin/tensorrt"}
        assert pod["volumes"][[each["name"] for each in pod["volumes"]].index("shm")]["emptyDir"]["sizeLimit"] == "1Gi"
