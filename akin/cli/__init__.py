"""`akin`: the command line. Each group of commands is a module of its own."""

from __future__ import annotations

import signal
import sys

import typer

from akin.cli import encoder, index, papers, search, stack, train, upkeep
from akin.errors import AkinError
from papers import PapersError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Find the papers akin to yours. First: encoder export, then index build sample, then up, then search TEXT.",
)
app.add_typer(encoder.app, name="encoder")
upkeep.add_to(index.app)
app.add_typer(index.app, name="index")
app.add_typer(papers.app, name="papers")
stack.add_to(app)
search.add_to(app)
train.add_to(app)


def main() -> None:
    """Runs a command; what goes wrong is told in one line, with an exit code of its own."""
    # A polite kill ends a command as Ctrl-C does: what it started is stopped, what it wrote is whole. Ctrl-C is named
    # too, as a shell without job control starts what is in its background with Ctrl-C ignored.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)
    try:
        app()
    except AkinError as error:
        print(f"akin: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except PapersError as error:
        print(f"akin: {error}", file=sys.stderr)
        sys.exit(6)
    except BrokenPipeError:
        sys.exit(0)  # the reader of our output (`| head`) has had enough
    except KeyboardInterrupt:
        sys.exit(130)
