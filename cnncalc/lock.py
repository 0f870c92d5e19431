"""Lock files: every number of a network as text beside its document, and a network held to them.

`net.yaml` has `net.lock.json`. A layer is one line that begins with its name, and keys are in order, so that what
`git diff` shows of a lock are the layers that changed. pydantic reads it; what is no lock is a diagnostic.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnncalc import models
from cnncalc.checks import Outcome, Verdict, verdicts
from cnncalc.diagnostics import Diagnostic, DocumentError, Note, Span
from cnncalc.diff import MAIN, Change, Diff, LayerChange, Spans, diff, percent_text, spans, value_text
from cnncalc.figures import SCHEMA_VERSION, Figures, document_name, figures
from cnncalc.files import write
from cnncalc.graph import Network

if TYPE_CHECKING:
    from pydantic import ValidationError

SUFFIX = ".lock.json"
MAX_BYTES = 1 << 29
MOST_NAMED = 5  # layers that follow from a change, or that a message names one by one
HEAD = ("layers", "depth", "parameters", "buffers", "macs", "activations", "memory.prediction", "memory.training")

# Writing --------------------------------------------------------------------------------------------------------------


def to_text(locked: Figures) -> str:
    """A lock file's text: two spaces deep, but each layer, input and output in one line."""
    parts = []
    for key, value in sorted(asdict(locked).items()):
        if isinstance(value, list):
            lines = ",\n".join([f"    {_line(item)}" for item in value])
            text = f"[\n{lines}\n  ]" if lines else "[]"
        else:
            text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False).replace("\n", "\n  ")
        parts.append(f'  "{key}": {text}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _line(record: dict[str, Any]) -> str:
    """Keys in order, but the name first."""
    name = json.dumps(record.pop("name"), ensure_ascii=False)
    return f'{{"name": {name}, {json.dumps(record, sort_keys=True, ensure_ascii=False)[1:]}'


def beside(document: str) -> Path:
    """Where a document's lock is: in the document's folder; of a network of the zoo or of a package, in this one."""
    path = models.beside(document)
    return path.with_name(path.name + SUFFIX)


# Reading --------------------------------------------------------------------------------------------------------------


def read_lock(path: str | Path) -> Figures:
    """The numbers of a lock file. Raises `DocumentError` where it is none."""
    try:
        if not Path(path).is_file():
            raise _refused("no-such-file", f"there is no file {path}", "`cnncalc lock` writes one")
        if Path(path).stat().st_size > MAX_BYTES:
            raise _refused("lock-too-large", f"{path} has more than {MAX_BYTES:,} bytes", "write it anew")
        data = Path(path).read_bytes()
    except OSError as error:
        raise _refused("cannot-read", f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from None
    return from_text(data, str(path))


def from_text(text: str | bytes, shown: str) -> Figures:
    """The numbers in a lock file's text; `shown` is what messages call it."""
    from pydantic import TypeAdapter, ValidationError

    anew = "write it anew with `cnncalc lock`"
    try:
        written = TypeAdapter(dict[str, Any]).validate_json(text)
        version = written.get("schema_version")
        if type(version) is int and version != SCHEMA_VERSION:
            message = f"{shown} is a lock of version {version}; this cnncalc reads and writes {SCHEMA_VERSION}"
            raise _refused("lock-version", message, anew)
        found: Figures = TypeAdapter(Figures).validate_json(text, strict=True)
    except ValidationError as error:
        raise _refused("not-a-lock", f"{shown} is not a lock: {_reason(error)}", anew) from None
    names = [layer.name for layer in found.layers]
    if len(names) != len(set(names)):
        twice = next(name for name in names if names.count(name) > 1)
        raise _refused("not-a-lock", f"{shown} is not a lock: two layers are named `{twice}`", anew)
    return found


def _reason(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    said = first["msg"][:1].lower() + first["msg"][1:]
    return f"{where}: {said}" if where else said


def _refused(code: str, message: str, help: str = "") -> DocumentError:
    return DocumentError(Diagnostic(code, message, help=help))


# Checking -------------------------------------------------------------------------------------------------------------


def check_lock(path: str, settings: Iterable[str] = ()) -> Outcome:
    """Hold a document's network to what it expects and to the lock beside it; nothing is raised.

    A lock that holds is one verdict; one that does not is a verdict for each change that follows from no other.
    """
    try:
        network = _network(path, settings)
        found = verdicts(network)
        locked = _lock_of(path)
        found += _verdicts(diff(locked, figures(network), places=spans(network)), spans(network), path)
    except DocumentError as error:
        return Outcome(path, mistakes=list(error.diagnostics))
    return _outcome(path, network, found)


def update_lock(path: str, settings: Iterable[str] = ()) -> Outcome:
    """Write a document's lock anew; nothing is raised. The outcome's only verdict is on that lock, which now holds."""
    try:
        network = _network(path, settings)
        text = to_text(figures(network))
        write(text, str(_beside(path)))
    except DocumentError as error:
        return Outcome(path, mistakes=list(error.diagnostics))
    return _outcome(path, network, [HOLDS])


def locked_text(path: str, settings: Iterable[str] = ()) -> str:
    """The text of the lock of a document's network. Raises `DocumentError`."""
    return to_text(figures(_network(path, settings)))


def _network(path: str, settings: Iterable[str]) -> Network:
    """A network whose every number is known."""
    network = models.load(path, settings)
    models.refuse_unknown(network, "no lock can hold the numbers of")
    return network


def _outcome(path: str, network: Network, found: list[Verdict]) -> Outcome:
    failures = [verdict.failure for verdict in found if verdict.failure is not None]
    return Outcome(path, network.name, len(network), len(found), failures=failures, verdicts=found)


def _beside(path: str) -> Path:
    if path == "-":
        help = "name the document's file"
        raise _refused("no-lock", "what is read from standard input has no lock beside it", help)
    return beside(path)


def _lock_of(path: str) -> Figures:
    at = _beside(path)
    if not at.exists():
        raise _refused("no-lock", f"{path} has no lock: there is no file {at}", f"write it with `cnncalc lock {path}`")
    locked = read_lock(at)
    names = (document_name(path), f"{document_name(path)}.yaml")  # the second of the zoo's `vgg16`
    if locked.document not in names:
        help = f"rename one of the documents, or write the lock anew with `cnncalc lock {path}`"
        raise _refused("another-lock", f"{at} is the lock of {locked.document}, not of {names[0]}", help)
    return locked


# What differs from a lock ---------------------------------------------------------------------------------------------

HOLDS = Verdict("lock", "as locked", "as locked")


def _verdicts(found: Diff, places: dict[str, Spans], path: str) -> list[Verdict]:
    """A failure for each change that follows from no other, with what follows from it; removed layers are one, and so
    are renamed ones. The first of them tells of the totals and of what to do."""
    if found.same:
        return [HOLDS]
    followers = _followers(found)
    failed = [
        *[_changed(layer, followers[layer.name], found, places) for layer in found.layers if layer.name in followers],
        *_renamed([layer for layer in found.layers if layer.renamed_only], places),
        *_removed([layer for layer in found.layers if layer.status == "removed"], places),
    ]
    totals = [total for total in found.changed_totals if total.quantity in HEAD] or found.changed_totals
    whole = [*found.changed_ends, *totals]
    if not failed:
        what = f"in total, {_said(whole.pop(0), found)}"
        failed = [_differs("lock.totals", "as locked", "something else", what)]
    told = failed[0].failure
    assert told is not None
    notes = (*told.notes, *[Note(f"in total, {_said(change, found)}") for change in whole])
    help = f"see `cnncalc diff {beside(path)} {path}`; if all is meant: cnncalc check --lock --update {path}"
    failed[0] = replace(failed[0], failure=replace(told, notes=notes, help=help))
    return failed


def _differs(
    name: str,
    locked: str,
    actual: str,
    message: str,
    at: Span | None = None,
    label: str = "",
    notes: Sequence[Note] = (),
) -> Verdict:
    return Verdict(name, locked, actual, Diagnostic("lock-differs", message, at, label, tuple(notes)))


def _followers(found: Diff) -> dict[str, list[LayerChange]]:
    """For each layer that changed by itself: those that changed because something that they read did."""
    root: dict[str, str] = {}
    followers: dict[str, list[LayerChange]] = {}
    for layer in found.layers:
        if layer.new is None or layer.renamed_only:
            continue
        if layer.independent:
            root[layer.name] = layer.name
            followers[layer.name] = []
        else:
            root[layer.name] = next(root[name] for name in layer.new.inputs if name in root)
            followers[root[layer.name]].append(layer)
    return followers


def _changed(layer: LayerChange, following: list[LayerChange], found: Diff, places: dict[str, Spans]) -> Verdict:
    """A layer that is not as locked, or not locked at all."""
    at = places.get(layer.name, Spans(None))
    after = [Note(f"in `{layer.name.split('.')[0]}`", use) for use in at.uses[:1]]
    after += [
        Note(f"`{one.name}` after it: {_told(one, found)}", places.get(one.name, Spans(None)).own)
        for one in following[:MOST_NAMED]
    ]
    if len(following) > MOST_NAMED:
        after.append(Note(f"and {_counted(len(following) - MOST_NAMED, 'more ')} after it"))
    name = f"lock.{layer.name}"
    if layer.old is None:
        return _differs(name, "no such layer", layer.name, f"`{layer.name}` is not in the lock", at.own, "", after)
    first, *rest = layer.changes
    old, new = [value_text(first.quantity, value, found.layout) for value in (first.old, first.new)]
    was = f", locked as `{layer.old.name}`" if layer.status == "renamed" else ""
    message = f"`{layer.name}`{was}: {first.quantity} is {new}, locked {old}"
    told = (*MAIN, "kind", "title")
    notes = [Note(_said(change, found)) for change in rest if change.quantity in told]
    if others := "; ".join([_said(change, found) for change in rest if change.quantity not in told]):
        notes.append(Note(others))
    label = percent_text(first.old, first.new)
    return _differs(f"{name}.{first.quantity}", old, new, message, at.own, label, [*notes, *after])


def _told(layer: LayerChange, found: Diff) -> str:
    """What changed of a layer after another: the main quantities, and others where none of those did."""
    if layer.old is None:
        return "not in the lock"
    main = [change for change in layer.changes if change.quantity in MAIN]
    return "; ".join([_said(change, found) for change in main or layer.changes])


def _said(change: Change, found: Diff) -> str:
    old, new = [value_text(change.quantity, value, found.layout) for value in (change.old, change.new)]
    why = percent_text(change.old, change.new) or change.refused
    return f"{change.quantity} is {new}, locked {old}" + (f" ({why})" if why else "")


def _renamed(layers: list[LayerChange], places: dict[str, Spans]) -> list[Verdict]:
    if not layers:
        return []
    named = [(layer.name, layer.old.name) for layer in layers if layer.old is not None]
    are = "is locked under another name" if len(layers) == 1 else "are locked under other names"
    message = f"{_counted(len(layers))} {are}: {_listed([f'`{new}` as `{old}`' for new, old in named])}"
    new, old = [_listed(names) for names in zip(*named, strict=True)]
    return [_differs("lock.names", old, new, message, places.get(layers[0].name, Spans(None)).own)]


def _removed(layers: list[LayerChange], places: dict[str, Spans]) -> list[Verdict]:
    """At the last layer before the first of them."""
    if not layers:
        return []
    are = "is" if len(layers) == 1 else "are"
    named = _listed([f"`{layer.name}`" for layer in layers])
    message = f"{_counted(len(layers))} {are} locked and no longer there: {named}"
    at = places.get(layers[0].after, Spans(None)).own
    locked = _listed([layer.name for layer in layers])
    return [_differs("lock.removed", locked, "", message, at, "the last layer before" if at else "")]


def _counted(count: int, more: str = "") -> str:
    return f"{count:,} {more}layer{'' if count == 1 else 's'}"


def _listed(texts: Sequence[str]) -> str:
    more = len(texts) - MOST_NAMED
    return ", ".join(texts[:MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")
