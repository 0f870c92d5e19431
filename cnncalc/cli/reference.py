"""`cnncalc zoo` and `cnncalc kinds`: what there is to use."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def zoo() -> None:
    """The networks that come with cnncalc, by the names that every command takes."""
    from cnncalc.language.load import zoo as folder
    from cnncalc.language.load import zoo_names

    names = zoo_names()
    width = max(map(len, names))
    for name in names:
        sys.stdout.write(f"{name:<{width}}  {_headline((folder() / f'{name}.yaml').read_text('utf-8'))}\n")


def _headline(text: str) -> str:
    """A document's first comment line, with `...` where the sentence goes on."""
    first = text.lstrip().partition("\n")[0]
    line = first.lstrip("# ").rstrip() if first.startswith("#") else ""
    return line if not line or line.endswith(".") else f"{line.rstrip(',:;(')} ..."


def kinds(
    name: Annotated[str | None, typer.Argument(help="One kind, for all about its fields.", show_default=False)] = None,
) -> None:
    """The kinds of layers, or the fields of one: what each takes, and its default."""
    from cnncalc.diagnostics import Diagnostic, DocumentError, did_you_mean, near
    from cnncalc.language.expressions import value_text
    from cnncalc.language.foreign import kind_meant
    from cnncalc.layers import KINDS

    if name is None:
        width = max(map(len, KINDS))
        for kind, layer in KINDS.items():
            sys.stdout.write(f"{kind:<{width}}  {layer.summary}\n")
        return
    if name not in KINDS:
        meant = kind_meant(name)
        nearest = [meant] if meant else near(name, KINDS)
        help = did_you_mean(nearest, "`cnncalc kinds` lists them")
        raise DocumentError(Diagnostic("unknown-kind", f"`{name}` is not a kind of layer", help=help))
    layer = KINDS[name]
    sys.stdout.write(f"{name}: {layer.summary}\n")
    width = max(map(len, layer.fields), default=0)
    for field in layer.fields.values():
        default = "required" if field.required else f"default {value_text(field.default)}"
        main = f"; `{name}: VALUE` sets it" if field.name == layer.main else ""
        sys.stdout.write(f"  {field.name:<{width}}  {field.takes.words} ({default}{main})\n")
    if layer.main == "paths":
        written = "`paths: [PATH, PATH]` beside them" if layer.required else f"`{name}: [PATH, PATH ...]`"
        sys.stdout.write(f"  {written}: a path is a list of layers, a layer, a layer's name, or identity\n")
