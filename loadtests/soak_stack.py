"""Start a stack of its own for a soak: its own folder, ports, two encoders and three snapshots to change between."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loadtests.errors import StackFailed
from loadtests.options import ROOT, Options
from loadtests.stack import MeasuredStack, akin_json, read_status, run_akin, use_stack

_PORTS = (
    "AKIN_SERVICE_PORT", "AKIN_SERVICE_METRICS_PORT", "AKIN_UI_PORT", "AKIN_TRITON_HTTP_PORT", "AKIN_TRITON_GRPC_PORT",
    "AKIN_TRITON_METRICS_PORT",
)  # fmt: skip
_REASON = "a hot swap of the soak"


@dataclass(frozen=True)
class Swap:
    """Change of what is served: its description, the commands of `akin`, and the snapshot that is live afterwards."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    snapshot: str


@dataclass(frozen=True)
class SoakStack:
    """Running stack of a soak.

    Attributes:
        measured: Its addresses and processes.
        page: The address of the page.
        swaps: The changes, to be made in this order again and again.
    """

    measured: MeasuredStack
    page: str
    swaps: tuple[Swap, ...]


@contextlib.contextmanager
def own_stack(options: Options, folder: Path, say: Callable[[str], None]) -> Iterator[SoakStack]:
    """Yield a stack over the papers of the options, in a folder of its own; stop it at the end.

    The environment of this process is changed, so that every command of `akin` means this stack.

    Raises:
        StackFailed: There is no encoder, or the stack cannot be started.
    """
    source = Path(os.environ.get("AKIN_MODEL_REPOSITORY") or ROOT / "model_repository").absolute()
    other = copy_with_second_version(source, folder / "repository")
    for name in [name for name in os.environ if name.startswith("AKIN_") and name != "AKIN_TRITON_HOME"]:
        del os.environ[name]
    os.environ.update(zip(_PORTS, map(str, _free_ports(len(_PORTS))), strict=True))
    os.environ.update(AKIN_DATA=str(folder / "data"), AKIN_MODEL_REPOSITORY=str(folder / "repository"))
    corpus = options.corpus or "sample"
    akin = options.akin
    with use_stack(replace(options, corpus=corpus, service=None), say) as measured:
        first = _live(akin)
        run_akin(akin, "index", "build", corpus, say=say)
        second = _live(akin)
        run_akin(akin, "encoder", "promote", str(other), "--override", _REASON, say=say)
        run_akin(akin, "index", "build", corpus, say=say)
        third = _live(akin)
        status = read_status(akin)
        everything = {**measured.processes, "the supervisor": status["supervisor"]["pid"]}
        yield SoakStack(
            replace(measured, processes=everything),
            status["page"],
            (
                Swap("encoder and snapshot", (("encoder", "rollback"), ("index", "use", first)), first),
                Swap("snapshot", (("index", "use", second),), second),
                Swap(
                    "encoder and snapshot",
                    (("encoder", "promote", str(other), "--override", _REASON), ("index", "use", third)),
                    third,
                ),
            ),
        )


def copy_with_second_version(source: Path, place: Path) -> int:
    """Copy a model repository, add its promoted encoder again as another version, and return that version's number.

    Raises:
        StackFailed: The repository has no promoted encoder.
    """
    try:
        promoted = int((source / "text_encoder" / "PROMOTED").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StackFailed(f"{source} has no promoted encoder: run `akin encoder export`.") from error
    shutil.copytree(source, place, symlinks=True)
    model = place / "text_encoder"
    other = 1 + max(int(each.name) for each in model.iterdir() if each.name.isdigit())
    shutil.copytree(model / str(promoted), model / str(other), symlinks=True)
    path = model / str(other) / "manifest.json"
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    # Another digest makes it another encoder for everything that asks.
    path.write_text(json.dumps(manifest | {"version": other, "digest": f"{other:064x}"}), encoding="utf-8")
    return other


def _live(akin: Path) -> str:
    return next(str(each["id"]) for each in akin_json(akin, "index", "list", "--json") if each.get("live"))


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]
