"""What `diff` compares: a document, a network of the zoo, a lock file, or one of them as it was in git.

`git:REV:PATH` is what `git show REV:PATH` shows, together with the documents that it extends at that revision.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from posixpath import dirname, join, normpath
from tempfile import TemporaryDirectory
from typing import NamedTuple

from cnncalc.diagnostics import Diagnostic, DocumentError, Findings, Source, quoted
from cnncalc.diff import Spans, spans
from cnncalc.figures import Figures, figures
from cnncalc.graph import Network
from cnncalc.language import source as language
from cnncalc.language.load import MAX_EXTENDS, load, network_of
from cnncalc.lock import from_text, read_lock

GIT = "git:"
LOCK = ".json"


class Loaded(NamedTuple):
    """A side's numbers, and where its document has its layers (nowhere in a lock)."""

    source: str
    figures: Figures
    places: Mapping[str, Spans]


def loaded(name: str) -> Loaded:
    """The side of that name. Raises `DocumentError`."""
    if name.startswith(GIT):
        revision, colon, path = name.removeprefix(GIT).partition(":")
        if not colon or not path:
            help = "write git:main:net.yaml, or git:HEAD~1:./net.yaml for a path from this folder"
            raise _refused("git-name", f"{quoted(name)} is not git:REV:PATH", help)
        return _at_revision(name, revision, path)
    if name.endswith(LOCK):
        return Loaded(name, read_lock(name), {})
    return _of(name, load(name))


def _of(name: str, network: Network) -> Loaded:
    return Loaded(name, figures(network), spans(network))


# git ------------------------------------------------------------------------------------------------------------------


def _at_revision(name: str, revision: str, path: str) -> Loaded:
    repository = _Repository(revision)
    path = repository.rooted(path)
    text = repository.text(path, name)
    if path.endswith(LOCK):
        return Loaded(name, from_text(text, name), {})
    with TemporaryDirectory() as folder:
        source = Source(name, _plain(text, name))
        repository.write_bases(source, path, Path(folder))
        return _of(name, network_of(source, Path(folder)))
