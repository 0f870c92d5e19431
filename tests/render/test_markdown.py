from __future__ import annotations

import re

import pytest

import cnncalc
from cnncalc import Report
from cnncalc.render.columns import chosen
from cnncalc.render.markdown import document

# The numbers are counted in tests/test_analysis.py.
SMALL = """\
## small

| layer | kind | output | parameters | MACs | bytes | field |
| :-- | :-- | :-- | --: | --: | --: | :-- |
| first | conv 3x5/1x2 | 6x4x4 | 124 | 2,880 | 384 | 3x5 |
| batch\\_norm | batch\\_norm | 6x4x4 | 8 | 0 | 384 | 3x5 |
| relu | relu | 6x4x4 | 0 | 0 | 0 | 3x5 |
| conv | conv 1x1 | 6x4x4 | 16 | 384 | 384 | 3x5 |
| add | add 2 paths | 6x4x4 | 0 | 0 | 384 | 3x5 |
| max\\_pool | max\\_pool 2x2/2 | 3x2x4 | 0 | 0 | 96 | 4x7 |
| flatten | flatten | 24 | 0 | 0 | 0 | 4x7 |
| linear | linear | 5 | 125 | 120 | 20 | 8x11 |
| **total** |  |  | **273** | **3,384** | **1,652** |  |

- parameters: 273 (260 weights + 13 biases)
- buffers: 8 (kept but not trained)
- MACs: 3,384 (multiply-accumulates an image, conv and dense)
- multiplies: 3,480 (multiplications an image, all layers)
- activations: 413 (output values an image, 1,652 bytes (1.7 kB))
- depth: 3 (weighted layers deep: 2 convolutions, 1 dense layer)
- Memory in float32, as textbooks count it, predicting 1 image: 2,244 bytes (2.2 kB) = \
1,152 bytes of two consecutive layers' outputs (`add` and what it reads) + 1,092 bytes of parameters
- Memory in float32, as textbooks count it, training a batch of 1: 3,128 bytes (3.1 kB) = \
384 bytes of input + 1,652 bytes of every layer's output + 1,092 bytes of parameters
"""


def table(report: Report, columns: str = "layer,output") -> list[str]:
    return [line for line in document(report, chosen(columns)).splitlines() if line.startswith("|")]


def test_everything(small: Report) -> None:
    assert document(small) == SMALL


def test_a_batch(batch_of_8: Report) -> None:
    written = document(batch_of_8)
    assert "| layer | kind | output | parameters | MACs | bytes, batch of 8 | field |\n" in written
    assert "| first | conv 3x5/1x2 | 6x4x4 | 124 | 2,880 | 1,536 | 3x5 |\n" in written
    assert "predicting a batch of 8: 5,154 bytes (5.2 kB) = 4,608 bytes of" in written


def test_rows_that_repeat(repeating: Report) -> None:
    assert table(repeating) == [
        "| layer | output |",
        "| :-- | :-- |",
        "| conv3\\_1..2 ×2 | 8x8x4 |",
        "| wide.0..2 ×3 | 8x8x4 |",
        "| unit.0.conv | 8x8x4 |",
        "| unit.0.relu | 8x8x4 |",
        "| unit.1.conv | 8x8x4 |",
        "| unit.1.relu | 8x8x4 |",
        "| **total** |  |",
    ]


def test_columns(repeating: Report) -> None:
    assert table(repeating, "parameters,output")[:3] == ["| parameters | output |", "| --: | :-- |", "| 148 | 8x8x4 |"]
    assert table(repeating, "parameters,output")[-1] == "| **1,804** | **total** |"


def test_shapes_in_brackets_are_no_links() -> None:
    report = cnncalc.analyze(cnncalc.loads("{input: [3, 8, 6], layers: [relu]}"))
    assert table(report)[2] == "| relu | \\[3, 8, 6\\] |"


def test_names_in_sentences_are_code() -> None:
    """Between backticks Markdown knows no escapes: `max_pool` as it is."""
    report = cnncalc.analyze(cnncalc.loads("{input: 7x8x1, layers: [{max_pool: 2}]}", name="odd_size.yaml"))
    last = document(report).splitlines()[-1]
    assert last == "- note: `max_pool`: no window reads the last 1 of 7 rows (odd\\_size.yaml:1)"


def test_a_document_without_a_name_has_its_files() -> None:
    report = cnncalc.analyze(cnncalc.loads("{input: 7, layers: [relu]}", name="my_net.yaml"))
    assert document(report).startswith("## my\\_net.yaml\n")


def test_hostile_names(hostile: Report) -> None:
    """Every sign that Markdown might take for its own is behind a backslash; a cell is one cell, a title one line."""
    written = document(hostile, chosen("layer,place"))
    assert written.splitlines()[0] == ("## a\\|b \\`c\\` \\*d\\*?\\[31m?\\<script\\>alert(1)\\</script\\>")
    rows = [line for line in written.splitlines() if line.startswith("|")]
    assert rows[2] == '| max\\_pool | x\\|y,"z"?\\]0;t?\\<b\\>&\\_?.yaml:3 |'
    assert [len(re.findall(r"(?<!\\)\|", row)) for row in rows] == [3] * 4
    assert all(char.isprintable() or char == "\n" for char in written)


def test_a_stray_backtick_does_not_swallow_a_sentence() -> None:
    report = cnncalc.analyze(cnncalc.loads("{input: 7x8x1, layers: [{max_pool: 2}]}", name="a`<b>.yaml"))
    assert document(report).splitlines()[-1].endswith("(a\\`\\<b\\>.yaml:1)")


@pytest.mark.parametrize("name", ["ssd300_vgg16", "inception_v3"])
def test_every_row_has_as_many_cells(name: str) -> None:
    for columns in ("layer", "all"):
        rows = table(cnncalc.analyze(cnncalc.load(name)), columns)
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
