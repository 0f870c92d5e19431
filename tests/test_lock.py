"""Lock files: their text, what is no lock, and a document held to its lock."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import cnncalc
from cnncalc.checks import Outcome
from cnncalc.diagnostics import DocumentError, render
from cnncalc.diff import percent_text
from cnncalc.figures import figures
from cnncalc.language.load import zoo_names
from cnncalc.lock import beside, check_lock, from_text, read_lock, to_text, update_lock

SMALL = """\
input: 6x8x2
layers:
  - {name: first, conv: {out_channels: 4, kernel_size: 3, padding: 1}}
  - {name: pool, max_pool: 2}
  - {name: last, linear: 5}
"""


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """small.yaml in a folder to work in."""
    monkeypatch.chdir(tmp_path)
    file = Path("small.yaml")
    file.write_text(SMALL, "utf-8")
    return file


@pytest.fixture
def locked(small: Path) -> Path:
    """small.yaml, with its lock beside it."""
    assert update_lock("small.yaml").exit_code == 0
    return small


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), "utf-8")


# The text -------------------------------------------------------------------------------------------------------------

# The numbers are counted in tests/test_figures.py.
TEXT = """\
{
  "document": "small.yaml",
  "inputs": [
    {"name": "input", "shape": [2, 6, 8]}
  ],
  "layers": [
    {"name": "first", "activations": 192, "biases": 4, "buffers": 0, "connections": 3648, "input_shapes": [[2, 6, 8]], \
"inputs": ["input"], "kind": "conv", "macs": 3456, "multiplies": 3456, \
"operations": {"adds": 3648, "multiplies": 3456}, "output": [4, 6, 8], "parameters": 76, \
"receptive_field": {"jump": [1, 1], "of": "input", "size": [3, 3], "start": [-1, -1]}, "title": "3x3", "weights": 72},
    {"name": "pool", "activations": 48, "biases": 0, "buffers": 0, "connections": 0, "input_shapes": [[4, 6, 8]], \
"inputs": ["first"], "kind": "max_pool", "macs": 0, "multiplies": 0, "operations": {"comparisons": 144}, \
"output": [4, 3, 4], "parameters": 0, \
"receptive_field": {"jump": [2, 2], "of": "input", "size": [4, 4], "start": [-1, -1]}, "title": "2x2/2", "weights": 0},
    {"name": "last", "activations": 5, "biases": 5, "buffers": 0, "connections": 245, "input_shapes": [[4, 3, 4]], \
"inputs": ["pool"], "kind": "linear", "macs": 240, "multiplies": 240, "operations": {"adds": 245, "multiplies": 240}, \
"output": [5], "parameters": 245, \
"receptive_field": {"jump": null, "of": "input", "size": [8, 10], "start": null}, "title": "", "weights": 240}
  ],
  "layout": "hwc",
  "name": "",
  "outputs": [
    {"name": "last", "shape": [5]}
  ],
  "schema_version": 1,
  "totals": {
    "activations": 245,
    "biases": 9,
    "buffers": 0,
    "connections": 3893,
    "depth": 2,
    "flops": 7733,
    "layers": 3,
    "macs": 3696,
    "memory": {
      "device": "cpu",
      "dtype": "float32",
      "optimizer": "sgd",
      "prediction": {
        "batch": 1,
        "eager": 3012,
        "refused": "",
        "textbook": 2244
      },
      "training": {
        "batch": 2,
        "eager": TRAINING,
        "refused": "",
        "textbook": 4012
      }
    },
    "multiplies": 3696,
    "operations": {
      "adds": 3893,
      "comparisons": 144,
      "multiplies": 3696
    },
    "parameters": 321,
    "weights": 312
  }
}
"""


def test_the_text(locked: Path) -> None:
    text = Path("small.lock.json").read_text("utf-8")
    assert re.sub(r"(?<=\"batch\": 2,\n        \"eager\": )\d+", "TRAINING", text) == TEXT


@pytest.mark.parametrize("name", zoo_names())
def test_it_is_read_as_it_was_written(name: str) -> None:
    found = figures(cnncalc.load(name))
    text = to_text(found)
    assert from_text(text, "lock") == found
    assert json.loads(text)["totals"]["parameters"] == found.totals.parameters
    assert text.endswith("}\n")
    assert text.count('\n    {"name": ') == len(found.layers) + len(found.inputs) + len(found.outputs)


def test_null_and_the_reason() -> None:
    """A group of one value: torch does not run it on one image."""
    text = to_text(figures(cnncalc.loads("input: 4x4x2\nlayers: [global_avg_pool, {group_norm: 2}]")))
    run = json.loads(text)["totals"]["memory"]["prediction"]
    assert run["eager"] is None
    assert run["refused"].startswith("torch refuses to run this: `group_norm` would normalise a single value")
    assert from_text(text, "lock").totals.memory.prediction.eager is None


def test_names_in_other_alphabets() -> None:
    text = to_text(figures(cnncalc.loads('name: "Réseau 中"\ninput: 4x4x2\nlayers: [relu]')))
    assert '"name": "Réseau 中"' in text


def test_comments_and_folders_change_nothing(small: Path) -> None:
    there = to_text(figures(cnncalc.load(str(small.absolute()))))
    Path("nets").mkdir()
    Path("nets/small.yaml").write_text(f"# Another place.\n{SMALL}", "utf-8")
    assert to_text(figures(cnncalc.load("nets/small.yaml"))) == there


@pytest.mark.parametrize(
    ("document", "lock"),
    [
        ("net.yaml", "net.lock.json"),
        ("nets/net.v1.yml", "nets/net.v1.lock.json"),
        ("../net.yaml", "../net.lock.json"),
        ("resnet18", "resnet18.lock.json"),
    ],
)
def test_where_it_is(document: str, lock: str) -> None:
    assert beside(document) == Path(lock)


# What is no lock ------------------------------------------------------------------------------------------------------

ANEW = "\n  = help: write it anew with `cnncalc lock`"
LAYER = '    {"name": "pool", '


def lock_of(**changes: str) -> str:
    """The text of a lock with something else in it."""
    text = TEXT.replace("TRAINING", "7320")
    for old, new in changes.values():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"layers": [\n', '"layers": [[\n', "invalid JSON: "),
        ('"depth": 2', '"depth": "2"', "totals.depth: input should be a valid integer"),
        ('"depth": 2', '"depth": 2.5', "totals.depth: input should be a valid integer"),
        ('"depth": 2', '"depth": true', "totals.depth: input should be a valid integer"),
        ('    "depth": 2,\n', "", "totals.depth: field required"),
        ('"layout": "hwc"', '"layout": "cwh"', "layout: input should be 'hwc' or 'chw'"),
        (LAYER, LAYER.replace("pool", "first"), "two layers are named `first`"),
    ],
)
def test_what_is_wrong_is_said(old: str, new: str, said: str) -> None:
    with pytest.raises(DocumentError) as error:
        from_text(lock_of(it=(old, new)), "net.lock.json")
    assert str(error.value).startswith(f"error[not-a-lock]: net.lock.json is not a lock: {said}")
    assert str(error.value).endswith(ANEW)


@pytest.mark.parametrize("text", ["", "[]", "1", "{}", '{"a": ' * 2000, "\0", "layers: []", b"\xff"])
def test_what_is_no_lock_at_all(text: str | bytes) -> None:
    with pytest.raises(DocumentError, match=r"error\[not-a-lock\]: x is not a lock: "):
        from_text(text, "x")


def test_a_lock_of_another_version() -> None:
    with pytest.raises(DocumentError) as error:
        from_text('{"schema_version": 2, "whatever": 1}', "x.lock.json")
    assert str(error.value) == (
        f"error[lock-version]: x.lock.json is a lock of version 2; this cnncalc reads and writes 1{ANEW}"
    )


def test_what_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DocumentError, match=r"error\[no-such-file\]: there is no file a.lock.json"):
        read_lock("a.lock.json")
    with pytest.raises(DocumentError, match=r"error\[no-such-file\]: there is no file /dev/zero"):
        read_lock("/dev/zero")
    monkeypatch.setattr("cnncalc.lock.MAX_BYTES", 10)
    Path("a.lock.json").write_text(TEXT)
    with pytest.raises(DocumentError, match=r"error\[lock-too-large\]: a.lock.json has more than 10 bytes"):
        read_lock("a.lock.json")


# A document held to its lock ------------------------------------------------------------------------------------------


def said(outcome: Outcome) -> str:
    return "\n\n".join(map(render, outcome.diagnostics))


def test_nothing_changed(locked: Path) -> None:
    outcome = check_lock("small.yaml")
    assert (outcome.exit_code, outcome.layers, outcome.diagnostics) == (0, 3, [])
    assert [(verdict.name, verdict.failure) for verdict in outcome.verdicts] == [("lock", None)]
    assert outcome.expectations == 1


def test_one_change_and_what_follows(locked: Path) -> None:
    change(locked, "kernel_size: 3,", "kernel_size: 3, stride: 2,")
    outcome = check_lock("small.yaml")
    assert outcome.exit_code == 1
    training = figures(cnncalc.load("small.yaml")).totals.memory.training.eager
    before = read_lock("small.lock.json").totals.memory.training.eager
    assert training is not None
    assert before is not None
    # 48 of 192 outputs; 12 of 48 behind the pooling; 8 values into 5
    assert said(outcome) == (
        "small.yaml:3:5: error[lock-differs]: `first`: output is 3x4x4, locked 6x8x4\n"
        "  |\n"
        "3 |   - {name: first, conv: {out_channels: 4, kernel_size: 3, stride: 2, padding: 1}}\n"
        f"  |     {'^' * 77}\n"
        "  = note: title is 3x3/2, locked 3x3\n"
        "  = note: macs is 864, locked 3,456 (-75.0 %)\n"
        "  = note: activations is 48, locked 192 (-75.0 %)\n"
        "  = note: multiplies is 864, locked 3,456 (-75.0 %); operations is 864 multiplies, 912 adds, "
        "locked 3,648 adds, 3,456 multiplies; connections is 912, locked 3,648 (-75.0 %); jump is 2, 2, locked 1, 1\n"
        "  = note: `pool` after it: output is 1x2x4, locked 3x4x4; activations is 8, locked 48 (-83.3 %); "
        "receptive_field is 5x5, locked 4x4, small.yaml:4:5\n"
        "  = note: `last` after it: parameters is 45, locked 245 (-81.6 %); macs is 40, locked 240 (-83.3 %); "
        "receptive_field is 5x9, locked 8x10, small.yaml:5:5\n"
        "  = note: in total, parameters is 121, locked 321 (-62.3 %)\n"
        "  = note: in total, macs is 904, locked 3,696 (-75.5 %)\n"
        "  = note: in total, activations is 61, locked 245 (-75.1 %)\n"
        "  = note: in total, memory.prediction is 1,156, locked 3,012 (-61.6 %)\n"
        f"  = note: in total, memory.training is {training:,}, locked {before:,} ({percent_text(before, training)})\n"
        "  = help: see `cnncalc diff small.lock.json small.yaml`; "
        "if all is meant: cnncalc check --lock --update small.yaml"
    )
    (verdict,) = outcome.verdicts
    assert (verdict.name, verdict.expected, verdict.actual) == ("lock.first.output", "6x8x4", "3x4x4")


def test_changes_that_do_not_follow_from_one_another(locked: Path) -> None:
    """`first` counts another way without a bias; `last` reads the same and has another output."""
    change(locked, "padding: 1", "padding: 1, bias: false")
    change(locked, "linear: 5", "linear: 6")
    outcome = check_lock("small.yaml")
    assert [verdict.name for verdict in outcome.verdicts] == ["lock.first.parameters", "lock.last.output"]
    assert [str(one.span) for one in outcome.failures] == ["small.yaml:3:5", "small.yaml:5:5"]
    assert [bool(one.help) for one in outcome.failures] == [True, False]
    assert "= note: in total, parameters is 366, locked 321" in said(outcome)
    assert "= note: in total, outputs is last 6, locked last 5" in said(outcome)
    assert outcome.failures[0].label == "-5.3 %"  # 4 of 76


def test_added_removed_and_renamed(locked: Path) -> None:
    locked.write_text(
        "input: 6x8x2\n"
        "layers:\n"
        "  - {name: stem, conv: {out_channels: 4, kernel_size: 3, padding: 1}}\n"
        "  - {name: flat, identity: {}}\n"
        "  - {name: last, linear: 5}\n"
    )
    outcome = check_lock("small.yaml")
    assert [(verdict.name, verdict.expected, verdict.actual) for verdict in outcome.verdicts] == [
        ("lock.flat", "no such layer", "flat"),
        ("lock.names", "first", "stem"),
        ("lock.removed", "pool", ""),
    ]
    added, renamed, removed = outcome.failures
    assert (str(added.span), added.message) == ("small.yaml:4:5", "`flat` is not in the lock")
    assert str(added.notes[0]).startswith("`last` after it: parameters is 965, locked 245 (+293.9 %)")
    assert (str(renamed.span), renamed.message) == (
        "small.yaml:3:5",
        "1 layer is locked under another name: `stem` as `first`",
    )
    assert (str(removed.span), removed.message) == ("small.yaml:3:5", "1 layer is locked and no longer there: `pool`")
    assert removed.label == "the last layer before"


def test_a_block(small: Path) -> None:
    """A layer in a block names the line that uses it; of many that follow, some are named."""
    blocks = (
        "input: 6x8x2\n"
        "blocks: {unit: {args: {out: 4}, layers: [{conv: {out_channels: out, kernel_size: 1}}, relu]}}\n"
        "layers:\n"
        "  - {name: a, unit: {out: 4}}\n"
        "  - {name: b, unit: {}, repeat: 4}\n"
    )
    small.write_text(blocks)
    update_lock("small.yaml")
    change(small, "unit: {out: 4}", "unit: {out: 3}")
    (failure,) = check_lock("small.yaml").failures
    assert failure.message == "`a.conv`: output is 6x8x3, locked 6x8x4"
    assert str(failure.span) == "small.yaml:2:42"
    notes = list(map(str, failure.notes))
    assert "in `a`, small.yaml:4:5" in notes
    assert [note.partition(":")[0] for note in notes if " after it" in note] == [
        "`a.relu` after it",
        "`b.0.conv` after it",
    ]


def test_many_that_follow(small: Path) -> None:
    chain = "".join(f"  - {{name: c{number}, conv: {{out_channels: 2, kernel_size: 1}}}}\n" for number in range(9))
    small.write_text(f"input: 6x8x2\nlayers:\n{chain}")
    update_lock("small.yaml")
    change(small, "input: 6x8x2", "input: 6x7x2")
    (failure,) = check_lock("small.yaml").failures
    notes = list(map(str, failure.notes))
    assert [note.partition(" after")[0] for note in notes if " after it: " in note] == [f"`c{n}`" for n in range(1, 6)]
    assert "and 3 more layers after it" in notes
    assert "in total, inputs is input 6x7x2, locked input 6x8x2" in notes


def test_many_names(small: Path) -> None:
    chain = "".join(f"  - {{name: c{number}, relu: {{}}}}\n" for number in range(7))
    small.write_text(f"input: 6x8x2\nlayers:\n{chain}")
    update_lock("small.yaml")
    small.write_text(small.read_text().replace("name: c", "name: d"))
    (failure,) = check_lock("small.yaml").failures
    assert failure.message.startswith("7 layers are locked under other names: `d0` as `c0`, ")
    assert failure.message.endswith("`d4` as `c4` and 2 more")


def test_two_that_are_new(locked: Path) -> None:
    change(locked, "  - {name: last", "  - {name: a, relu: {}}\n  - {name: b, tanh: {}}\n  - {name: last")
    (failure,) = check_lock("small.yaml").failures
    assert failure.message == "`a` is not in the lock"
    assert list(map(str, failure.notes))[:2] == [
        "`b` after it: not in the lock, small.yaml:6:5",
        "`last` after it: inputs is b, locked pool, small.yaml:7:5",
    ]


def test_another_name_and_another_number(locked: Path) -> None:
    change(locked, "name: last, linear: 5", "name: head, linear: 6")
    (verdict,) = check_lock("small.yaml").verdicts
    assert verdict.failure is not None
    assert (verdict.name, verdict.failure.message) == (
        "lock.head.output",
        "`head`, locked as `last`: output is 6, locked 5",
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"eager": 3012', '"eager": 3000', "in total, memory.prediction is 3,012, locked 3,000 (+0.4 %)"),
        ('"textbook": 2244', '"textbook": 2240', "in total, textbook.prediction is 2,244, locked 2,240 (+0.2 %)"),
    ],
)
def test_the_whole_alone(locked: Path, old: str, new: str, said: str) -> None:
    """No layer differs, but a total does: the lock was edited, or memory is counted anew."""
    change(Path("small.lock.json"), old, new)
    outcome = check_lock("small.yaml")
    (failure,) = outcome.failures
    assert outcome.exit_code == 1
    assert (failure.message, failure.span) == (said, None)


def test_what_the_document_expects_too(locked: Path) -> None:
    with locked.open("a") as stream:
        stream.write("expect: {macs: 3_696, depth: 3}\n")
    outcome = check_lock("small.yaml")
    assert [(verdict.name, verdict.failure is None) for verdict in outcome.verdicts] == [
        ("macs", True),
        ("depth", False),
        ("lock", True),
    ]
    assert (outcome.expectations, len(outcome.failures), outcome.exit_code) == (3, 1, 1)


# Mistakes -------------------------------------------------------------------------------------------------------------


def test_no_lock(small: Path) -> None:
    outcome = check_lock("small.yaml")
    assert outcome.exit_code == 2
    assert said(outcome) == (
        "error[no-lock]: small.yaml has no lock: there is no file small.lock.json\n"
        "  = help: write it with `cnncalc lock small.yaml`"
    )


def test_a_lock_that_is_none(locked: Path) -> None:
    Path("small.lock.json").write_text("{}")
    assert check_lock("small.yaml").exit_code == 2
    assert "small.lock.json is not a lock: " in said(check_lock("small.yaml"))


def test_the_lock_of_another(locked: Path) -> None:
    """small.yaml and small.yml would share a lock."""
    Path("small.yml").write_text(SMALL)
    outcome = check_lock("small.yml")
    assert outcome.exit_code == 2
    assert "error[another-lock]: small.lock.json is the lock of small.yaml, not of small.yml" in said(outcome)


def test_a_wrong_document(locked: Path) -> None:
    change(locked, "max_pool: 2", "max_pool: 7")
    for held in (check_lock, update_lock):
        before = Path("small.lock.json").read_bytes()
        outcome = held("small.yaml")
        assert outcome.exit_code == 2
        assert "error[window-exceeds-input]" in said(outcome)
        assert Path("small.lock.json").read_bytes() == before


def test_standard_input_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    for held in (check_lock, update_lock):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(SMALL.encode())))
        assert "error[no-lock]: what is read from standard input has no lock beside it" in said(held("-"))


def test_of_the_zoo(small: Path) -> None:
    """Beside nothing but in this folder."""
    assert update_lock("lenet5").exit_code == 0
    assert Path("lenet5.lock.json").is_file()
    assert check_lock("lenet5").exit_code == 0


def test_anew(locked: Path) -> None:
    change(locked, "linear: 5", "linear: 6")
    assert check_lock("small.yaml").exit_code == 1
    outcome = update_lock("small.yaml")
    assert (outcome.exit_code, outcome.layers, [verdict.name for verdict in outcome.verdicts]) == (0, 3, ["lock"])
    assert check_lock("small.yaml").exit_code == 0


def test_it_cannot_be_written(small: Path) -> None:
    Path("small.lock.json").mkdir()
    outcome = update_lock("small.yaml")
    assert outcome.exit_code == 2
    assert "small.lock.json cannot be written" in said(outcome)
    unused: Any = list(Path().glob(".small*"))
    assert unused == []
