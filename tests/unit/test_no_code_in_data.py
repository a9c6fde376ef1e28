"""Data stays data: nothing that the project reads is run as code, and no shell reads a text."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("akin", "benchmarks", "client", "deploy", "gradio_ui", "loadtests", "model_repository", "retrieval_service")
RUNS_WHAT_IT_READS = {
    "cloudpickle", "cPickle", "dill", "joblib", "jsonpickle", "marshal", "pickle", "pickletools", "shelve",
}  # fmt: skip
CALLS = {
    "eval": "runs a text", "exec": "runs a text",
    "os.system": "a shell reads a text", "os.popen": "a shell reads a text",
    "subprocess.getoutput": "a shell reads a text", "subprocess.getstatusoutput": "a shell reads a text",
    "yaml.load": "makes objects", "yaml.unsafe_load": "makes objects", "yaml.full_load": "makes objects",
    "tempfile.mktemp": "another may take the name", "pandas.read_pickle": "runs what it reads",
    "pd.read_pickle": "runs what it reads", "logging.config.listen": "runs what it reads",
}  # fmt: skip
# The class of an error that torch raises for a file that it does not read.
ALLOWED = {("training/src/training/registry/adapter.py", "import of pickle")}


def objections(source: str) -> Iterator[str]:
    """Yield what in a module may run data as code."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
            yield from (f"import of {name}" for name in names if name.partition(".")[0] in RUNS_WHAT_IT_READS)
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        options = {each.arg: ast.unparse(each.value) for each in node.keywords}
        if called in CALLS:
            yield f"{called}: {CALLS[called]}"
        if called in {"torch.load", "load_checkpoint"} and options.get("weights_only") != "True":
            yield f"{called} without weights_only=True"
        if options.get("allow_pickle", "False") != "False":
            yield f"{called} with allow_pickle"
        if options.get("shell", "False") != "False":
            yield f"{called} with a shell"
        if options.get("trust_remote_code", "False") != "False":
            yield f"{called} with trust_remote_code"
        if options.get("verify") == "False":
            yield f"{called} without a check of the certificate"
        if called.endswith(".extractall") and "filter" not in options and "tar" in ast.unparse(node.func).lower():
            yield f"{called} without a filter"


def modules() -> list[Path]:
    rooms = [ROOT / room for room in ROOMS] + [ROOT / "training/src"]
    return [path for room in rooms for path in sorted(room.rglob("*.py")) if "/tests/" not in str(path)]


def test_nothing_that_is_read_is_run() -> None:
    found = modules()
    assert len(found) > 400
    said = [(str(path.relative_to(ROOT)), each) for path in found for each in objections(path.read_text("utf-8"))]
    assert set(said) == ALLOWED


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from joblib import load", "import shelve", "torch.load(path)",
        "torch.load(path, weights_only=False)", "np.load(path, allow_pickle=True)", "np.load(p, allow_pickle=own)",
        "eval(text)", "exec(text)", "os.system(text)", "yaml.load(text)", "subprocess.run(text, shell=True)",
        "AutoModel.from_pretrained(x, trust_remote_code=True)", "httpx.get(x, verify=False)", "tar.extractall(folder)",
    ],
)  # fmt: skip
def test_each_way_is_seen(source: str) -> None:
    assert len(list(objections(source))) == 1


@pytest.mark.parametrize(
    "source", ["model.eval()", "torch.load(p, weights_only=True)", "np.load(p)", "tar.extractall(f, filter='data')"]
)
def test_harmless_calls_pass(source: str) -> None:
    assert list(objections(source)) == []
