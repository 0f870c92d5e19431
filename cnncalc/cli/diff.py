"""`cnncalc diff`: what changed from one network to another, where it begins, and what it costs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Annotated, TypeVar

import typer

from cnncalc.cli.options import Settings, tell
from cnncalc.diagnostics import Diagnostic, DocumentError, Findings, render


class Format(StrEnum):
    table = "table"
    markdown = "markdown"
    json = "json"


T = TypeVar("T")
_SIDE = "A document, a network of the zoo, a model, a lock file, or git:REV:PATH"


def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help=f"{_SIDE}.", show_default=False)],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The same.", show_default=False)],
    format: Annotated[Format, typer.Option(help="How to write the result.")] = Format.table,
    fail_on: Annotated[
        list[str],
        typer.Option(
            "--fail-on",
            metavar="LIMIT",
            help="Exit with 1 where a total grows (+) or shrinks (-) further: 'macs>+5%'. May be repeated.",
        ),
    ] = [],  # noqa: B006  (typer's way to say "none given")
    settings: Settings = [],  # noqa: B006
) -> None:
    """What changed from one network to another: by layer, the first of them with its line, and in total.

    Layers are the same where their names are. `cnncalc diff git:main:net.yaml net.yaml` compares with a revision of the
    git repository around this folder.
    """
    from cnncalc.diff import diff as compared
    from cnncalc.growth import hold, limit
    from cnncalc.render import diff as rendered
    from cnncalc.sides import LOCK, loaded

    if old == new == "-":
        help = "name a file on one side"
        raise DocumentError(Diagnostic("one-standard-input", "standard input can be one side only", help=help))
    limits = _every(limit, fail_on)
    if settings and old.endswith(LOCK) and new.endswith(LOCK):
        help = "name the documents themselves"
        message = "--set has no effect on locks, whose numbers are those of their own runs"
        raise DocumentError(Diagnostic("option-without-effect", message, help=help))
    before, after = _every(lambda name: loaded(name, () if name.endswith(LOCK) else settings), [old, new])
    found = compared(before.figures, after.figures, (before.source, after.source), after.places)
    failures = hold(found, limits)
    if format is Format.table:
        rendered.write(found)
    else:
        sys.stdout.write(rendered.markdown(found) if format is Format.markdown else rendered.json(found))
    tell([*before.said, *after.said])
    if failures:
        sys.stdout.flush()
        sys.stderr.write("\n\n".join(map(render, failures)) + "\n")
        raise typer.Exit(1)


def _every(made: Callable[[str], T], texts: Sequence[str]) -> list[T]:
    """What becomes of each text; the mistakes of all of them at once."""
    found, results = Findings(), []
    for text in texts:
        try:
            results.append(made(text))
        except DocumentError as error:
            found.extend(error)
    found.raise_if_any()
    return results
