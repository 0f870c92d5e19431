"""What `diff` and `compare` compare: a document, a network of the zoo, a lock file, or one of them as it was in git.

`git:REV:PATH` is what `git show REV:PATH` shows, together with the documents that it extends at that revision.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from collections.abc import Mapping as Names
from pathlib import Path
from posixpath import basename, dirname, join, normpath, relpath, split, splitext
from tempfile import TemporaryDirectory
from typing import NamedTuple

from cnncalc.diagnostics import Diagnostic, DocumentError, Findings, Source, did_you_mean, near, quoted
from cnncalc.diff import Spans, spans
from cnncalc.figures import Figures, figures
from cnncalc.graph import Network
from cnncalc.language.load import MAX_BYTES, MAX_EXTENDS, decoded, network_of
from cnncalc.language.source import Mapping, Scalar, parse
from cnncalc.lock import MAX_BYTES as MAX_LOCK
from cnncalc.lock import from_text, read_lock
from cnncalc.models import load

GIT = "git:"
LOCK = ".json"


class Loaded(NamedTuple):
    """A side's numbers, and where its document has its layers (nowhere in a lock).

    `said` are an importer's remarks on how it read the network, and on what it could not count.
    """

    source: str
    figures: Figures
    places: Names[str, Spans]
    said: tuple[Diagnostic, ...] = ()


def loaded(name: str, settings: Iterable[str] = (), batch: int | None = None) -> Loaded:
    """The side of that name; a document's with `settings`, and memory of `batch` images. Raises `DocumentError`."""
    settings = tuple(settings)
    if name.endswith(LOCK) and (settings or batch is not None):
        help = "name the document itself to set something or to choose the batch"
        raise _refused("lock-is-fixed", f"{name} is a lock, and its numbers are those of its own run", help)
    if name.startswith(GIT):
        revision, colon, path = name.removeprefix(GIT).partition(":")
        if not colon or not path:
            help = "write git:main:net.yaml, or git:HEAD~1:./net.yaml for a path from this folder"
            raise _refused("git-name", f"{quoted(name)} is not git:REV:PATH", help)
        return _at_revision(name, revision, path, settings, batch)
    if name.endswith(LOCK):
        return Loaded(name, read_lock(name), {})
    return _of(name, load(name, settings), batch)


def _of(name: str, network: Network, batch: int | None) -> Loaded:
    return Loaded(name, figures(network, batch), spans(network), network.said)


# git ------------------------------------------------------------------------------------------------------------------


def _at_revision(name: str, revision: str, path: str, settings: Iterable[str], batch: int | None) -> Loaded:
    repository = _Repository(revision)
    rooted = repository.rooted(path, name)
    data = repository.data(rooted, name)
    if name.endswith(LOCK):
        return Loaded(name, from_text(data, name), {})
    # A document's bases are named relative to it; in the root it needs a folder for that.
    shown = name if "/" in path or repository.here else f"{GIT}{revision}:./{path}"
    source = Source(shown, decoded(data, name))
    with TemporaryDirectory() as folder:
        repository.write_with_bases(source, rooted, Path(folder))
        return _of(name, network_of(source, Path(folder), settings), batch)


class _Repository:
    """The repository around this folder, at a revision. Raises `DocumentError` where git has none of it."""

    def __init__(self, revision: str) -> None:
        self.here = _git("rev-parse", "--show-prefix").decode("utf-8", "surrogateescape").removesuffix("\n")
        self.revision = revision
        try:
            self.tree = _git("rev-parse", "--verify", f"{revision}^{{tree}}").decode().strip()
        except DocumentError:
            help = "in a shallow clone it has to be fetched first: `git fetch origin REV`, or fetch-depth: 0"
            raise _refused("no-such-revision", f"git knows no revision {quoted(revision)} here", help) from None

    def rooted(self, path: str, name: str) -> str:
        """A path from the repository's root; one with `./` or `../` starts in this folder, as for `git show`."""
        from_here = path.startswith(("./", "../"))
        rooted = normpath(join(self.here, path) if from_here else path)
        if rooted.startswith(("../", "/")) or rooted in ("..", "."):
            raise _refused("git-name", f"{quoted(name)} is not a file of this repository")
        return rooted

    def data(self, path: str, name: str) -> bytes:
        entry = self.entry(path)
        if entry is None:
            raise self.missing(path, name)
        sort = {"040000": "a directory", "160000": "another repository", "120000": "a symbolic link"}.get(entry[0])
        if sort is not None:
            raise _refused("is-a-directory", f"{name} is {sort}, not a document", "name a file")
        most = MAX_LOCK if path.endswith(LOCK) else MAX_BYTES
        if int(_git("cat-file", "-s", entry[1])) > most:
            raise _refused("document-too-large", f"{name} has more than {most:,} bytes")
        return _git("cat-file", "blob", entry[1])

    def entry(self, path: str) -> tuple[str, str] | None:
        """Mode and hash of a path; None where there is no such path."""
        listed = _git("ls-tree", "-z", "--full-tree", self.tree, "--", path).decode("utf-8", "surrogateescape")
        for line in listed.split("\0"):
            about, _, found = line.partition("\t")
            if found == path:
                mode, _, hash = about.split(" ")
                return mode, hash
        return None

    def missing(self, path: str, name: str) -> DocumentError:
        folder, file = split(path)
        inside = [f"{folder}/"] if folder else []
        listed = _git("ls-tree", "-z", "--full-tree", "--name-only", self.tree, "--", *inside)
        names = {
            splitext(basename(one))[0]: one for one in listed.decode("utf-8", "surrogateescape").split("\0") if one
        }
        help = did_you_mean([f"{GIT}{self.revision}:{names[one]}" for one in near(splitext(file)[0], names)])
        if self.here and self.entry(normpath(join(self.here, path))) is not None:
            help = did_you_mean([f"{GIT}{self.revision}:./{path}"])
        return _refused("no-such-file", f"there is no file {path} at {quoted(self.revision)}", help)

    def write_with_bases(self, source: Source, path: str, folder: Path) -> None:
        """Write a document and those that it extends, as far as they are in its folder, into another folder."""
        root, seen = dirname(path), set[str]()
        while path not in seen and len(seen) <= MAX_EXTENDS + 1:
            seen.add(path)
            target = folder / relpath(path, root or ".")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(source.text, "utf-8")
            path = normpath(join(dirname(path), _base(source)))
            inside = path.startswith(f"{root}/") if root else not path.startswith(("../", "/"))
            if not inside or (entry := self.entry(path)) is None or not entry[0].startswith("100"):
                return
            source = Source(path, decoded(self.data(path, path), path))


def _base(source: Source) -> str:
    """The file that a document extends, "" where there is none."""
    try:
        root = parse(source, Findings())
    except DocumentError:
        return ""
    base = root.entries.get("extends") if isinstance(root, Mapping) else None
    return base.text if isinstance(base, Scalar) else ""


def _git(*arguments: str) -> bytes:
    """What git writes. Raises `DocumentError` where it fails."""
    settings = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_LITERAL_PATHSPECS": "1"}
    try:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, stdin=subprocess.DEVNULL, env={**os.environ, **settings}
        )
    except (OSError, ValueError) as error:
        raise _refused("no-git", f"git cannot be run: {error}", "install git, or name files instead") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0].removeprefix("fatal: ")
        help = "run this inside the repository" if "not a git repository" in said else ""
        raise _refused("git-failed", f"git says: {said}", help)
    return done.stdout


def _refused(code: str, message: str, help: str = "") -> DocumentError:
    return DocumentError(Diagnostic(code, message, help=help))
