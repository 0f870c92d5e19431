"""Every layer kind is in `LAYERS`, says what it is, and has a row among the tests beside this one."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

import cnncalc.layers
from cnncalc.layers import KINDS, LAYERS, Kind, Merge
from cnncalc.layers.unknown import Unknown


def written_kinds() -> Iterator[type[Kind]]:
    """Every class of kind that a module of layers defines, bases included."""
    for found in pkgutil.iter_modules(cnncalc.layers.__path__, "cnncalc.layers."):
        module = importlib.import_module(found.name)
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Kind) and value.__module__ == module.__name__:
                yield value


def kinds_with_rows() -> Iterator[str]:
    """The kind of every row of `ROWS` in every test file of layers."""
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        if path == Path(__file__):
            continue
        spec = spec_from_file_location(f"rows_of_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        rows: list[Any] = getattr(module, "ROWS", [])
        yield from (row.values[0] for row in rows)


def test_every_concrete_kind_is_listed() -> None:
    concrete = {kind for kind in written_kinds() if "kind" in vars(kind)}
    assert concrete == {*LAYERS, Unknown}  # which is of importers, and no word of the language


def test_every_class_without_a_name_is_a_base() -> None:
    written = set(written_kinds())
    bases = {base for kind in written for base in kind.__mro__[1:]}
    assert {kind for kind in written if "kind" not in vars(kind)} <= bases


def test_no_kind_is_listed_twice() -> None:
    assert [kind for kind, count in Counter(layer.kind for layer in LAYERS).items() if count > 1] == []
    assert len(KINDS) == len(LAYERS)


def test_every_kind_has_a_row_of_facts() -> None:
    tested = set(kinds_with_rows())
    assert [kind for kind in KINDS if kind not in tested] == []
    assert tested <= set(KINDS)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.kind)
def test_a_kind_says_what_it_is(layer: type[Kind]) -> None:
    assert "summary" in vars(layer)
    assert layer.summary
    assert not layer.summary.endswith(".")


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.kind)
def test_the_main_value_is_a_field_and_the_only_one_required(layer: type[Kind]) -> None:
    required = [field.name for field in layer.fields.values() if field.required]
    if issubclass(layer, Merge):
        assert layer.main == "paths"  # which the language reads; alone, where nothing else is required
    elif layer.main:
        assert layer.main in layer.fields
        assert required in ([], [layer.main])
    else:
        assert len(required) != 1  # one required field would be the main value


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.kind)
def test_words_are_plain(layer: type[Kind]) -> None:
    assert all(word.isidentifier() and word.islower() for word in (layer.kind, *layer.fields))
