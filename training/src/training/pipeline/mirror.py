"""Mirror the registry of encoders in a tracker: `python -m training.pipeline.mirror tracking=mlflow`.

Every version of the model repository becomes a version of one registered model. The alias `champion` is the promoted
version, and `challenger` the newest one after it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.command import run_command
from training.errors import ConfigurationError, PublishError, TrainingError
from training.pipeline.composition import compose, set_default_paths
from training.pipeline.configuration import Configuration
from training.pipeline.tracked import tracking_store
from training.registry import publish
from training.tracking.config import MLflowConfig, WandbConfig

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

CHAMPION, CHALLENGER = "champion", "challenger"


@dataclass(frozen=True)
class Version:
    """Version of the model repository.

    Attributes:
        number: its number.
        digest: digest of its encoder.
        folder: its folder.
    """

    number: int
    digest: str
    folder: Path

    @property
    def facts(self) -> dict[str, str]:
        """Facts that the tracker has about it."""
        return {"encoder_version": str(self.number), "encoder_digest": self.digest}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Return 0 on success, 1 if it was refused with a message, 2 for a wrong argument."""
    parser = argparse.ArgumentParser(prog="python -m training.pipeline.mirror", description=__doc__)
    parser.add_argument("overrides", nargs="*", metavar="GROUP=NAME|KEY=VALUE", help="such as tracking=wandb")
    parser.add_argument("--json", action="store_true", help="print the aliases as JSON")
    return run_command(parser, _run, arguments)


def _run(options: argparse.Namespace) -> str:
    set_default_paths()
    aliases = mirror(compose(options.overrides))
    if options.json:
        return json.dumps(aliases)
    return "\n".join(f"{alias}: version {number}" for alias, number in aliases.items()) or "no version is promoted"


def mirror(configuration: Configuration) -> dict[str, int]:
    """Register the versions that the tracker lacks, and move the aliases.

    Returns:
        The number of the version of each alias that is set.

    Raises:
        ConfigurationError: The tracker has no registry, or cannot be used.
        PublishError: A manifest cannot be read.
    """
    settings = configuration.tracking
    versions = read_versions(Path(configuration.paths.repository) / publish.TEXT_ENCODER)
    aliases = aliases_of(
        versions, publish.promoted_version(Path(configuration.paths.repository) / publish.TEXT_ENCODER)
    )
    try:
        if isinstance(settings, MLflowConfig):
            _mirror_in_mlflow(settings, tracking_store(configuration), versions, aliases)
        elif isinstance(settings, WandbConfig):
            _mirror_in_wandb(settings, versions, aliases)
        else:
            raise ConfigurationError("there is no tracker to mirror the registry in: add tracking=mlflow or wandb.")
    except ImportError as error:
        raise ConfigurationError(f"tracking: {error.name} is not installed here: run `make setup`.") from error
    except TrainingError:
        raise
    except Exception as error:  # of the tracker's own classes, of a database or of the network
        raise ConfigurationError(
            f"the registry was not mirrored ({type(error).__name__}: {error}); the model repository is unchanged. "
            "Repeat: akin encoder mirror."
        ) from error
    return {alias: each.number for alias, each in aliases.items() if each is not None}


def read_versions(model: Path) -> list[Version]:
    """Return the versions in a model's folder, in order.

    Raises:
        PublishError: A manifest cannot be read.
    """
    found = []
    for path in model.glob("[0-9]*/manifest.json"):
        try:
            digest = str(json.loads(path.read_bytes())["digest"])
            found.append(Version(int(path.parent.name), digest, path.parent))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PublishError(f"{path} cannot be read ({error}): correct it or remove the version.") from error
    return sorted(found, key=lambda each: each.number)


def aliases_of(versions: Sequence[Version], promoted: int | None) -> dict[str, Version | None]:
    """Return the version that each alias belongs to; None if it belongs to none."""
    champion = next((each for each in versions if each.number == promoted), None)
    later = [each for each in versions if champion and each.number > champion.number and each.digest != champion.digest]
    return {CHAMPION: champion, CHALLENGER: later[-1] if later else None}


def _mirror_in_mlflow(
    settings: MLflowConfig, store: Path, versions: Sequence[Version], aliases: dict[str, Version | None]
) -> None:
    from training.tracking.mlflow_run import open_client

    client, model = open_client(settings, store), settings.model
    if not client.search_registered_models(f"name = '{model}'"):
        client.create_registered_model(model)
    known = {
        each.tags.get("encoder_digest"): each.version for each in client.search_model_versions(f"name = '{model}'")
    }
    for each in versions:
        if each.digest not in known:
            run, source = _find_run(client, settings, each)
            made = client.create_model_version(model, source, run_id=run, tags=each.facts)
            known[each.digest] = made.version
    for alias, wanted in aliases.items():
        if wanted is not None:
            client.set_registered_model_alias(model, alias, str(known[wanted.digest]))
        else:
            client.delete_registered_model_alias(model, alias)


def _find_run(client: MlflowClient, settings: MLflowConfig, version: Version) -> tuple[str | None, str]:
    """Return the run that made a version, if one was tracked, and the place of the version's files."""
    from training.tracking.mlflow_run import VERSION

    experiments = [each.experiment_id for each in client.search_experiments()]
    found = client.search_runs(experiments, f"tags.encoder_digest = '{version.digest}'", max_results=1)
    if found:
        run = found[0].info
        stored = any(each.path == VERSION for each in client.list_artifacts(run.run_id))
        return run.run_id, f"{run.artifact_uri}/{VERSION}" if stored else version.folder.absolute().as_uri()
    if settings.uri:
        raise ConfigurationError(
            f"encoder version {version.number} was not trained with tracking at {settings.uri}, whose server cannot "
            f"take a folder of this machine. Keep its registry in a database here: leave out tracking.uri."
        )
    return None, version.folder.absolute().as_uri()


def _mirror_in_wandb(settings: WandbConfig, versions: Sequence[Version], aliases: dict[str, Version | None]) -> None:
    import wandb

    from training.tracking.wandb_run import artifact_name, digest_alias, new_version

    if settings.mode == "offline":
        raise ConfigurationError(
            "aliases of Weights & Biases are on its server: set WANDB_API_KEY and give tracking.mode=online."
        )
    api: Any = wandb.Api()
    path = f"{settings.project}/{artifact_name(settings.model)}"
    missing = [each for each in versions if not api.artifact_exists(f"{path}:{digest_alias(each.digest)}")]
    if missing:
        with wandb.init(project=settings.project, job_type="registry", settings=wandb.Settings(silent=True)) as run:
            for each in missing:
                logged = run.log_artifact(
                    new_version(settings, each.folder, each.facts), aliases=[digest_alias(each.digest)]
                )
                logged.wait()
    for alias, wanted in aliases.items():
        if wanted is not None:
            artifact = api.artifact(f"{path}:{digest_alias(wanted.digest)}")
            # The server takes the alias from the version that had it.
            artifact.aliases = sorted({*artifact.aliases, alias})
            artifact.save()
        elif api.artifact_exists(f"{path}:{alias}"):
            artifact = api.artifact(f"{path}:{alias}")
            artifact.aliases = [each for each in artifact.aliases if each != alias]
            artifact.save()


if __name__ == "__main__":
    raise SystemExit(main())
