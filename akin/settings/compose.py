"""Define the settings that only `docker-compose.yml` reads."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from akin.settings.base import EnvironmentSettings, Port

Memory = Annotated[str, Field(pattern=r"^[1-9]\d*[mg]$|^0$")]
Cpus = Annotated[float, Field(ge=0)]


class ComposeSettings(EnvironmentSettings):
    """Settings of the stack in containers."""

    bind: str = Field(
        default="127.0.0.1",
        description="Address of the host on which the page and the API are published. 0.0.0.0 opens them to the "
        "network, by address; `AKIN_ALLOWED_HOSTS` adds names. There is no log-in: put a proxy with one in front.",
    )
    corpus: str = Field(
        default="sample",
        description="Papers that `index` indexes if nothing is indexed yet: `sample`, or a file inside the container.",
    )
    cpu_services: Literal[0, 1] = Field(
        default=1,
        description="0, together with `--profile gpu`, replaces `triton` and `retrieval` by the services for a GPU.",
    )
    gpu_runtime: Literal["tensorrt", "cuda"] = Field(
        default="tensorrt", description="Runtime of the encoder in the profile `gpu`."
    )
    prometheus_port: Port = Field(default=9090, description="Port of Prometheus on the host (`--profile monitoring`).")
    grafana_port: Port = Field(default=3000, description="Port of Grafana on the host (`--profile monitoring`).")
    alertmanager_port: Port = Field(
        default=9093, description="Port of Alertmanager on the host (`--profile monitoring`)."
    )
    alerts: str = Field(
        default="none",
        description="Receiver of alerts: `none`, `webhook`, or the name of a file of your own in "
        "`deploy/monitoring/alertmanager/` ([monitoring.md](monitoring.md)).",
    )
    alert_webhook_file: str = Field(
        default="/dev/null",
        description="File with the address that `webhook` sends alerts to; user 65534 must be able to read it.",
    )
    triton_memory: Memory = Field(default="4g", description="Most memory of Triton, such as `512m`. 0: no limit.")
    triton_cpus: Cpus = Field(default=0, description="Most CPUs of Triton. 0: all.")
    service_memory: Memory = Field(default="8g", description="Most memory of the service, such as `512m`. 0: no limit.")
    service_cpus: Cpus = Field(default=0, description="Most CPUs of the service. 0: all.")
    gpu_memory: Memory = Field(
        default="16g", description="Most memory of each service on a GPU, such as `512m`. 0: no limit."
    )
    gpu_cpus: Cpus = Field(default=0, description="Most CPUs of each service on a GPU. 0: all.")
    ui_memory: Memory = Field(default="2g", description="Most memory of the page, such as `512m`. 0: no limit.")
    ui_cpus: Cpus = Field(default=0, description="Most CPUs of the page. 0: all.")
    work_memory: Memory = Field(
        default="8g", description="Most memory of an export, a training or an index build, such as `512m`. 0: no limit."
    )
    work_cpus: Cpus = Field(default=0, description="Most CPUs of an export, a training or an index build. 0: all.")
    monitoring_memory: Memory = Field(
        default="1g",
        description="Most memory of each service of the profile `monitoring`, such as `512m`. 0: no limit.",
    )
    monitoring_cpus: Cpus = Field(
        default=1, description="Most CPUs of each service of the profile `monitoring`. 0: all."
    )
    prometheus_days: int = Field(default=30, ge=4, description="Days that Prometheus keeps metrics.")
    prometheus_megabytes: int = Field(default=5000, ge=100, description="Most megabytes of Prometheus' metrics.")
    images: str = Field(default="akin", description="Registry and name of the images, without the last `/`.")
    tag: str = Field(default="latest", description="Tag of the images.")
    revision: str = Field(
        default="unknown",
        description="Commit that images are built from, for their labels and for the versions that they train.",
    )
    source: str = Field(default="unknown", description="Address of the repository, for the labels of images.")
    wheels: str = Field(
        default="./deploy/wheels",
        description="Folder of wheels for the training image: a CPU build of torch in it is used as it is. Default: "
        "the folder of `PIP_FIND_LINKS`, else an empty one.",
    )
    python_image: str = Field(
        default="python:3.11-slim-bookworm",
        validation_alias="PYTHON_IMAGE",
        description="Base of all images but `triton-gpu`; give it with a digest to build the same again.",
    )
    triton_image: str = Field(
        default="nvcr.io/nvidia/tritonserver:26.10-py3",
        validation_alias="TRITON_IMAGE",
        description="NVIDIA's image of Triton with its Python backend (profile `gpu`): 26.07 or later (SECURITY.md).",
    )
    prometheus_image: str = Field(
        default="docker.io/prom/prometheus:v3.5.0"
        "@sha256:63805ebb8d2b3920190daf1cb14a60871b16fd38bed42b857a3182bc621f4996",
        validation_alias="PROMETHEUS_IMAGE",
        description="Prometheus.",
    )
    alertmanager_image: str = Field(
        default="docker.io/prom/alertmanager:v0.28.1"
        "@sha256:27c475db5fb156cab31d5c18a4251ac7ed567746a2483ff264516437a39b15ba",
        validation_alias="ALERTMANAGER_IMAGE",
        description="Alertmanager.",
    )
    grafana_image: str = Field(
        default="docker.io/grafana/grafana:12.1.0"
        "@sha256:6ac590e7cabc2fbe8d7b8fc1ce9c9f0582177b334e0df9c927ebd9670469440f",
        validation_alias="GRAFANA_IMAGE",
        description="Grafana.",
    )
