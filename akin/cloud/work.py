"""Describe the work of a training job: what the launcher asks for, and what the container answers in the bucket.

runs/<run>/claim.json    made once, by the launcher that owns the name
runs/<run>/job.json      the latest job, and how often it was submitted
runs/<run>/state/        bundles with the folder of the run, each in the place of the one before
runs/<run>/version/      a bundle with the version, its report and its weights
runs/<run>/report.md     the report
runs/<run>/result.json   written last: the number, the digest and the figures of the version
"""

from __future__ import annotations

import msgspec

from akin.cloud.config import Cloud

CLAIM, JOB, RESULT, REPORT = "claim.json", "job.json", "result.json", "report.md"
STATE, VERSION = "state", "version"


class Work(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Work of a container.

    Attributes:
        run: Address of the run.
        project: Project of the secret.
        overrides: Arguments of `akin train`.
        papers: Address of the papers; empty for the sample.
        papers_name: Name of their file, from which its format is known.
        papers_md5: MD5 that DVC knows them by; empty if they do not come from DVC.
        models: Address of the models that serve; the new version is compared with them if there are any.
        wandb_secret: Name of the secret with the key of Weights & Biases.
        processes: Processes to train in.
        save_seconds: Seconds between two copies of the run.
        endpoints: Other addresses of interfaces.
    """

    run: str
    project: str
    overrides: tuple[str, ...] = ()
    papers: str = ""
    papers_name: str = ""
    papers_md5: str = ""
    models: str = ""
    wandb_secret: str = ""
    processes: int = 1
    save_seconds: float = 120
    endpoints: dict[str, str] = {}

    def encode(self) -> str:
        """Return the work as the argument of `akin cloud worker`."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def decode(cls, text: str) -> Work:
        """Return the work of an argument.

        Raises:
            msgspec.ValidationError: It is none.
        """
        return msgspec.json.decode(text, type=cls)


def run_address(cloud: Cloud, run: str) -> str:
    """Return the address of a run."""
    return cloud.below(f"runs/{run}")
