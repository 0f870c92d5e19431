"""`cnncalc verify`: the engine's numbers against real tensors in torch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncalc.cli.options import Settings
from cnncalc.diagnostics import Diagnostic, DocumentError, quoted

if TYPE_CHECKING:
    from cnncalc.graph import Network
    from cnncalc.pytorch.verify import Progress, Verification

    Verify = Callable[[Network, Progress], Verification]


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
        typer.Argument(metavar="FILE...", help="Documents, `-`, networks of the zoo, or models.", show_default=False),
    ] = None,
    whole_zoo: Annotated[bool, typer.Option("--all", help="Every network of the zoo.")] = False,
    memory: Annotated[
        bool, typer.Option("--memory", help="Compare the bytes live after every operator, instead of the layers.")
    ] = False,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="MODEL",
            help="Compare with this module in PyTorch, whose code is run: torchvision.models:resnet50, net.py:Net(10).",
            show_default=False,
        ),
    ] = None,
    device: Annotated[
        Device | None,
        typer.Option(
            help="Where torch runs; `meta` compares shapes, parameters and MACs without memory.",
            show_default="auto, with --memory cpu",
        ),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Images in the batch that runs.")] = 2,
    dtype: Annotated[str, typer.Option(help="float32, float64, float16 or bfloat16.")] = "float32",
    optimizer: Annotated[
        str | None,
        typer.Option(help="With --memory, what trains: sgd, momentum, adam, adamw or none.", show_default="adam"),
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(help="With --memory, what is trained for: cross_entropy or none.", show_default="cross_entropy"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random weights and images.")] = 0,
    format: Annotated[Format, typer.Option(help="How to write the report.")] = Format.text,
    settings: Settings = [],  # noqa: B006  (typer's way to say "none given")
) -> None:
    """Build networks in torch and compare every number of every layer. Exits with 1 where one differs.

    With --memory: run them in torch, in prediction and in two steps of training, and compare the operators, the bytes
    live after each, the peaks and what each layer keeps for the backward pass with what `cnncalc memory` goes by.

    With --against: compare one network with a module in prediction, layer by layer in order, and what both make of the
    same images with the same weights.

    torch is an extra: pip install "cnncalc\\[torch]".
    """
    if find_spec("torch") is None:
        raise DocumentError(
            Diagnostic(
                "torch-missing",
                "`verify` needs torch, which is not installed",
                help='pip install "cnncalc[torch]"',
            )
        )
    from cnncalc.language.load import zoo_names
    from cnncalc.models import load
    from cnncalc.render import verification as rendered

    names = [*(files or []), *(zoo_names() if whole_zoo else [])]
    if not names:
        raise DocumentError(
            Diagnostic("nothing-to-verify", "no network is named", help="name a document, or give --all for the zoo")
        )
    if against is not None:
        _refuse_with_module(against, names, memory=memory, optimizer=optimizer, loss=loss)
        verified = _against(against, device or Device.auto, batch, dtype, seed)
    elif memory:
        verified = _of_memory(device or Device.cpu, batch, dtype, optimizer or "adam", loss or "cross_entropy", seed)
    else:
        _refuse_without_memory(optimizer=optimizer, loss=loss)
        verified = _of_layers(device or Device.auto, batch, dtype, seed)
    networks = [load(name, settings) for name in names]
    found = []
    with _progress(len(networks)) as progress:
        for position, network in enumerate(networks):
            told = partial(_tell, progress, Path(network.source).name, position)
            found.append((network, verified(network, told)))
    write = {
        Format.text: rendered.text,
        Format.json: rendered.json,
        Format.markdown: rendered.markdown,
        Format.junit: rendered.junit,
    }[format]
    sys.stdout.write(write(found))
    if not all(report.agrees for _, report in found):
        raise typer.Exit(1)


def _of_layers(device: Device, batch: int, dtype: str, seed: int) -> Verify:
    from cnncalc.pytorch.verify import verify

    return lambda network, told: verify(network, device.value, batch, dtype, seed, told)


def _of_memory(device: Device, batch: int, dtype: str, optimizer: str, loss: str, seed: int) -> Verify:
    from cnncalc.eager import Setup
    from cnncalc.pytorch.memory import verify_memory
    from cnncalc.pytorch.verify import chosen

    if device is Device.meta:
        message = "on `meta` nothing is in memory, so that --memory has nothing to compare there"
        raise DocumentError(Diagnostic("no-memory-on-meta", message, help="leave out --device, or use `cpu`"))
    optimizer = "" if optimizer == "none" else optimizer
    setup = Setup(batch, dtype, chosen(device.value), training=True, optimizer=optimizer, loss=loss)
    return lambda network, told: verify_memory(network, setup, seed, told)


def _against(reference: str, device: Device, batch: int, dtype: str, seed: int) -> Verify:
    from cnncalc.pytorch.against import verify_against

    return lambda network, told: verify_against(network, reference, device.value, batch, dtype, seed, told)


def _refuse_with_module(reference: str, names: list[str], **options: str | bool | None) -> None:
    """A module is one, and is compared with one network."""
    from cnncalc.models import is_model

    if not is_model(reference):
        help = "write torchvision.models:resnet50, path/to/file.py:Net(10) or program.pt2"
        raise DocumentError(Diagnostic("not-a-model", f"{quoted(reference)} names no model in Python", help=help))
    if len(names) > 1:
        message = f"{len(names)} networks are named, and --against compares one with a module"
        raise DocumentError(Diagnostic("one-network", message, help="name one"))
    for name, value in options.items():
        if value:
            message = f"--{name} has no effect with --against"
            raise DocumentError(Diagnostic("option-without-effect", message, help=f"leave out --{name}"))


def _refuse_without_memory(**options: str | None) -> None:
    """These options say how a network is trained, which only --memory does."""
    for name, value in options.items():
        if value is not None:
            message = f"--{name} has no effect without --memory"
            raise DocumentError(
                Diagnostic("option-without-effect", message, help=f"add --memory, or leave out --{name}")
            )


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
