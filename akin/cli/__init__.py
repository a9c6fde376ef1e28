"""Define the command line `akin`, one module for each group of commands.

These modules import only typer and the standard library; a command imports the rest when it runs. `akin --help` is
plain text for the same reason: formatting it with rich takes twice as long as everything else.
"""

from __future__ import annotations

import signal
import sys

import typer

from akin.cli import (
    backup,
    bundles,
    cite,
    cloud,
    collection,
    digest,
    doctor,
    drift,
    embed,
    encoder,
    evaluate,
    feedback,
    fleet,
    index,
    index_maintenance,
    keys,
    lists,
    maps,
    mcp,
    milvus,
    papers,
    references,
    refresh,
    relevance,
    reranker,
    resolve,
    search,
    stack,
    train,
)
from akin.errors import AkinError, NotSetUp, PapersUnusable

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Find the papers akin to yours. First: encoder export, then index build sample, then up, then search TEXT.",
)
app.add_typer(encoder.app, name="encoder")
app.add_typer(reranker.app, name="reranker")
app.add_typer(bundles.push, name="push")
app.add_typer(bundles.fetch, name="fetch")
app.add_typer(cloud.app, name="cloud")
app.add_typer(fleet.app, name="fleet")
index_maintenance.add_to(index.app)
app.add_typer(index.app, name="index")
app.add_typer(keys.app, name="keys")
app.add_typer(lists.app, name="list")
app.add_typer(maps.app, name="map")
app.add_typer(milvus.app, name="milvus")
app.add_typer(papers.app, name="papers")
app.add_typer(references.app, name="references")
app.add_typer(relevance.app, name="relevance")
app.add_typer(collection.app, name="collection")
app.add_typer(drift.app, name="drift")
app.add_typer(feedback.app, name="feedback")
app.add_typer(feedback.interleave, name="interleave")
stack.add_to(app)
search.add_to(app)
cite.add_to(app)
resolve.add_to(app)
digest.add_to(app)
mcp.add_to(app)
doctor.add_to(app)
backup.add_to(app)
refresh.add_to(app)
embed.add_to(app)
evaluate.add_to(app)
train.add_to(app)


def main() -> None:
    """Run a command; print an expected error as one line and exit with the code of its kind."""
    # SIGTERM ends a command as Ctrl-C does: it stops the processes that it started and leaves no half-written file.
    # SIGINT is set too, as a shell without job control starts its background commands with SIGINT ignored.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)
    try:
        app()
    except BrokenPipeError:
        sys.exit(0)  # the reader of the output (`| head`) has closed it
    except KeyboardInterrupt:
        sys.exit(130)
    except UnicodeEncodeError as error:
        # Python keeps bytes of an argument that are not text as lone surrogates, which file names may have.
        wrong = next((each for each in sys.argv[1:] if any("\ud800" <= sign <= "\udfff" for sign in each)), None)
        if wrong is None:
            raise
        print(f"akin: the argument {wrong!a} is not text ({error.reason}): write it in UTF-8", file=sys.stderr)
        sys.exit(2)
    except Exception as error:
        from akin.papers import PapersError

        # FAISS for GPUs loads CUDA's libraries when it is imported, and names the package that is missing.
        if isinstance(error, RuntimeError) and str(error).startswith("faiss-gpu"):
            print(f"akin: {error}; or install faiss-cpu in its place, which needs no CUDA.", file=sys.stderr)
            sys.exit(NotSetUp.exit_code)
        if not isinstance(error, AkinError | PapersError):
            raise
        print(f"akin: {error}", file=sys.stderr)
        sys.exit(error.exit_code if isinstance(error, AkinError) else PapersUnusable.exit_code)
