"""`cnncalc verify`: the engine's numbers against real tensors in torch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from cnncalc.cli.options import Settings
from cnncalc.diagnostics import Diagnostic, DocumentError


class Device(StrEnum):
    cpu = "cpu"
    cuda = "cuda"
    auto = "auto"
    meta = "meta"


class Format(StrEnum):
    text = "text"
    json = "json"
    markdown = "markdown"
    junit = "junit"


def verify(
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE...", help="Documents, `-`, or networks of the zoo.", show_default=False),
    ] = None,
    whole_zoo: Annotated[bool, typer.Option("--all", help="Every network of the zoo.")] = False,
    device: Annotated[
        Device, typer.Option(help="Where torch runs; `meta` compares shapes, parameters and MACs without memory.")
    ] = Device.auto,
    batch: Annotated[int, typer.Option(min=1, help="Images in the batch that runs.")] = 2,
    dtype: Annotated[str, typer.Option(help="float32, float64, float16 or bfloat16.")] = "float32",
    seed: Annotated[int, typer.Option(help="Seed of the random weights and images.")] = 0,
    format: Annotated[Format, typer.Option(help="How to write the report.")] = Format.text,
    settings: Settings = [],  # noqa: B006  (typer's way to say "none given")
) -> None:
    """Build networks in torch and compare every number of every layer. Exits with 1 where one differs.

    torch is an extra: pip install "cnncalc[torch]".
    """
    if find_spec("torch") is None:
        raise DocumentError(
            Diagnostic(
                "torch-missing",
                "`verify` needs torch, which is not installed",
                help='pip install "cnncalc[torch]"',
            )
        )
    from cnncalc.language.load import load, zoo_names
    from cnncalc.pytorch.verify import verify as verified
    from cnncalc.render import verification as rendered

    names = [*(files or []), *(zoo_names() if whole_zoo else [])]
    if not names:
        raise DocumentError(
            Diagnostic("nothing-to-verify", "no network is named", help="name a document, or give --all for the zoo")
        )
    networks = [load(name, settings) for name in names]
    found = []
    with _progress(len(networks)) as progress:
        for position, network in enumerate(networks):
            told = partial(_tell, progress, Path(network.source).name, position)
            report = verified(network, device.value, batch, dtype, seed, progress=told)
            found.append((network, report))
    write = {
        Format.text: rendered.text,
        Format.json: rendered.json,
        Format.markdown: rendered.markdown,
        Format.junit: rendered.junit,
    }[format]
    sys.stdout.write(write(found))
    if not all(report.agrees for _, report in found):
        raise typer.Exit(1)


def _tell(progress: Callable[[str, float], None], name: str, position: int, doing: str, done: int, of: int) -> None:
    """Pass a network's own progress on as part of all networks'."""
    progress(f"{name}: {doing}", position + done / max(1, of))


@contextmanager
def _progress(networks: int) -> Iterator[Callable[[str, float], None]]:
    """A bar on standard error where that is a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda doing, done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=networks)
        yield lambda doing, done: bar.update(task, description=doing, completed=done)
