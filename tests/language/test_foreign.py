"""Words of other frameworks lead to words that exist."""

from __future__ import annotations

import pytest

from cnncalc.language.foreign import FIELDS, KINDS, NEEDLESS_FIELDS, field_meant, kind_meant
from cnncalc.layers import KINDS as KNOWN

EVERY_FIELD = {name for kind in KNOWN.values() for name in kind.fields} | {"paths"}


@pytest.mark.parametrize(("word", "kind"), sorted(KINDS.items()))
def test_kinds_exist(word: str, kind: str) -> None:
    assert kind in KNOWN
    assert word not in KNOWN
    assert word == word.lower()
    assert kind_meant(word.upper()) == kind


@pytest.mark.parametrize(("word", "field"), sorted(FIELDS.items()))
def test_fields_exist(word: str, field: str) -> None:
    assert field in EVERY_FIELD
    assert word not in NEEDLESS_FIELDS


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("Conv2D", "conv"),
        ("nn.Linear", None),
        ("MaxPool2d", "max_pool"),
        ("batch-norm", "batch_norm"),
        ("GAP", "global_avg_pool"),
    ],
)
def test_spellings(word: str, kind: str | None) -> None:
    assert kind_meant(word) == kind


@pytest.mark.parametrize(
    ("word", "kind", "field"),
    [
        ("filters", "conv", "out_channels"),
        ("units", "linear", "out_features"),
        ("filters", "linear", "out_features"),
        ("use_bias", "linear", "bias"),
        ("strides", "max_pool", "stride"),
        ("rate", "dropout", "p"),
        ("filters", "relu", ""),
        ("nonsense", "conv", ""),
    ],
)
def test_field_meant(word: str, kind: str, field: str) -> None:
    assert field_meant(word, list(KNOWN[kind].fields)) == field
