"""Where networks come from: documents, the zoo, files of other programs. The one place that tells them apart."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from cnncalc.diagnostics import Diagnostic, DocumentError, Source, quoted
from cnncalc.graph import Network
from cnncalc.language import load as documents


def load(path: str | Path, settings: Iterable[str] = ()) -> Network:
    """The network of a document, of an ONNX file, or of a model in Python.

    `path` is a file (`*.onnx` is ONNX, `*.pt2` a program of torch.export), `-` for a document on standard input, the
    name of a network of the zoo (`vgg16`), or a reference to a `torch.nn.Module`: `torchvision.models:resnet50`,
    `net.py:Net(10)`, whose code is run. `settings` are `NAME=VALUE` texts that replace an arg or the input. Raises
    `DocumentError`.
    """
    if is_onnx(str(path)):
        from cnncalc import onnx_import

        return onnx_import.load(path, settings)
    if is_model(str(path)):
        from cnncalc.pytorch import references

        return references.load(str(path), settings)
    _refuse_foreign(str(path))
    return documents.load(path, settings)


def source(path: str | Path, settings: Iterable[str] = ()) -> tuple[Source, Path | None, tuple[str, ...]]:
    """A network's document, the folder that its `extends` looks in, and the settings that are still to be made in it.

    A model in Python or an ONNX file becomes a document first, with all settings made. Raises `DocumentError`, also
    where no document can say it.
    """
    if is_model(str(path)) or is_onnx(str(path)):
        return Source(str(path), text(load(path, settings))), None, ()
    _refuse_foreign(str(path))
    return *documents.read_source(str(path)), tuple(settings)


def text(network: Network) -> str:
    """A network as the text of a document. Raises `DocumentError` where no document can say it."""
    from cnncalc.language import fold, write

    refuse_unknown(network, "no document can say")
    refuse_partly_shared(network)
    return write.text(fold.document(network))


def refuse_unknown(network: Network, what: str) -> None:
    """Raise `DocumentError` where operators of a network are no kind of layer; `what` is what they keep from being."""
    unknown = dict.fromkeys([node.facts.unknown for node in network if node.facts.unknown])
    if unknown:
        message = f"{what} {', '.join([f'`{name}`' for name in unknown])} of `{network.name}`"
        help = "`cnncalc analyze` shows all that is known"
        raise DocumentError(Diagnostic("unknown-operator", message, help=help))


def refuse_partly_shared(network: Network) -> None:
    """Raise `DocumentError` where a layer uses some parameters of another, and has others: no document says which."""
    for node in network:
        if node.shared is not None and node.facts.parameters:
            message = f"no document can say that `{node.name}` uses a part of the parameters of `{node.shared.name}`"
            help = "`cnncalc analyze` takes the model itself, and counts them once"
            raise DocumentError(Diagnostic("partly-shared", message, help=help))


_MODEL = re.compile(r"(?:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*|.*\.py):[A-Za-z_][\w.]*(?:\(.*\))?", re.DOTALL)


def _refuse_foreign(path: str) -> None:
    """Raise `DocumentError` for files that a network may come from, but not by themselves."""
    what, help = {
        ".py": ("Python source", f"name what makes the module in it, whose code is run: {path}:Net()"),
        ".pt": ("a PyTorch file of weights", "name the module that they are for: net.py:Net()"),
        ".pth": ("a PyTorch file of weights", "name the module that they are for: net.py:Net()"),
    }.get(Path(path).suffix, ("", ""))
    if what:
        raise DocumentError(Diagnostic("not-a-document", f"{quoted(path)} is {what}, not a document", help=help))


def is_onnx(path: str) -> bool:
    return path.endswith(".onnx")


def beside(path: str) -> Path:
    """The file of a network without its ending: where what belongs to it is put. A module's has the module's name."""
    target, colon, name = path.partition(":")
    if not colon or not is_model(path):
        return Path(path).with_name(Path(path).stem)
    folder = Path(target).parent if target.endswith(".py") else Path()
    return folder / name.partition("(")[0]


def is_model(path: str) -> bool:
    """Whether this names a model in Python rather than a file: `package.module:name`, `file.py:Name(10)`, `*.pt2`."""
    return path.endswith(".pt2") or (_MODEL.fullmatch(path) is not None and not Path(path).exists())
