"""Where documents come from: a path, standard input, the zoo; `extends`; and values set from outside."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterable
from os import fstat
from pathlib import Path

from cnncalc.collection import collection_paused
from cnncalc.diagnostics import Diagnostic, DocumentError, Findings, Source, Span, choices, did_you_mean, near, quoted
from cnncalc.graph import Network
from cnncalc.language.document import Document
from cnncalc.language.expand import expand
from cnncalc.language.reader import TOP_LEVEL, read_document, top_mapping, unknown_key
from cnncalc.language.source import MAX_CHARACTERS, Expression, Mapping, Node, Scalar, describe, parse

MAX_EXTENDS = 10
MAX_BYTES = 4 * MAX_CHARACTERS
EXPRESSION = "<expression>"  # what messages call one
_EXPRESSION = re.compile(r".*(?:->|→)|\s*(?:[0-9]+(?:x[0-9]+)*|\[[\s0-9,]*\])\s*,", re.DOTALL)
EXTENDING = ("name", "input", "inputs", "extends", "args", "expect")


def load(path: str | Path, settings: Iterable[str] = ()) -> Network:
    """The network of a document.

    `path` is a file, `-` for standard input, the name of a network of the zoo (`vgg16`), or an expression in the
    one-line notation (`32x32x3 -> CONV3-64 -> FC-10`). `settings` are `NAME=VALUE` texts that replace an arg or the
    input. Raises `DocumentError`.
    """
    source, folder = read_source(str(path))
    return network_of(source, folder, settings)


def from_expression(text: str, settings: Iterable[str] = ()) -> Network:
    """The network of an expression in the one-line notation: `32x32x3 -> [CONV3-64 -> RELU]*2 -> FC-10`."""
    return network_of(Expression(EXPRESSION, text), None, settings)


def loads(text: str, settings: Iterable[str] = (), name: str = "<text>") -> Network:
    """The network of a document given as text (which can extend none: it has no folder)."""
    return network_of(Source(name, _with_plain_newlines(text)), None, settings)


def network_of(source: Source, folder: Path | None, settings: Iterable[str] = ()) -> Network:
    with collection_paused():
        return expand(document_of(source, folder, settings))


def document_of(source: Source, folder: Path | None, settings: Iterable[str] = ()) -> Document:
    found = Findings()
    document = read_document(root_of(source, folder, settings, found), found)
    document.source = source
    return document


def root_of(source: Source, folder: Path | None, settings: Iterable[str], found: Findings) -> Mapping:
    """A document's own mapping, with what it extends and what `settings` change in it."""
    if isinstance(source, Expression):
        from cnncalc.language import oneline

        return _with_settings(oneline.parse(source, found), settings)
    trail = (folder.resolve() / Path(source.name).name,) if folder is not None else ()
    root = _extended(parse(source, found), folder, trail, found)
    return _with_settings(top_mapping(root), settings)


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
        return Source("<stdin>", decoded(sys.stdin.buffer.read(MAX_BYTES + 1), "<stdin>")), None
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
    if names_expression(path):
        return Expression(EXPRESSION, path), None
    return Source(path, _read(file, path)), file.parent


def names_expression(path: str) -> bool:
    """Whether what stands in a document's place is an expression, and no file of that name."""
    try:
        return _EXPRESSION.match(path) is not None and not Path(path).exists()
    except (OSError, ValueError):
        return True


def _read(file: Path, shown: str) -> str:
    try:
        if file.is_dir():
            raise _refused("is-a-directory", f"{shown} is a directory, not a document", "name a file in it")
        with file.open("rb") as stream:
            too_large = fstat(stream.fileno()).st_size > MAX_BYTES
            data = b"" if too_large else stream.read(MAX_BYTES + 1)  # a device says 0 and ends nowhere
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise _missing(shown) from None
    except OSError as error:
        raise _refused("cannot-read", f"{shown} cannot be read: {(error.strerror or str(error)).lower()}") from None
    if too_large:
        raise _too_large(shown)
    return decoded(data, shown)


def decoded(data: bytes, shown: str) -> str:
    """A document's text from its bytes; `shown` is what messages call it."""
    if len(data) > MAX_BYTES:
        raise _too_large(shown)
    try:
        return _with_plain_newlines(data.decode())
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _refused(
            "not-utf8",
            f"{shown} is not UTF-8 text: byte {data[error.start]:#04x} in line {line}",
            "save it as UTF-8",
        ) from None


def _with_plain_newlines(text: str) -> str:
    """The text without a byte order mark, its lines ended as everywhere."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _too_large(shown: str) -> DocumentError:
    message = f"{shown} has more than {MAX_BYTES:,} bytes; a document may have {MAX_CHARACTERS:,} characters"
    return _refused("document-too-large", message, "say what repeats with `repeat` and blocks")


def _missing(shown: str) -> DocumentError:
    name = Path(shown).name.removesuffix(".yaml").removesuffix(".yml")
    nearest = near(name, zoo_names())
    help = f"the zoo has {choices(nearest)}" if nearest else "`cnncalc zoo` lists the networks that come with cnncalc"
    return _refused("no-such-file", f"there is no file {shown}", help)


def _refused(code: str, message: str, help: str = "") -> DocumentError:
    return DocumentError(Diagnostic(code, message, help=help))


# extends and --set ----------------------------------------------------------------------------------------------------


def _extended(root: Node, folder: Path | None, trail: tuple[Path, ...], found: Findings) -> Node:
    """The document that `root` extends, with what `root` changes in its place."""
    if not isinstance(root, Mapping) or "extends" not in root.entries:
        return root
    for name, key in root.keys.items():
        if name in TOP_LEVEL and name not in EXTENDING:
            message = f"a document that extends another cannot have `{name}` of its own"
            found.add(Diagnostic("unknown-field", message, key.span, help=f"it has {', '.join(EXTENDING)}"))
        elif name not in EXTENDING:
            found.add(unknown_key(key, EXTENDING, "a document that extends another has"))
    base = root.entries["extends"]
    file = _base_file(base, folder)
    if file in trail:
        cycle = " -> ".join([one.name for one in (*trail[trail.index(file) :], file)])
        raise _wrong_base("extends-itself", f"{quoted(file.name)} extends itself ({cycle})", base)
    if len(trail) > MAX_EXTENDS:
        raise _wrong_base("extends-too-deeply", f"more than {MAX_EXTENDS} documents extend one another", base)
    assert isinstance(base, Scalar)
    name = str(Path(root.source.name).parent / base.text)
    extended = _extended(parse(Source(name, _read(file, name)), found), file.parent, (*trail, file), found)
    return _changed(top_mapping(extended), root, found)


def _base_file(base: Node, folder: Path | None) -> Path:
    if not isinstance(base, Scalar) or not base.text:
        raise _wrong_base("wrong-type", f"`extends` has to be the name of a file, not {describe(base)}", base)
    if folder is None:
        raise _wrong_base("extends-from-text", "a document that is not a file cannot extend another", base)
    root = folder.resolve()
    try:
        file = (root / base.text).resolve()
        inside, found = file.is_relative_to(root), file.is_file()
    except (OSError, ValueError):
        inside = found = False
    if not inside:
        message = f"{quoted(base.text)} is not in the document's folder or below it"
        raise _wrong_base("extends-outside", message, base, "keep both documents in one folder")
    if not found:
        nearest = near(base.text, [path.name for path in root.glob("*.yaml")])
        help = did_you_mean(nearest, "name a file of the document's own folder")
        raise _wrong_base("no-such-file", f"there is no file {quoted(base.text)} beside this document", base, help)
    return file


def _wrong_base(code: str, message: str, base: Node, help: str = "") -> DocumentError:
    return DocumentError(Diagnostic(code, message, base.span, help=help))


def _changed(base: Mapping, changes: Mapping, found: Findings) -> Mapping:
    """`base` with the entries of `changes` in place of its own; of `args` and `inputs`, those named."""
    entries, keys = dict(base.entries), dict(base.keys)
    entries.pop("expect", None)  # which is of the base as it stands
    for name, node in changes.entries.items():
        other = {"input": "inputs", "inputs": "input"}.get(name)
        if other in entries and name not in entries:
            message = f"the document that this one extends has `{other}`, not `{name}`"
            found.add(Diagnostic("input-and-inputs", message, changes.keys[name].span, help=f"write `{other}:`"))
        elif name in ("args", "inputs"):
            entries[name] = _changed_group(name, entries.get(name), node, found)
        elif name != "extends":
            keys[name], entries[name] = changes.keys[name], node
    return Mapping(entries, keys, base.source, base.start, base.end)


def _changed_group(name: str, base: Node | None, changes: Node, found: Findings) -> Node:
    """A document's args or inputs with those that another changes."""
    known = base if isinstance(base, Mapping) else Mapping({}, {}, changes.source, changes.start, changes.end)
    if not isinstance(changes, Mapping):
        message = f"`{name}` has to be a mapping of names and values, not {describe(changes)}"
        found.add(Diagnostic("wrong-type", message, changes.span))
        return known
    for key in changes.keys.values():
        if key.text not in known.entries:
            found.add(_unknown_arg(key, known.entries))
    entries = {name: changes.entries.get(name, node) for name, node in known.entries.items()}
    return Mapping(entries, known.keys, known.source, known.start, known.end)


def _unknown_arg(key: Scalar, known: Collection[str]) -> Diagnostic:
    nearest = near(key.text, known)
    help = f"it has {', '.join(known)}" if known else "it has none"
    help = did_you_mean(nearest, help)
    return Diagnostic("unknown-arg", f"the document has no arg or input {quoted(key.text)}", key.span, help=help)


def _with_settings(root: Mapping, settings: Iterable[str]) -> Mapping:
    """The document as if it said `classes: 10`, `input: 384x384x3` itself, for each `NAME=VALUE`."""
    found = Findings()
    entries = dict(root.entries)
    for setting in settings:
        try:
            _set(entries, setting)
        except DocumentError as error:
            found.extend(error)
    found.raise_if_any()
    return Mapping(entries, root.keys, root.source, root.start, root.end)


def _set(entries: dict[str, Node], setting: str) -> None:
    source = Source("--set", setting)
    name, equals, value = setting.partition("=")
    key = Scalar(name, name.strip(), source, 0, max(1, len(name)))
    if not equals or not key.text or value.strip()[:1] in ("", "#"):
        message = f"{quoted(setting)} is not NAME=VALUE"
        raise DocumentError(Diagnostic("bad-setting", message, Span(source, 0, len(setting)), help="e.g. classes=10"))
    found = Findings()
    node = parse(source, found, len(name) + 1)
    found.raise_if_any()
    known = []
    if "input" in entries:
        known.append("input")
        if key.text == "input":
            entries["input"] = node
            return
    for owner in ("inputs", "args"):
        group = entries.get(owner)
        if isinstance(group, Mapping):
            known += group.entries
            if key.text in group.entries:
                changed = {**group.entries, key.text: node}
                entries[owner] = Mapping(changed, group.keys, group.source, group.start, group.end)
                return
    raise DocumentError(_unknown_arg(key, known))
