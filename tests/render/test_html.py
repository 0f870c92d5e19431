from __future__ import annotations

from html.parser import HTMLParser

import pytest

import cnncalc
from cnncalc import Report
from cnncalc.render.html import fragment


class Read(HTMLParser):
    """Tags in their order, and the text of cells and list items; every tag has to be closed where it should."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.cells: list[list[str]] = []
        self.items: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)
        self.tags.append(tag)
        if tag == "tr":
            self.cells.append([])
        elif tag in ("td", "th"):
            self.cells[-1].append("")
        elif tag == "li":
            self.items.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open or "th" in self.open:
            self.cells[-1][-1] += data
        elif "li" in self.open:
            self.items[-1] += data


# The first and last rows whole, with sides and weights; the numbers are counted in tests/test_analysis.py.
HEAD = """\
<div><strong>small</strong><table><thead><tr><th>layer</th><th>kind</th><th>output</th><th>parameters</th>\
<th>MACs</th><th>bytes</th><th>field</th></tr></thead><tbody><tr><td style="text-align:left">first</td>\
<td style="text-align:left">conv 3x5/1x2</td><td style="text-align:left">6x4x4</td>\
<td style="text-align:right">124</td><td style="text-align:right">2,880</td><td style="text-align:right">384</td>\
<td style="text-align:left">3x5</td></tr>"""
TOTAL = """\
<tr><td style="text-align:left"><strong>total</strong></td><td style="text-align:left"></td>\
<td style="text-align:left"></td><td style="text-align:right"><strong>273</strong></td>\
<td style="text-align:right"><strong>3,384</strong></td><td style="text-align:right"><strong>1,652</strong></td>\
<td style="text-align:left"></td></tr></tbody></table><ul><li>parameters: 273 (260 weights + 13 biases)</li>"""


def test_ends(small: Report) -> None:
    written = fragment(small)
    assert written.startswith(HEAD)
    assert TOTAL in written
    assert written.endswith("+ 1,092 bytes of parameters</li></ul></div>")


def test_rows(small: Report) -> None:
    read = Read(fragment(small))
    assert read.cells[1:4] == [
        ["first", "conv 3x5/1x2", "6x4x4", "124", "2,880", "384", "3x5"],
        ["batch_norm", "batch_norm", "6x4x4", "8", "0", "384", "3x5"],
        ["relu", "relu", "6x4x4", "0", "0", "0", "3x5"],
    ]
    assert len(read.cells) == 1 + 8 + 1
    assert read.items[:3] == [
        "parameters: 273 (260 weights + 13 biases)",
        "buffers: 8 (kept but not trained)",
        "MACs: 3,384 (multiply-accumulates an image, conv and dense)",
    ]
    assert len(read.items) == 6 + 2


def test_rows_that_repeat(repeating: Report) -> None:
    first = [row[0] for row in Read(fragment(repeating)).cells]
    assert first == [
        "layer",
        "conv3_1..2 ×2",
        "wide.0..2 ×3",
        *[f"unit.{n}.{m}" for n in "01" for m in ("conv", "relu")],
        "total",
    ]


def test_a_batch(batch_of_8: Report) -> None:
    read = Read(fragment(batch_of_8))
    assert read.cells[0][5] == "bytes, batch of 8"
    assert read.cells[1][5] == "1,536"


def test_hostile_names(hostile: Report) -> None:
    written = fragment(hostile)
    read = Read(written)
    assert set(read.tags) <= {"div", "strong", "table", "thead", "tbody", "tr", "th", "td", "ul", "li"}
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in written
    assert read.items[-1].endswith(f"({hostile.source}:3)")


@pytest.mark.parametrize("name", ["lenet5", "ssd300_vgg16"])
def test_a_notebook_shows_it(name: str) -> None:
    report = cnncalc.analyze(cnncalc.load(name))
    assert report._repr_html_() == fragment(report)
    assert len({len(row) for row in Read(fragment(report)).cells}) == 1
