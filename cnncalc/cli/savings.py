"""`cnncalc savings`: designs that save parameters and multiplies, priced against what they stand in place of."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cnncalc.cli.options import File, Page, Settings


def savings(
    file: File,
    format: Annotated[Page, typer.Option(help="How to write the result.")] = Page.table,
    settings: Settings = [],  # noqa: B006  (typer's way to say "none given")
) -> None:
    """Designs that save parameters and multiplies, each priced against the plain layers that it stands in place of.

    1x1 bottlenecks, separable, grouped and factorised convolutions, stacks of small kernels, pools before dense layers.
    """
    from cnncalc.models import load
    from cnncalc.render import savings as rendered
    from cnncalc.savings import savings as found

    answer = found(load(file, settings))
    if format is Page.table:
        rendered.write(answer)
    elif format is Page.markdown:
        sys.stdout.write(rendered.markdown(answer))
    else:
        sys.stdout.write(rendered.to_json(answer) + "\n")
