"""`cnncalc conv`, `pool`, `linear`, `conv-transpose`: one layer, everything about it, with its working.

A calculator writes the document of its one layer and analyses that; its mistakes are the document's.
"""

from __future__ import annotations

import re
import sys
from typing import Annotated

import typer

from cnncalc.cli.options import Language, Words, dtype_named, language_named
from cnncalc.cli.sizes import PADDING_WORDS, not_a_size, size
from cnncalc.diagnostics import Diagnostic, DocumentError

_INPUT = re.compile(r"[0-9]+(?:x[0-9]+)*\Z|\[ *[0-9]+(?: *, *[0-9]+)* *\]\Z")


Shape = Annotated[
    str,
    typer.Argument(metavar="INPUT", help="224x224x3, or [3, 224, 224]; one number is a vector.", show_default=False),
]
Kernel = Annotated[
    str,
    typer.Option(
        "--kernel", "--kernel-size", "-k", metavar="SIZE", help="Size, or one an axis: 3x5.", show_default=False
    ),
]
Filters = Annotated[int, typer.Option("--filters", "--out-channels", "-n", min=1, help="Filters.", show_default=False)]
Units = Annotated[int, typer.Option("--units", "--out-features", "-n", min=1, help="Outputs.", show_default=False)]
Stride = Annotated[str | None, typer.Option("--stride", "-s", metavar="SIZE", show_default=False)]
Padding = Annotated[
    str | None,
    typer.Option("--padding", "-p", metavar="SIZE", help="Size, or valid, same or full.", show_default=False),
]
PoolPadding = Annotated[
    str | None, typer.Option("--padding", "-p", metavar="SIZE", help="Size, or valid or same.", show_default=False)
]
Cut = Annotated[
    str | None,
    typer.Option("--padding", "-p", metavar="SIZE", help="What is cut off the output's edges.", show_default=False),
]
Dilation = Annotated[str | None, typer.Option("--dilation", "-d", metavar="SIZE", show_default=False)]
Groups = Annotated[int, typer.Option("--groups", "-g", min=1)]
NoBias = Annotated[bool, typer.Option("--no-bias", help="Without biases.")]
Ceil = Annotated[bool, typer.Option("--ceil", help="Round the output up.")]
Batch = Annotated[int, typer.Option(min=1, help="Images in a batch: bytes are for all of them, other counts for one.")]
Dtype = Annotated[str, typer.Option(help="Number format, for bytes: float32, float16, bfloat16, float64, int8 ...")]
Written = Annotated[Words, typer.Option(help="How to write the result.")]


def conv(
    input: Shape,
    kernel: Kernel,
    filters: Filters,
    stride: Stride = None,
    padding: Padding = None,
    dilation: Dilation = None,
    groups: Groups = 1,
    no_bias: NoBias = False,
    batch: Batch = 1,
    dtype: Dtype = "float32",
    format: Written = Words.text,
    lang: Language = "en",
) -> None:
    """A convolution: its output, parameters, multiplies and memory with their working, and its operations.

    `cnncalc conv 32x32x3 -k 5 -n 10 -p 2`
    """
    fields = {
        "out_channels": str(filters),
        "kernel_size": _sizes("--kernel", kernel),
        "stride": _sizes("--stride", stride),
        "padding": _padding(padding, PADDING_WORDS),
        "dilation": _sizes("--dilation", dilation),
        "groups": str(groups) if groups > 1 else None,
        "bias": "false" if no_bias else None,
    }
    _tell(input, "conv", fields, batch, dtype, format, lang)


def pool(
    input: Shape,
    kernel: Kernel,
    stride: Stride = None,
    padding: PoolPadding = None,
    dilation: Dilation = None,
    ceil: Ceil = False,
    average: Annotated[bool, typer.Option("--average", help="The mean of each window, not the largest value.")] = False,
    batch: Batch = 1,
    dtype: Dtype = "float32",
    format: Written = Words.text,
    lang: Language = "en",
) -> None:
    """A pool: its output and memory with their working, and its operations.

    Its stride is its kernel unless -s says otherwise.

    `cnncalc pool 224x224x64 -k 2`
    """
    fields = {
        "kernel_size": _sizes("--kernel", kernel),
        "stride": _sizes("--stride", stride),
        "padding": _padding(padding, PADDING_WORDS[:2]),
        "dilation": _sizes("--dilation", dilation),
        "rounding": "ceil" if ceil else None,
    }
    _tell(input, "avg_pool" if average else "max_pool", fields, batch, dtype, format, lang)


def linear(
    input: Shape,
    units: Units,
    no_bias: NoBias = False,
    batch: Batch = 1,
    dtype: Dtype = "float32",
    format: Written = Words.text,
    lang: Language = "en",
) -> None:
    """A dense layer: its parameters, multiplies and memory with their working, and its operations.

    A map is flattened first.

    `cnncalc linear 7x7x512 -n 4096`
    """
    fields = {"out_features": str(units), "bias": "false" if no_bias else None}
    _tell(input, "linear", fields, batch, dtype, format, lang)


def conv_transpose(
    input: Shape,
    kernel: Kernel,
    filters: Filters,
    stride: Stride = None,
    padding: Cut = None,
    output_padding: Annotated[
        str | None, typer.Option("--output-padding", "-a", metavar="SIZE", show_default=False)
    ] = None,
    dilation: Dilation = None,
    groups: Groups = 1,
    no_bias: NoBias = False,
    batch: Batch = 1,
    dtype: Dtype = "float32",
    format: Written = Words.text,
    lang: Language = "en",
) -> None:
    """A transposed convolution: its output, parameters, multiplies and memory with their working, and its operations.

    `cnncalc conv-transpose 14x14x512 -k 2 -s 2 -n 256`
    """
    fields = {
        "out_channels": str(filters),
        "kernel_size": _sizes("--kernel", kernel),
        "stride": _sizes("--stride", stride),
        "padding": _padding(padding, ()),
        "output_padding": _sizes("--output-padding", output_padding),
        "dilation": _sizes("--dilation", dilation),
        "groups": str(groups) if groups > 1 else None,
        "bias": "false" if no_bias else None,
    }
    _tell(input, "conv_transpose", fields, batch, dtype, format, lang)


# The document of one layer --------------------------------------------------------------------------------------------


def _tell(
    input: str, kind: str, fields: dict[str, str | None], batch: int, dtype: str, format: Words, lang: str
) -> None:
    from cnncalc.derivations import Explained
    from cnncalc.language.load import loads
    from cnncalc.render import calculate as rendered

    if not _INPUT.match(input):
        help = "write height x width x channels, e.g. 224x224x3, or [3, 224, 224]"
        raise DocumentError(not_a_size("INPUT", input, help))
    dtype = dtype_named(dtype)
    language = language_named(lang)
    values = ", ".join(f"{name}: {value}" for name, value in fields.items() if value is not None)
    layer = f"- {kind}: {{{values}}}"
    network = loads(f"input: {input}\nlayers:\n  {layer}\n", name=f"<{kind}>")
    explained = Explained(network, batch, dtype)
    if format is Words.json:
        sys.stdout.write(rendered.to_json(layer, explained, language) + "\n")
    else:
        rendered.write(layer, explained, language=language)


def _sizes(option: str, text: str | None) -> str | None:
    """A size as a document writes it."""
    if text == "?":
        raise DocumentError(
            Diagnostic("not-a-size", f"`?` is not a size for {option}", help="`cnncalc solve` finds it")
        )
    sizes = size(option, text)
    if isinstance(sizes, tuple):
        return f"[{', '.join(map(str, sizes))}]"
    return None if sizes is None else str(sizes)


def _padding(text: str | None, words: tuple[str, ...]) -> str | None:
    if text in words:
        return text
    try:
        return _sizes("--padding", text)
    except DocumentError:
        if text is None or text == "?" or not words:
            raise
        help = f"write a number (3), one an axis (3x5), or {', '.join(words)}"
        raise DocumentError(not_a_size("--padding", text, help)) from None
