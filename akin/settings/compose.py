"""Define the settings that only `docker-compose.yml` reads."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from akin.settings.base import EnvironmentSettings, Port


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
    images: str = Field(default="akin", description="Registry and name of the images, without the last `/`.")
    tag: str = Field(default="latest", description="Tag of the images.")
    wheels: str = Field(
        default="./deploy/wheels",
        description="Folder of wheels for the training image: a CPU build of torch in it is used as it is. Default: "
        "the folder of `PIP_FIND_LINKS`, else an empty one.",
    )
    triton_image: str = Field(
        default="nvcr.io/nvidia/tritonserver:26.10-py3",
        validation_alias="TRITON_IMAGE",
        description="NVIDIA's image of Triton with its Python backend (profile `gpu`): 26.07 or later (SECURITY.md).",
    )
    prometheus_image: str = Field(
        default="docker.io/prom/prometheus:v3.5.0", validation_alias="PROMETHEUS_IMAGE", description="Prometheus."
    )
    alertmanager_image: str = Field(
        default="docker.io/prom/alertmanager:v0.28.1",
        validation_alias="ALERTMANAGER_IMAGE",
        description="Alertmanager.",
    )
    grafana_image: str = Field(
        default="docker.io/grafana/grafana:12.1.0", validation_alias="GRAFANA_IMAGE", description="Grafana."
    )
