"""`cnncalc check`: documents are valid, and their networks are what they say."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncalc.cli.options import Settings
from cnncalc.diagnostics import Diagnostic, DocumentError

if TYPE_CHECKING:
    from cnncalc.checks import Outcome


MOST_SUMMARY = 1 << 20  # bytes that GitHub takes as the summary of a step


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
            help="Documents, models, or folders with documents. Default: all below this folder.",
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
    settings: Settings = [],  # noqa: B006  (typer's way to say "none given")
) -> None:
    """Hold networks to what their documents expect.

    Each failure is said at the line of the expectation. Exits with 1 where one fails, 2 where a document is wrong.
    """
    from cnncalc.checks import check_document
    from cnncalc.documents import documents
    from cnncalc.render import checks as rendered

    held = holder(lock, update) or check_document
    outcomes = [held(path, settings) for path in documents(paths or ["."], only_documents)]
    folder = folder_in_repository()
    write: dict[Format, Callable[[list[Outcome]], str]] = {
        Format.text: rendered.text,
        Format.json: rendered.json,
        Format.github: partial(rendered.github, folder=folder),
        Format.junit: rendered.junit,
        Format.sarif: partial(rendered.sarif, folder=folder),
        Format.markdown: rendered.markdown,
    }
    sys.stdout.write(write[format](outcomes))
    if format is Format.github:
        add_to_summary(rendered.markdown(outcomes))
    code = max((outcome.exit_code for outcome in outcomes), default=0)
    if code:
        raise typer.Exit(code)


def holder(lock: bool, update: bool) -> Callable[[str, Iterable[str]], Outcome] | None:
    """What a document is held to besides what it expects: its lock, or nothing."""
    if update and not lock:
        help = "add --lock, or leave out --update"
        raise DocumentError(Diagnostic("option-without-effect", "--update has no effect without --lock", help=help))
    if not lock:
        return None
    from cnncalc.lock import check_lock, update_lock

    return update_lock if update else check_lock


def folder_in_repository() -> str:
    """This folder as seen from the repository that GitHub works on, whose paths annotations have; nothing elsewhere."""
    root = os.environ.get("GITHUB_WORKSPACE")
    here = Path.cwd().resolve()
    if not root or not here.is_relative_to(Path(root).resolve()):
        return ""
    return here.relative_to(Path(root).resolve()).as_posix()


def add_to_summary(report: str) -> None:
    """Append a report to the summary of the step that GitHub runs; where that cannot be, the check is as good."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    try:
        with open(path, "ab") as stream:
            written = stream.tell()
            data = ("\n" if written else "").encode() + report.encode()
            if written + len(data) > MOST_SUMMARY:
                rest = b"\nThe rest did not fit.\n"
                room = max(0, MOST_SUMMARY - written - len(rest))
                data = data[: data.rfind(b"\n", 0, room) + 1] + rest
            stream.write(data if written + len(data) <= MOST_SUMMARY else b"")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        sys.stderr.write(f"warning: the step's summary cannot be written: {reason}\n")
