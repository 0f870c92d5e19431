"""`cnncalc solve`: the unknown in a layer's shape equation, or the inputs that a network takes."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from cnncalc.cli.options import Settings, Words
from cnncalc.cli.sizes import PADDING_WORDS, Size, map_size, not_a_size, size
from cnncalc.diagnostics import Diagnostic, DocumentError, quoted

if TYPE_CHECKING:
    from cnncalc.input_sizes import Accepted, Inputs
    from cnncalc.solve import Solved

LAYERS = ("conv", "pool", "conv-transpose")


_SIZE = "Size, or one an axis (3x5); `?` is an unknown."
Text = str | None


def solve(
    what: Annotated[
        str,
        typer.Argument(
            metavar="conv|pool|conv-transpose|FILE",
            help="A kind of layer, or a document or network of the zoo.",
            show_default=False,
        ),
    ],
    input: Annotated[
        Text, typer.Option(metavar="SIZE", help="Input: 224, 224x224 or 224x224x3.", show_default=False)
    ] = None,
    output: Annotated[
        Text, typer.Option(metavar="SIZE", help="Output, of the layer or of the network.", show_default=False)
    ] = None,
    kernel: Annotated[
        Text, typer.Option("--kernel", "--kernel-size", "-k", metavar="SIZE", help=_SIZE, show_default=False)
    ] = None,
    stride: Annotated[Text, typer.Option("--stride", "-s", metavar="SIZE", show_default=False)] = None,
    padding: Annotated[Text, typer.Option("--padding", "-p", metavar="SIZE", show_default=False)] = None,
    dilation: Annotated[Text, typer.Option("--dilation", "-d", metavar="SIZE", show_default=False)] = None,
    output_padding: Annotated[
        Text,
        typer.Option("--output-padding", "-a", metavar="SIZE", help="Of conv-transpose.", show_default=False),
    ] = None,
    ceil: Annotated[bool, typer.Option("--ceil", help="A pool's division is rounded up.")] = False,
    max_kernel: Annotated[int | None, typer.Option(min=1, help="The largest kernel tried.", show_default=False)] = None,
    max_stride: Annotated[int | None, typer.Option(min=1, help="The largest stride tried.", show_default=False)] = None,
    max_padding: Annotated[
        int | None, typer.Option(min=0, help="The largest padding tried.", show_default=False)
    ] = None,
    max_dilation: Annotated[
        int | None, typer.Option(min=1, help="The largest dilation tried.", show_default=False)
    ] = None,
    layer: Annotated[
        Text,
        typer.Option(metavar="NAME", help="Of a FILE: the layer or block that gives --output.", show_default=False),
    ] = None,
    format: Annotated[Words, typer.Option(help="How to write the answer.")] = Words.text,
    settings: Settings = [],  # noqa: B006  (typer's way to say "none given")
) -> None:
    """The unknown in a shape equation: the sizes of a layer, or the inputs of a network.

    `solve conv --input 32 --output 32 -k 5` finds stride and padding: what is left out is solved for, where --input and
    --output are given; or mark the unknowns, `-p ?`, and what is left out is stride 1 (a pool's: its kernel),
    padding 0, dilation 1.

    `solve FILE` says which inputs a network takes, `solve FILE --output 7x7` which ones give that output.

    That there is none is an answer, too. Exits with 1 where every size is given and they do not go together.
    """
    of_layers = {
        "--input": input,
        "--kernel": kernel,
        "--stride": stride,
        "--padding": padding,
        "--dilation": dilation,
        "--output-padding": output_padding,
        "--ceil": ceil or None,
        "--max-kernel": max_kernel,
        "--max-stride": max_stride,
        "--max-padding": max_padding,
        "--max-dilation": max_dilation,
    }
    of_networks = {"--layer": layer, "--set": settings or None}
    if what not in LAYERS:
        _refuse(of_layers, what, "is of `solve conv`, `pool` and `conv-transpose`, not of a network")
        _write(_of_network(what, output, layer, settings), format)
        return
    _refuse(of_networks, what, "is of `solve FILE`, not of a layer")
    from cnncalc.solve import KIND_OF, Bounds
    from cnncalc.solve import solve as solved

    if ceil and what != "pool":
        help = "leave out --ceil; what a floor leaves over is said"
        raise DocumentError(Diagnostic("no-ceil", "--ceil is for pools", help=help))
    places, channels = map_size("--input", input)
    made, out_channels = map_size("--output", output)
    found = solved(
        KIND_OF[what],
        input=places,
        output=made,
        kernel_size=size("--kernel", kernel),
        stride=size("--stride", stride),
        padding=_padding(padding),
        dilation=size("--dilation", dilation),
        output_padding=size("--output-padding", output_padding),
        rounding="ceil" if ceil else "floor",
        channels=channels,
        out_channels=out_channels,
        bounds=Bounds(max_kernel, max_stride, max_padding, max_dilation),
    )
    _write(found, format)
    if not found.asked and not found.choices:
        raise typer.Exit(1)


def _of_network(file: str, output: str | None, layer: str | None, settings: list[str]) -> Accepted | Inputs:
    from cnncalc.input_sizes import accepted, inputs_for

    if output is not None:
        sizes, channels = map_size("--output", output)
        if sizes == "?" or sizes is None:
            raise DocumentError(not_a_size("--output", output))
        places = sizes if isinstance(sizes, tuple) else (sizes,)
        if 0 in places:
            raise DocumentError(not_a_size("--output", output))
        return inputs_for(file, places, layer or "", settings, channels)
    if layer is not None:
        help = "give the output that it should have: --output 7x7"
        raise DocumentError(Diagnostic("option-without-effect", "--layer has no effect without --output", help=help))
    return accepted(file, settings)


def _write(found: Solved | Accepted | Inputs, format: Words) -> None:
    if format is Words.text:
        from cnncalc.render import solve as rendered

        rendered.write(found)
        return
    from cnncalc.solve import Solved, to_json

    if isinstance(found, Solved):
        sys.stdout.write(to_json(found) + "\n")
    else:
        from cnncalc import input_sizes

        sys.stdout.write(input_sizes.to_json(found) + "\n")


# Words ----------------------------------------------------------------------------------------------------------------


def _padding(text: str | None) -> Size:
    if text is not None and text.lower() in PADDING_WORDS:
        help = "give --input, --output and the kernel, and the padding is found; `valid` is 0"
        message = f"`solve` takes a padding in numbers, not {quoted(text)}"
        raise DocumentError(Diagnostic("not-a-size", message, help=help))
    return size("--padding", text)


def _refuse(options: Mapping[str, object], what: str, why: str) -> None:
    """Options that the question has no use for."""
    for name, value in options.items():
        if value is not None:
            help = "" if what in LAYERS else _meant(what)
            raise DocumentError(Diagnostic("option-without-effect", f"{name} {why}", help=help))


def _meant(what: str) -> str:
    from cnncalc.diagnostics import did_you_mean, near

    return did_you_mean(
        [f"solve {name}" for name in near(what, LAYERS)], f"leave it out, or ask for a layer: {LAYERS[0]}"
    )
