"""Which files are documents: those named, and in folders those that read like one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from cnncalc.diagnostics import Diagnostic, DocumentError, Findings, Source
from cnncalc.language.load import EXTENDING
from cnncalc.language.source import Mapping, parse

SUFFIXES = (".yaml", ".yml")
SKIPPED = ("node_modules", "__pycache__", "site-packages")

# What a document has; two of them make one, so that a misspelt key does not hide it.
_PARTS = {"layers": "layers", "input": "input", "inputs": "input", "blocks": "blocks", "expect": "expect"}
_KEY = re.compile(rf"^({'|'.join(_PARTS)}):", re.MULTILINE)
_EXTENDS = re.compile(r"^extends: *[\w./-]+\.ya?ml *(#.*)?$", re.MULTILINE)


def documents(paths: Sequence[str], only: bool = False) -> list[str]:
    """The documents of files and folders, in order, each once: files at their word, folders are looked through.

    With `only`, files that are there and are no documents are passed over, too. Raises `DocumentError` where a folder
    holds none.
    """
    found: dict[str, None] = {}
    for path in paths:
        if not Path(path).is_dir():
            if not (only and Path(path).is_file() and not is_document(Path(path))):
                found[path] = None
            continue
        inside = [str(file) for file in _files(Path(path)) if is_document(file)]
        if not inside:
            help = "a document is a YAML file with `layers` and an `input`, or one that `extends` another"
            raise DocumentError(Diagnostic("no-documents", f"there is no document in {path}", help=help))
        found.update(dict.fromkeys(inside))
    return list(found)


def _files(folder: Path) -> Iterator[Path]:
    """YAML files below a folder, by name; hidden folders, installed packages and links to folders are left out."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        message = f"{folder} cannot be read: {(error.strerror or str(error)).lower()}"
        raise DocumentError(Diagnostic("cannot-read", message)) from None
    for entry in entries:
        if entry.name.startswith(".") or entry.name in SKIPPED:
            continue
        if entry.is_dir():
            if not entry.is_symlink():  # it may lead back here
                yield from _files(entry)
        elif entry.suffix in SUFFIXES and entry.is_file():
            yield entry


def is_document(file: Path) -> bool:
    """Whether a file has the keys of a document; one that a slip keeps from being YAML, at the beginning of lines."""
    try:
        text = file.read_bytes().decode("utf-8-sig", "replace")
    except OSError:
        return False
    try:
        root = parse(Source(str(file), text), Findings())
    except DocumentError:
        return _has_parts(_KEY.findall(text)) or bool(_EXTENDS.search(text))
    if not isinstance(root, Mapping):
        return False
    if "extends" in root.entries:
        return "expect" in root.entries or set(root.entries) <= set(EXTENDING)
    return _has_parts(root.entries)


def _has_parts(keys: Iterable[str]) -> bool:
    return len({_PARTS[key] for key in keys if key in _PARTS}) > 1
