"""A network as the source of a torch module, as a person would have written it: `source(document)`.

Blocks become classes with their args as parameters of the constructor, repeats become loops, merges and arithmetic
become code in `forward`. Writing it imports no torch, and running it no cnncalc.
"""

from __future__ import annotations

from dataclasses import replace

from cnncalc.diagnostics import DocumentError
from cnncalc.language.document import Document
from cnncalc.language.terms import Term
from cnncalc.pytorch.source.file import File
from cnncalc.pytorch.source.structure import Structure, every_use, structure
from cnncalc.pytorch.source.values import Unwritable, Varies


def source(document: Document, origin: str = "") -> str:
    """The text of a Python file with the network of a document as a `torch.nn.Module`.

    `origin` says in its first line where it comes from; that is the document's file, if nothing else. Raises
    `DocumentError` where the document has no network.
    """
    alike = [structure(document)]
    for name in _numbers(document):
        other = _with_another(document, alike, name)
        alike += [] if other is None else [other]
    return _file(document, alike).text(origin or document.source.name)


def _file(document: Document, structures: list[Structure]) -> File:
    file = File(document, structures)
    file.network()
    return file


def _numbers(document: Document) -> list[str]:
    """Args of the document that are, as they are, a field of some layer: `linear: classes`."""
    uses = [
        *every_use(document.layers),
        *[use for block in document.blocks.values() for use in every_use(block.layers)],
    ]
    terms = [term for use in uses for term in use.fields.values()]
    words = {term.expression.text for term in terms if term.expression is not None and term.expression.is_word}
    return [name for name, term in document.args.items() if name in words and term.constant and type(term.value) is int]


def _with_another(document: Document, alike: list[Structure], name: str) -> Structure | None:
    """The network with another number for an arg, if one source can be right for all: the arg is a parameter then."""
    term = document.args[name]
    try:
        other = structure(replace(document, args={**document.args, name: Term(term.node, term.value + 1)}))
        _file(document, [*alike, other])
    except (DocumentError, Unwritable, Varies):
        return None
    return other
