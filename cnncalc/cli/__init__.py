"""The command line: a command parses its words, calls, renders, exits. One file a command; here they are put together.

Results go to standard output, everything else to standard error. Exit codes: 0 fine, 1 a check failed, 2 the document
or the command is wrong.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from cnncalc.cli.analyze import analyze
from cnncalc.cli.calculate import conv, conv_transpose, linear, pool
from cnncalc.cli.check import check
from cnncalc.cli.compare import compare
from cnncalc.cli.convert import convert
from cnncalc.cli.count import count
from cnncalc.cli.diff import diff
from cnncalc.cli.explain import explain
from cnncalc.cli.export import app as export
from cnncalc.cli.fit import fit
from cnncalc.cli.import_ import import_
from cnncalc.cli.lock import lock
from cnncalc.cli.memory import memory
from cnncalc.cli.reference import kinds, zoo
from cnncalc.cli.savings import savings
from cnncalc.cli.schema import schema
from cnncalc.cli.solve import solve
from cnncalc.cli.verify import verify
from cnncalc.cli.whatis import whatis
from cnncalc.cli.write import write
from cnncalc.diagnostics import Diagnostic, DocumentError, render

app = typer.Typer(
    help="Exact shapes, parameters, multiplies, memory and receptive fields of convolutional networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(analyze)
app.command()(explain)
app.command()(count)
app.command()(whatis)
app.command()(memory)
app.command()(fit)
app.command()(savings)
app.command()(solve)
app.command()(conv)
app.command()(pool)
app.command()(linear)
app.command("conv-transpose")(conv_transpose)
app.command()(verify)
app.command()(check)
app.command()(lock)
app.command()(diff)
app.command()(compare)
app.command()(write)
app.command()(convert)
app.command("import")(import_)
app.add_typer(export, name="export")
app.command()(zoo)
app.command()(kinds)
app.command()(schema)


def _version(wanted: bool) -> None:
    if wanted:
        import cnncalc

        typer.echo(f"cnncalc {cnncalc.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; a user's mistake ends in its diagnostics on standard error and exit code 2."""
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except DocumentError as error:
        sys.stderr.write("\n\n".join(render(diagnostic) for diagnostic in error.diagnostics) + "\n")
        sys.exit(2)
    except BrokenPipeError:
        # The reader went away (`| head`): nothing is left to say, not even at interpreter exit.
        _silence()
        sys.exit(1)
    except OSError as error:
        if error.filename is not None:  # of a file, and not what the user asked for
            raise
        _silence()
        reason = (error.strerror or str(error)).lower()
        said = Diagnostic("cannot-write", f"standard output cannot be written: {reason}")
        sys.stderr.write(f"{render(said)}\n")
        sys.exit(2)


def _silence() -> None:
    """Let what is left for standard output go nowhere, the interpreter's last flush included."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
