from __future__ import annotations

import pytest

import cnncalc
from cnncalc.diagnostics import render
from cnncalc.passes.remarks import remarks


def said(document: str) -> list[tuple[str, str]]:
    """Code and message of each remark."""
    return [(remark.code, remark.message) for remark in remarks(cnncalc.loads(document))]


# Input that looks turned around ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("input", "code", "message", "help"),
    [
        (
            "[224, 200, 3]",
            "channels-last",
            "this input has 224 channels and is 200x3: are the channels last here?",
            "for 3 channels write 224x200x3 or [3, 224, 200]",
        ),
        (
            "[28, 28, 1]",
            "channels-last",
            "this input has 28 channels and is 28x1: are the channels last here?",
            "for 1 channels write 28x28x1 or [1, 28, 28]",
        ),
        (
            "[32, 16, 4]",
            "channels-last",
            "this input has 32 channels and is 16x4: are the channels last here?",
            "for 4 channels write 32x16x4 or [4, 32, 16]",
        ),
        (
            "3x224x200",
            "channels-first",
            "this input has 200 channels and is 3x224: are the channels first here?",
            "for 3 channels write 224x200x3 or [3, 224, 200]",
        ),
    ],
)
def test_input_turned_around(input: str, code: str, message: str, help: str) -> None:
    (remark,) = remarks(cnncalc.loads(f"{{input: {input}, layers: [relu]}}"))
    assert (remark.severity, remark.code, remark.message, remark.help) == ("warning", code, message, help)
    assert str(remark.span) == "<text>:1:9"


@pytest.mark.parametrize(
    "input",
    [
        "224x200x3",
        "[3, 224, 200]",
        "28x28x1",
        "[512, 7, 7]",
        "7x7x512",
        "[64, 15, 3]",
        "[64, 64, 5]",
        "8x8x64",
        "1000",
        "[128, 100]",
        "[16, 4, 4]",
    ],
)
def test_input_the_right_way_around(input: str) -> None:
    assert said(f"{{input: {input}, layers: [relu]}}") == []


# Windows --------------------------------------------------------------------------------------------------------------


def test_unread_input() -> None:
    document = "{input: 7x9x1, layers: [{name: half, max_pool: 2}]}"
    assert said(document) == [
        ("input-unread", "`half`: no window reads the last 1 of 7 rows and the last 1 of 9 columns")
    ]


def test_skipped_input() -> None:
    """A 1x1 every third: rows 0 and 3 of 4 are read."""
    document = "{input: 4x4x1, layers: [{conv: {out_channels: 1, kernel_size: 1, stride: [3, 1]}}]}"
    assert said(document) == [
        ("stride-exceeds-window", "`conv`: no window reads 2 of 4 rows: the stride steps over them")
    ]


def test_padding_left_over_is_no_loss() -> None:
    """(5 - 3 + 2)/3 leaves a remainder of 1: the padding after the input."""
    assert said("{input: 5x5x1, layers: [{conv: {out_channels: 1, kernel_size: 3, stride: 3, padding: 1}}]}") == []


def test_a_repeated_layer_says_it_once() -> None:
    """The same message about the same written layer; 15 -> 7 -> 3 -> 1 gives three different ones."""
    different = "{input: 15x16x1, layers: [{max_pool: 2, repeat: 3}]}"
    assert said(different) == [
        ("input-unread", "`max_pool.0`: no window reads the last 1 of 15 rows"),
        ("input-unread", "`max_pool.1`: no window reads the last 1 of 7 rows"),
        ("input-unread", "`max_pool.2`: no window reads the last 1 of 3 rows"),
    ]
    document = """
        input: 7x8x1
        blocks: {half: {layers: [{max_pool: 2}, {upsample: {size: [7, 8]}}]}}
        layers: [{half: {}, repeat: 3}]
        """
    assert said(document) == [
        ("input-unread", "`half.0.max_pool`: no window reads the last 1 of 7 rows (and 2 more of this layer)")
    ]


# What nothing reads ---------------------------------------------------------------------------------------------------


def test_unused_layers() -> None:
    document = """\
input: 8x8x1
layers:
  - {name: a, relu: {}}
  - {name: b, tanh: {}}
  - {name: c, sigmoid: {}, from: a}
"""
    (remark,) = remarks(cnncalc.loads(document, name="ends.yaml"))
    assert render(remark).splitlines() == [
        "ends.yaml:4:5: warning[unused-layer]: nothing uses the output of `b`",
        "  |",
        "4 |   - {name: b, tanh: {}}",
        "  |     ^^^^^^^^^^^^^^^^^^^",
        "  = note: it still counts in every total",
        "  = help: list it under `outputs:` if it is a result",
    ]


def test_an_output_is_used() -> None:
    layers = "layers: [{name: a, relu: {}}, {name: b, tanh: {}}, {name: c, sigmoid: {}, from: a}]"
    assert said(f"{{input: 8x8x1, {layers}, outputs: [b, c]}}") == []
    assert said(f"{{input: 8x8x1, {layers}, outputs: [b]}}") == [("unused-layer", "nothing uses the output of `c`")]


def test_unused_inputs() -> None:
    document = "{inputs: {image: 8x8x1, mask: 8x8x1}, layers: [{relu: {}, from: image}]}"
    (remark,) = remarks(cnncalc.loads(document))
    assert (remark.severity, remark.code) == ("warning", "unused-input")
    assert remark.message == "nothing uses the input `mask`"
    assert (remark.notes, remark.help) == ((), "")


def test_in_document_order_of_kinds() -> None:
    """The input first, then what windows leave, then what nothing reads."""
    document = (
        "{input: [28, 28, 3], layers: [{max_pool: 2}, {name: end, relu: {}}, {name: other, relu: {}, from: max_pool}]}"
    )
    assert [code for code, _ in said(document)] == ["channels-last", "input-unread", "unused-layer"]


# In place -------------------------------------------------------------------------------------------------------------


CONV = "{name: x, conv: {out_channels: 1, kernel_size: 1}}"


def test_a_value_written_over() -> None:
    (remark,) = remarks(
        cnncalc.loads(f"{{input: 8x8x1, layers: [{CONV}, {{add: [[{{relu: {{inplace: true}}}}], identity]}}]}}")
    )
    assert (remark.severity, remark.code) == ("warning", "overwritten-value")
    assert remark.message == "`relu` works in place: `add` reads its output instead of `x`"
    assert remark.help == "remove `inplace: true` from `relu`"


def test_in_place_in_a_row_is_fine() -> None:
    assert said(f"{{input: 8x8x1, layers: [{CONV}, {{relu: {{inplace: true}}}}, {{add: [tanh, identity]}}]}}") == []
