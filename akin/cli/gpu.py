"""Define `akin encoder gpu`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from akin.cli.corpus import corpus_path
from akin.cli.output import Json, print_json, read_settings, say
from akin.errors import EncoderError


def for_gpu(
    version: Annotated[int, typer.Argument(help="The version to serve on a GPU.")],
    source: Annotated[
        str | None, typer.Option(help="The model it was made from. Default: the one named in its manifest.")
    ] = None,
    runtime: Annotated[
        str,
        typer.Option(
            help="For NVIDIA's image: `tensorrt` (ONNX Runtime with TensorRT), `cuda`, or `plan` (an engine built "
            "beforehand). For the embedded server: `torch`, `ort-cuda`, `ort-tensorrt`, or `auto` for the fastest here."
        ),
    ] = "tensorrt",
    device: Annotated[
        str, typer.Option(help="`cpu` tries a runtime of the embedded server without a GPU, which shows no speed.")
    ] = "cuda",
    packages: Annotated[
        Path | None,
        typer.Option(
            help="A folder of packages with torch for the embedded server's Python, of its release. Default: that of "
            "the training environment."
        ),
    ] = None,
    texts: Annotated[str, typer.Option(help="Papers that parity is measured on: a file, or `sample`.")] = "sample",
    engine_cache: Annotated[
        str | None,
        typer.Option(
            help="The folder, as the server sees it, that keeps TensorRT's engines. Default: /var/cache/akin/tensorrt."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Make the files with which a GPU serves a version: the model `encoder` in FP16 and its Triton configuration."""
    from akin.registry import gpu, gpu_packages, versions

    settings = read_settings()
    embedded = (gpu_packages.AUTO, *gpu_packages.RUNTIMES)
    if runtime not in (*gpu.RUNTIMES, *embedded):
        raise EncoderError(f"there is no runtime {runtime!r}; there are: {', '.join((*gpu.RUNTIMES, *embedded))}.")
    if device not in gpu_packages.DEVICES:
        raise EncoderError(f"there is no device {device!r}; there are: {', '.join(gpu_packages.DEVICES)}.")
    if runtime in gpu.RUNTIMES and (device != "cuda" or packages):
        raise EncoderError(f"--device and --packages are for the embedded server: name one of {', '.join(embedded)}.")
    if packages is not None and not packages.is_dir():
        raise EncoderError(f"{packages} is not a folder: name one of packages with --packages.")
    versions.find(settings.repository, version)
    papers = corpus_path(settings, texts)
    if runtime in embedded:
        beside = packages.absolute() if packages else gpu_packages.server_packages(settings)
        choice = gpu_packages.Choice(runtime, device, beside)
        cache = engine_cache or str(settings.data / "tensorrt")
        made, files = gpu_packages.export(settings, version, choice, papers, source=source, engine_cache=cache)
        if json:
            print_json({**made, "files": [str(path) for path in files]})
            return
        report_measured(made)
        for path in (made["folder"], *files):
            say(f"produced {path}")
        say(f"to serve with it: `akin down`, then AKIN_ENCODER_INNER={gpu.INNER_MODEL} akin up")
        return
    cache = engine_cache or gpu.ENGINE_CACHE
    made, files = gpu.export_gpu_model(settings, version, runtime, papers, source=source, engine_cache=cache)
    absent = gpu.missing_steps(settings.repository, version, runtime)
    if json:
        print_json({**made, "runtime": runtime, "files": [str(path) for path in files], "missing": absent})
        return
    say(f"produced {made['folder']}/model.onnx (mean cosine to FP32 {made['parity']['mean_cosine']:.5f})")
    for path in files:
        say(f"produced {path}")
    for reason in absent:
        say(f"missing: {reason}")


def report_measured(made: Mapping[str, Any]) -> None:
    """Print a line for each runtime that was measured, and which one was chosen."""
    for each in made["measured"]:
        if "unusable" in each:
            say(f"{each['runtime']}: not used: {each['unusable']}")
        else:
            say(
                f"{each['runtime']}: {each['texts_per_second']:,.0f} texts/s of {each['tokens_per_text']:.0f} tokens, "
                f"{each['one_text_ms']:.2f} ms for one text, mean cosine to FP32 {each['mean_cosine']:.6f} "
                f"({each['software']} on {each['device']})"
            )
    say(f"chosen: {made['runtime']}")
