"""Options that several commands have, each written once."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cnncalc.diagnostics import Diagnostic, DocumentError, Source, did_you_mean, near, quoted
from cnncalc.shapes import DTYPE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from cnncalc.graph import Network


class Format(StrEnum):
    """How a result is written."""

    table = "table"
    json = "json"
    csv = "csv"
    markdown = "markdown"


class Page(StrEnum):
    """How a page is written."""

    table = "table"
    json = "json"
    markdown = "markdown"


class Words(StrEnum):
    """How an answer is written."""

    text = "text"
    json = "json"


_DOCUMENT = (
    "A document, `-` for standard input, the name of a network of the zoo, one in one line ('32x32x3 -> FC-10'), an "
    "ONNX file, or a module in PyTorch (net.py:Net(10), whose code is run)."
)
File = Annotated[str, typer.Argument(metavar="FILE", help=_DOCUMENT, show_default=False)]
Files = Annotated[list[str], typer.Argument(metavar="FILE...", help=_DOCUMENT, show_default=False)]
OneFile = Annotated[str | None, typer.Argument(metavar="FILE", help=_DOCUMENT, show_default=False)]
SomeFiles = Annotated[list[str] | None, typer.Argument(metavar="FILE...", help=_DOCUMENT, show_default=False)]
_IN_ONE_LINE = typer.Option(
    "--expression", "-e", metavar="TEXT", help="A network in one line, see docs/notation.md.", show_default=False
)
Expression = Annotated[str | None, _IN_ONE_LINE]
Expressions = Annotated[list[str] | None, _IN_ONE_LINE]
Settings = Annotated[
    list[str],
    typer.Option("--set", metavar="NAME=VALUE", help="Replace an arg or the input: classes=10, input=384x384x3."),
]
Conventions = Annotated[
    list[str],
    typer.Option(
        "--convention",
        metavar="NAME",
        help="Count by a convention too (fvcore, thop, flops ...); `cnncalc count` shows all. May be repeated.",
    ),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Exit with 1 where an operator of a model is no kind of layer here.")
]
Symbols = Annotated[
    list[str],
    typer.Option(
        "--symbol",
        metavar="[LETTER=]SIZE[*N]",
        help="Leave an arg or a size of the input as a letter: C, H=height, W=width*32 (a multiple of 32). "
        "May be repeated.",
    ),
]
Language = Annotated[
    str, typer.Option("--lang", metavar="LANGUAGE", help="Language of the words: en, or zh (Chinese).")
]


def document_named(
    file: str | None, expression: str | None, settings: Iterable[str]
) -> tuple[Source, Path | None, tuple[str, ...]]:
    """The document of FILE or of `--expression`, the folder that its `extends` looks in, and the settings for it."""
    from cnncalc.language.load import EXPRESSION
    from cnncalc.language.source import Expression as InOneLine
    from cnncalc.models import source

    if file is not None and expression is not None:
        help = "leave out one of the two"
        raise DocumentError(Diagnostic("two-documents", "FILE and --expression name a network each", help=help))
    if expression is not None:
        return InOneLine(EXPRESSION, expression), None, tuple(settings)
    if file is None:
        raise no_document()
    return source(file, settings)


def no_document() -> DocumentError:
    help = "name a document or a network of the zoo (vgg16), or write one: -e '32x32x3 -> CONV3-8 -> FC-10'"
    return DocumentError(Diagnostic("no-document", "no network is named", help=help))


def hold_strictly(strict: bool, networks: Iterable[Network]) -> None:
    """What `--strict` asks for: exit with 1 where the counts of a network are only "at least"."""
    if strict and any(node.facts.unknown for network in networks for node in network):
        raise typer.Exit(1)


def tell(remarks: Iterable[Diagnostic]) -> None:
    """Write an importer's remarks on standard error, each once."""
    sys.stdout.flush()
    for remark in dict.fromkeys(remarks):
        sys.stderr.write(f"{remark}\n")


def no_model(name: str) -> DocumentError:
    help = "write torchvision.models:resnet50, path/to/file.py:Net(10), program.pt2 or model.onnx"
    return DocumentError(Diagnostic("not-a-model", f"{quoted(name)} names no model", help=help))


def dtype_named(name: str) -> str:
    """The number format of `--dtype`."""
    if name in DTYPE_BYTES:
        return name
    help = did_you_mean(near(name, DTYPE_BYTES), f"known: {', '.join(DTYPE_BYTES)}")
    raise DocumentError(Diagnostic("unknown-dtype", f"`{name}` is not a number format", help=help))


def language_named(name: str) -> str:
    """The language of `--lang`; `zh-CN` and `Chinese` are near zh."""
    from cnncalc.messages import LANGUAGES

    if name in LANGUAGES:
        return name
    meant = {word.lower(): code for code, language in LANGUAGES.items() for word in (code, language)}
    nearest = [meant[word] for word in near(name.replace("_", "-").partition("-")[0], meant)]
    known = ", ".join(f"{code} ({language})" for code, language in LANGUAGES.items())
    help = did_you_mean(list(dict.fromkeys(nearest)), f"known: {known}")
    raise DocumentError(Diagnostic("unknown-language", f"{quoted(name)} is not a language of the words", help=help))
