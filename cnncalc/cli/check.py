"""`cnncalc check`: documents are valid, and their networks are what they say."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cnncalc.diagnostics import Diagnostic, DocumentError

if TYPE_CHECKING:
    from cnncalc.checks import Outcome


class Format(StrEnum):
    text = "text"
    json = "json"
    github = "github"
    junit = "junit"
    sarif = "sarif"
    markdown = "markdown"


def check(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PATH]...",
            help="Documents, or folders with documents. Default: all below this folder.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[Format, typer.Option(help="How to write the result.")] = Format.text,
    lock: Annotated[
        bool, typer.Option("--lock", help="Hold each network to its lock file, too; see `cnncalc lock`.")
    ] = False,
    update: Annotated[bool, typer.Option("--update", help="With --lock: write the lock files anew instead.")] = False,
    only_documents: Annotated[
        bool, typer.Option("--only-documents", help="Pass over files that are no documents of cnncalc.")
    ] = False,
) -> None:
    """Hold networks to what their documents expect.

    Each failure is said at the line of the expectation. Exits with 1 where one fails, 2 where a document is wrong.
    """
    from cnncalc.checks import check_document
    from cnncalc.documents import documents
    from cnncalc.render import checks as rendered

    held = holder(lock, update) or check_document
    outcomes = [held(path) for path in documents(paths or ["."], only_documents)]
    write = {
        Format.text: rendered.text,
        Format.json: rendered.json,
        Format.github: rendered.github,
        Format.junit: rendered.junit,
        Format.sarif: rendered.sarif,
        Format.markdown: rendered.markdown,
    }[format]
    sys.stdout.write(write(outcomes))
    code = max((outcome.exit_code for outcome in outcomes), default=0)
    if code:
        raise typer.Exit(code)


def holder(lock: bool, update: bool) -> Callable[[str], Outcome] | None:
    """What a document is held to besides what it expects: its lock, or nothing."""
    if update and not lock:
        help = "add --lock, or leave out --update"
        raise DocumentError(Diagnostic("option-without-effect", "--update has no effect without --lock", help=help))
    if not lock:
        return None
    from cnncalc.lock import check_lock, update_lock

    return update_lock if update else check_lock
