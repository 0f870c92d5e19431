"""Where documents come from: a path, standard input, the zoo; `extends`; and values set from outside."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from cnncalc.collection import collection_paused
from cnncalc.diagnostics import Diagnostic, DocumentError, Source, choices, near
from cnncalc.graph import Network
from cnncalc.language.document import EXTENDING, Document, read_document, top_mapping
from cnncalc.language.expand import expand
from cnncalc.language.source import MAX_CHARACTERS, Mapping, Node, Scalar, parse

MAX_EXTENDS = 10


def load(path: str | Path, settings: Iterable[str] = ()) -> Network:
    """The network of a document.

    `path` is a file, `-` for standard input, or the name of a network of the zoo (`vgg16`). `settings` are `NAME=VALUE`
    texts that replace an arg or the input. Raises `DocumentError`.
    """
    source, folder = read_source(str(path))
    return network_of(source, folder, settings)


def loads(text: str, settings: Iterable[str] = (), name: str = "<text>") -> Network:
    """The network of a document given as text (which can extend none: it has no folder)."""
    return network_of(Source(name, text), None, settings)


def network_of(source: Source, folder: Path | None, settings: Iterable[str] = ()) -> Network:
    with collection_paused():
        return expand(document_of(source, folder, settings))


def document_of(source: Source, folder: Path | None, settings: Iterable[str] = ()) -> Document:
    document = read_document(_extended(parse(source), folder, ()))
    document.source = source
    for setting in settings:
        _set(document, setting)
    return document


# Reading --------------------------------------------------------------------------------------------------------------


def zoo() -> Path:
    """The folder of the documents that come with the package."""
    inside = Path(__file__).parent.parent / "architectures"
    return inside if inside.is_dir() else Path(__file__).parent.parent.parent / "architectures"


def zoo_names() -> list[str]:
    return sorted(path.stem for path in zoo().glob("*.yaml"))


def read_source(path: str) -> tuple[Source, Path | None]:
    """The text of a path, and the folder that its `extends` looks in."""
    if path == "-":
        return Source("<stdin>", _decoded(sys.stdin.buffer.read(MAX_CHARACTERS * 4 + 1), "<stdin>")), None
    file = Path(path)
    try:
        found = file.exists()
    except (OSError, ValueError):
        found = False
    if not found and "/" not in path and "\\" not in path:
        name = path.removesuffix(".yaml")
        if name in zoo_names():
            file = zoo() / f"{name}.yaml"
            return Source(f"{name}.yaml", _read(file, path)), file.parent
    return Source(path, _read(file, path)), file.parent


def _read(file: Path, shown: str) -> str:
    try:
        if file.is_dir():
            raise _refused("is-a-directory", f"{shown} is a directory, not a document", "name a file in it")
        if file.stat().st_size > MAX_CHARACTERS * 4:
            raise _refused(
                "document-too-large",
                f"{shown} has {file.stat().st_size:,} bytes; a document may have {MAX_CHARACTERS:,} characters",
                "say what repeats with `repeat` and blocks",
            )
        data = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise _missing(shown) from None
    except OSError as error:
        raise _refused("cannot-read", f"{shown} cannot be read: {(error.strerror or str(error)).lower()}") from None
    return _decoded(data, shown)


def _decoded(data: bytes, shown: str) -> str:
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _refused(
            "not-utf8",
            f"{shown} is not UTF-8 text: byte {data[error.start]:#04x} in line {line}",
            "save it as UTF-8",
        ) from None


def _missing(shown: str) -> DocumentError:
    name = Path(shown).name.removesuffix(".yaml").removesuffix(".yml")
    nearest = near(name, zoo_names())
    help = f"the zoo has {choices(nearest)}" if nearest else "`cnncalc zoo` lists the networks that come with cnncalc"
    return _refused("no-such-file", f"there is no file {shown}", help)


def _refused(code: str, message: str, help: str = "") -> DocumentError:
    return DocumentError(Diagnostic(code, message, help=help))


# extends and --set ----------------------------------------------------------------------------------------------------


def _extended(root: Node, folder: Path | None, trail: tuple[Path, ...]) -> Node:
    """The document that `root` extends, with what `root` changes in its place."""
    if not isinstance(root, Mapping) or "extends" not in root.entries:
        return root
    changes = top_mapping(root, EXTENDING)
    base = changes.entries["extends"]
    file = _base_file(base, folder)
    if file in trail or len(trail) >= MAX_EXTENDS:
        cycle = file in trail
        raise DocumentError(
            Diagnostic(
                "extends-itself" if cycle else "extends-too-deeply",
                f"`{file.name}` extends itself" if cycle else f"more than {MAX_EXTENDS} documents extend one another",
                base.span,
            )
        )
    name = str(Path(root.source.name).parent / base.text) if isinstance(base, Scalar) else ""
    text = _read(file, name)
    extended = _extended(parse(Source(name, text)), file.parent, (*trail, file))
    whole = top_mapping(extended)
    return _changed(whole, changes)


def _base_file(base: Node, folder: Path | None) -> Path:
    if not isinstance(base, Scalar) or not base.text:
        raise DocumentError(Diagnostic("wrong-type", "`extends` has to be the name of a file", base.span))
    if folder is None:
        raise DocumentError(
            Diagnostic("extends-from-text", "a document that is not a file cannot extend another", base.span)
        )
    try:
        root = folder.resolve()
        file = (root / base.text).resolve()
        inside = file.is_relative_to(root)
    except (OSError, ValueError):
        inside = False
    if not inside:
        raise DocumentError(
            Diagnostic(
                "extends-outside",
                f"`{base.text}` is not in the document's folder or below it",
                base.span,
                help="keep both documents in one folder",
            )
        )
    if not file.is_file():
        names = [path.name for path in root.glob("*.yaml")]
        nearest = near(base.text, names)
        raise DocumentError(
            Diagnostic(
                "no-such-file",
                f"there is no file `{base.text}` beside this document",
                base.span,
                help=f"did you mean {choices(nearest)}?" if nearest else "",
            )
        )
    return file


def _changed(base: Mapping, changes: Mapping) -> Mapping:
    entries, keys = dict(base.entries), dict(base.keys)
    for key in ("input", "inputs"):
        if key in changes.entries:
            for other in ("input", "inputs"):
                entries.pop(other, None)
                keys.pop(other, None)
    for key, node in changes.entries.items():
        if key == "extends":
            continue
        keys[key] = changes.keys[key]
        entries[key] = _changed_args(entries.get("args"), node) if key == "args" else node
    return Mapping(entries, keys, base.source, base.start, base.end)


def _changed_args(base: Node | None, changes: Node) -> Node:
    if not isinstance(changes, Mapping):
        raise DocumentError(Diagnostic("wrong-type", "`args` has to be a mapping of names and values", changes.span))
    if not isinstance(base, Mapping):
        base = Mapping({}, {}, changes.source, changes.start, changes.end)
    unknown = [key for key in changes.entries if key not in base.entries]
    if unknown:
        raise DocumentError(*[_unknown_arg(changes.keys[key], list(base.entries)) for key in unknown])
    return Mapping(
        {**base.entries, **changes.entries}, {**base.keys, **changes.keys}, base.source, base.start, base.end
    )


def _unknown_arg(key: Scalar, known: list[str]) -> Diagnostic:
    nearest = near(key.text, known)
    if nearest:
        help = f"did you mean {choices(nearest)}?"
    else:
        help = f"its args are {', '.join(known)}" if known else "it has no args"
    return Diagnostic("unknown-arg", f"the document has no arg `{key.text}`", key.span, help=help)


def _set(document: Document, setting: str) -> None:
    """`classes=10`, `input=384x384x3`: as if the document said so."""
    source = Source("--set", setting)
    name, equals, text = setting.partition("=")
    offset = len(name) + 1
    key = Scalar(name, name.strip(), source, 0, len(name))
    if not equals or not key.text:
        raise DocumentError(
            Diagnostic("bad-setting", f"`{setting}` is not NAME=VALUE", key.span, help="write e.g. --set classes=10")
        )
    node = parse(Source("--set", " " * offset + text)) if text.strip() else Scalar(None, "", source, offset, offset)
    _resource(node, source)
    if key.text in document.inputs:
        document.inputs[key.text] = node
    elif key.text in document.args:
        document.args = {**document.args, key.text: node}
    else:
        raise DocumentError(_unknown_arg(key, [*document.inputs, *document.args]))


def _resource(node: Node, source: Source) -> None:
    """Let a node parsed from part of a text point into the whole of it."""
    node.source = source
    children = () if isinstance(node, Scalar) else node.entries.values() if isinstance(node, Mapping) else node.items
    for child in children:
        _resource(child, source)
