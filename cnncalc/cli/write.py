"""`cnncalc write`: a network as a YAML document."""

from __future__ import annotations

from cnncalc.cli.export import Output
from cnncalc.cli.options import Expression, OneFile, Settings, document_named


def write(
    file: OneFile = None,
    expression: Expression = None,
    output: Output = "-",
    settings: Settings = [],  # noqa: B006  (typer's way to say "none given")
) -> None:
    """Write a network as a YAML document: one of the one-line notation, or a document with what --set changes in it.

    Repeats stay repeats, blocks stay blocks. Comments are not kept, and a document that extends another becomes whole.
    """
    from cnncalc.diagnostics import Findings
    from cnncalc.files import write as written
    from cnncalc.language.load import network_of, root_of
    from cnncalc.language.source import plain
    from cnncalc.language.write import text

    document = document_named(file, expression, settings)
    network_of(*document)  # what is no network is said, and not written
    written(text(plain(root_of(*document, Findings()))), output)
