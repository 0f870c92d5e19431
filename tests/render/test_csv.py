from __future__ import annotations

import csv
import io

import pytest

import cnncalc
from cnncalc import Report
from cnncalc.render.columns import COLUMNS, chosen
from cnncalc.render.csv import document

# The numbers are counted in tests/test_analysis.py.
SMALL = """\
layer,kind,output,parameters,macs,bytes,field
first,conv 3x5/1x2,6x4x4,124,2880,384,3x5
batch_norm,batch_norm,6x4x4,8,0,384,3x5
relu,relu,6x4x4,0,0,0,3x5
conv,conv 1x1,6x4x4,16,384,384,3x5
add,add 2 paths,6x4x4,0,0,384,3x5
max_pool,max_pool 2x2/2,3x2x4,0,0,96,4x7
flatten,flatten,24,0,0,0,4x7
linear,linear,5,125,120,20,8x11
"""


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def test_everything(small: Report) -> None:
    assert document([small], chosen("layer,kind,output,parameters,macs,bytes,field")) == SMALL


def test_every_column_unless_some_are_chosen(small: Report) -> None:
    head, *rows = read(document([small]))
    assert head == [column.key for column in COLUMNS]
    assert len(rows) == 8
    assert rows[0] == [
        "first",
        "conv 3x5/1x2",
        "input",
        "6x8x2",
        "6x4x4",
        *["124", "120", "4", "0", "2880", "2880", "2976", "96", "96", "384"],
        "3x5",
        "1, 2",
        "-1, -2",
        "small.yaml:4",
    ]


def test_rows_that_repeat_are_all_there(repeating: Report) -> None:
    rows = read(document([repeating], chosen("layer,parameters")))[1:]
    assert [name for name, _ in rows] == [layer.name for layer in repeating.layers]
    assert sum(int(count) for _, count in rows) == repeating.totals.parameters == 1804


def test_several_networks(small: Report, repeating: Report) -> None:
    head, *rows = read(document([small, repeating], chosen("layer,macs")))
    assert head == ["network", "layer", "macs"]
    assert rows[0] == ["small.yaml", "first", "2880"]
    assert rows[8] == ["repeating.yaml", "conv3_1", "9216"]
    assert len(rows) == 8 + 9


def test_a_batch(batch_of_8: Report) -> None:
    head, first, *_ = read(document([batch_of_8], chosen("layer,bytes")))
    assert (head, first) == (["layer", "bytes"], ["first", "1536"])


def test_hostile_names(small: Report, hostile: Report) -> None:
    """Commas, quotes and line breaks stay inside their cell."""
    head, *rows = read(document([hostile, small], chosen("layer,place")))
    assert head == ["network", "layer", "place"]
    assert rows[0] == [hostile.source, "max_pool", f"{hostile.source}:3"]
    assert rows[1] == ["small.yaml", "first", "small.yaml:4"]
    assert hostile.source.count("\n") == 1


@pytest.mark.parametrize("name", ["unet", "googlenet_aux"])
def test_read_again(name: str) -> None:
    report = cnncalc.analyze(cnncalc.load(name))
    head, *rows = read(document([report]))
    assert {len(row) for row in rows} == {len(head)}
    for key in ("parameters", "macs", "activations"):
        assert sum(int(row[head.index(key)]) for row in rows) == getattr(report.totals, key)
