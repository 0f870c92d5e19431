from __future__ import annotations

import csv
import io
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import cnncalc
from cnncalc.cli import app
from cnncalc.language.load import zoo_names
from cnncalc.report import from_json

Run = Callable[..., Any]
Process = Callable[..., subprocess.Popen[bytes]]

# 4·2·9 + 4 = 76, 4·4·9 + 4 = 148 and 5·192 + 5 = 965 parameters; 192 outputs of 18 or 36 products.
SMALL = """\
small (small.yaml)
6x8x2 -> 5, 5 layers

layer        kind      output  parameters    MACs  bytes  field
-----------  --------  ------  ----------  ------  -----  -----
pair.0.conv  conv 3x3  6x8x4           76   3,456    768  3x3
pair.0.relu  relu      6x8x4            0       0    768  3x3
pair.1.conv  conv 3x3  6x8x4          148   6,912    768  5x5
pair.1.relu  relu      6x8x4            0       0    768  5x5
linear       linear    5              965     960     20  10x12
-----------  --------  ------  ----------  ------  -----  -----
total                               1,189  11,328  3,092

parameters    1,189  1,176 weights + 13 biases
MACs         11,328  multiply-accumulates an image, conv and dense
multiplies   11,328  multiplications an image, all layers
activations     773  output values an image, 3,092 bytes (3.1 kB)
depth             3  weighted layers deep: 2 convolutions, 1 dense layer

Memory in float32, as textbooks count it
  predicting 1 image: 6,292 bytes (6.3 kB)
    = 1,536 bytes of two consecutive layers' outputs (`pair.0.relu` and what it reads)
    + 4,756 bytes of parameters
  training a batch of 1: 8,232 bytes (8.2 kB)
    = 384 bytes of input
    + 3,092 bytes of every layer's output
    + 4,756 bytes of parameters
  what torch really holds: `cnncalc memory FILE --training`
"""


def column(out: str, *keys: str) -> list[list[str]]:
    """Columns of a CSV result."""
    rows = list(csv.DictReader(io.StringIO(out)))
    return [[row[key] for key in keys] for row in rows]


# Results --------------------------------------------------------------------------------------------------------------


def test_table(run: Run, small: Path) -> None:
    assert run("analyze", "small.yaml") == (0, SMALL, "")


def test_standard_input(run: Run, small: Path) -> None:
    result = run("analyze", "-", stdin=small.read_bytes())
    assert result == (0, SMALL.replace("(small.yaml)", "(<stdin>)"), "")


def test_a_path_and_a_byte_order_mark(run: Run, small: Path) -> None:
    folder = small.parent / "sub"
    folder.mkdir()
    (folder / "copy.yml").write_bytes(b"\xef\xbb\xbf" + small.read_bytes().replace(b"\n", b"\r\n"))
    result = run("analyze", "sub/copy.yml")
    assert (result.code, result.err) == (0, "")
    assert result.out == SMALL.replace("(small.yaml)", "(sub/copy.yml)")


@pytest.mark.parametrize("name", ["vgg16", "vgg16.yaml"])
def test_a_network_of_the_zoo(run: Run, small: Path, name: str) -> None:
    result = run("analyze", name)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("VGG-16 (vgg16.yaml)\n224x224x3 -> 1000, 21 layers\n")
    assert "\nparameters      138,357,544  138,344,128 weights + 13,416 biases\n" in result.out
    assert "\nMACs         15,470,264,320  multiply-accumulates" in result.out


def test_a_file_comes_before_the_zoo(run: Run, small: Path) -> None:
    (small.parent / "vgg16").write_text("{name: mine, input: 3, layers: [relu]}")
    assert run("analyze", "vgg16").out.startswith("mine (vgg16)\n")


def test_every_network_of_the_zoo(run: Run, small: Path) -> None:
    """All in one call: a table for each, and nothing on standard error."""
    result = run("analyze", *zoo_names())
    assert (result.code, result.err) == (0, "")
    assert len(re.findall(r"^total  ", result.out, re.MULTILINE)) == len(zoo_names())


def test_several_files(run: Run, small: Path) -> None:
    result = run("analyze", "small.yaml", "small.yaml")
    assert result == (0, f"{SMALL}\n{SMALL}", "")


def test_json_of_one_file_is_an_object(run: Run, small: Path) -> None:
    result = run("analyze", "small.yaml", "--format", "json")
    assert (result.code, result.err) == (0, "")
    assert from_json(result.out) == cnncalc.analyze(cnncalc.load("small.yaml"))
    assert json.loads(result.out)["totals"]["parameters"] == 1189


def test_json_of_several_files_is_a_list(run: Run, small: Path) -> None:
    result = run("analyze", "small.yaml", "lenet5", "--format", "json")
    assert [report["source"] for report in json.loads(result.out)] == ["small.yaml", "lenet5.yaml"]


def test_csv(run: Run, small: Path) -> None:
    result = run("analyze", "small.yaml", "--format", "csv", "--columns", "layer,parameters,macs")
    assert result == (
        0,
        "layer,parameters,macs\n"
        "pair.0.conv,76,3456\n"
        "pair.0.relu,0,0\n"
        "pair.1.conv,148,6912\n"
        "pair.1.relu,0,0\n"
        "linear,965,960\n",
        "",
    )
    several = run("analyze", "small.yaml", "lenet5", "--format", "csv")
    assert [row[0] for row in column(several.out, "network")] == ["small.yaml"] * 5 + ["lenet5.yaml"] * 7


def test_markdown(run: Run, small: Path) -> None:
    result = run("analyze", "small.yaml", "lenet5", "--format", "markdown", "--columns", "layer,parameters")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(
        "## small\n\n| layer | parameters |\n| :-- | --: |\n| pair.0.conv | 76 |\n| pair.0.relu | 0 |\n"
    )
    assert "\n\n## LeNet-5\n\n| layer | parameters |\n" in result.out


# Options --------------------------------------------------------------------------------------------------------------


def test_set(run: Run, small: Path) -> None:
    """10·192 + 10 = 1,930 of 2,154 parameters; at 3x4, 10·48 + 10 = 490."""
    result = run("analyze", "small.yaml", "--set", "classes=10", "--format", "json")
    assert json.loads(result.out)["totals"]["parameters"] == 76 + 148 + 1930
    result = run("analyze", "small.yaml", "--set", "classes=10", "--set", "input=3x4x2", "--format", "json")
    assert json.loads(result.out)["totals"]["parameters"] == 76 + 148 + 490
    assert json.loads(result.out)["inputs"] == [{"name": "input", "shape": [2, 3, 4]}]


def test_the_settings_of_the_readme(run: Run, small: Path) -> None:
    result = run("analyze", "vgg16", "--set", "classes=10", "--set", "input=384x384x3", "--format", "json")
    totals = json.loads(result.out)["totals"]
    # 14,714,688 in the convolutions; 12·12·512 values reach the first dense layer
    assert totals["parameters"] == 14_714_688 + (73_728 * 4096 + 4096) + (4096 * 4096 + 4096) + (4096 * 10 + 10)


def test_depth(run: Run, small: Path) -> None:
    result = run("analyze", "small.yaml", "--depth", "1", "--columns", "layer,kind,output,parameters,macs")
    assert result.code == 0
    assert result.out.splitlines()[3:8] == [
        "layer   kind            output  parameters    MACs",
        "------  --------------  ------  ----------  ------",
        "pair    block 4 layers  6x8x4          224  10,368",
        "linear  linear          5              965     960",
        "------  --------------  ------  ----------  ------",
    ]


def test_batch_and_dtype(run: Run, small: Path) -> None:
    result = run("analyze", "small.yaml", "--batch", "3", "--dtype", "float16", "--format", "json")
    report = json.loads(result.out)
    assert (report["batch"], report["dtype"]) == (3, "float16")
    assert report["layers"][0]["activation_bytes"] == 192 * 2 * 3
    assert report["totals"]["memory"]["parameters"] == 1189 * 2


@pytest.mark.parametrize(("layout", "shape"), [("hwc", "6x8x2 -> 5, 5 layers"), ("chw", "[2, 6, 8] -> [5], 5 layers")])
def test_layout(run: Run, small: Path, layout: str, shape: str) -> None:
    assert run("analyze", "small.yaml", "--layout", layout).out.splitlines()[1] == shape
    written = json.loads(run("analyze", "small.yaml", "--layout", layout, "--format", "json").out)
    assert written["inputs"][0]["shape"] == [2, 6, 8], "JSON has channels first, whatever a screen shows"


def test_all_columns(run: Run, small: Path) -> None:
    result = run("analyze", "small.yaml", "--columns", "all")
    head = result.out.splitlines()[3].split()
    assert head == [
        *["layer", "kind", "reads", "input", "output", "parameters", "weights", "biases", "buffers", "MACs"],
        *["multiplies", "connections", "neurons", "activations", "bytes", "field", "jump", "start", "place"],
    ]


# Remarks --------------------------------------------------------------------------------------------------------------


def test_warnings_are_part_of_the_result(run: Run, small: Path) -> None:
    (small.parent / "turned.yaml").write_text("{input: [28, 28, 1], layers: [relu]}")
    result = run("analyze", "turned.yaml")
    assert (result.code, result.err) == (0, "")
    assert result.out.endswith(
        "\nwarning: this input has 28 channels and is 28x1: are the channels last here? (turned.yaml:1)\n"
        "  help: for 1 channels write 28x28x1 or [1, 28, 28]\n"
    )


# Mistakes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["small.yml"],
            "error[no-such-file]: there is no file small.yml\n"
            "  = help: `cnncalc zoo` lists the networks that come with cnncalc\n",
        ),
        (["vgg61"], "error[no-such-file]: there is no file vgg61\n  = help: the zoo has "),
        (["."], "error[is-a-directory]: . is a directory, not a document\n  = help: name a file in it\n"),
        (
            ["small.yaml", "--columns", "layer,parameter"],
            "error[unknown-column]: `parameter` is not a column\n  = help: did you mean `parameters`?\n",
        ),
        (
            ["small.yaml", "--columns", "flops"],
            "error[unknown-column]: `flops` is not a column\n  = help: columns: layer, ",
        ),
        (
            ["small.yaml", "--dtype", "float31"],
            "error[unknown-dtype]: `float31` is not a number format\n  = help: did you mean `float",
        ),
        (
            ["small.yaml", "--dtype", "complex"],
            "error[unknown-dtype]: `complex` is not a number format\n  = help: known: float64, float32, ",
        ),
        (["small.yaml", "--set", "klasses=3"], "--set:1:1: error[unknown-arg]: "),
        (["small.yaml", "--set", "classes"], "--set:1:1: error[bad-setting]: `classes` is not NAME=VALUE\n"),
        (["small.yaml", "--set", "classes=many"], "--set:1:9: error["),
    ],
)
def test_a_mistake(run: Run, small: Path, arguments: list[str], message: str) -> None:
    result = run("analyze", *arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(message)
    assert result.err.endswith("\n")
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "error[no-document]: no network is named"),
        (["small.yaml", "--frmat", "json"], "No such option: --frmat"),
        (["small.yaml", "--format", "xml"], "'xml' is not one of 'table', 'json', 'csv',"),
        (["small.yaml", "--layout", "wch"], "'wch' is not one of 'hwc', 'chw'"),
        (["small.yaml", "--batch", "0"], "0 is not in the range x>=1"),
        (["small.yaml", "--batch", "two"], "'two' is not a valid int"),
        (["small.yaml", "--depth", "0"], "0 is not in the range x>=1"),
        (["small.yaml", "--columns"], "Option '--columns' requires an argument"),
    ],
)
def test_a_wrong_command(run: Run, small: Path, arguments: list[str], message: str) -> None:
    result = run("analyze", *arguments)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert "Traceback" not in result.err


def test_a_wrong_document(run: Run, small: Path) -> None:
    (small.parent / "wrong.yaml").write_text("input: 8x8x3\nlayers:\n  - convv: 3\n  - max_pool: {kernel: 2}\n")
    result = run("analyze", "wrong.yaml")
    assert (result.code, result.out) == (2, "")
    first, second = result.err.split("\n\n")
    assert first.startswith("wrong.yaml:3:5: error[unknown-kind]: ")
    assert second.startswith("wrong.yaml:4:16: error[unknown-field]: ")


@pytest.mark.parametrize("format", ["table", "json", "csv", "markdown"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_wrong_file_among_good_ones_and_nothing_is_printed(run: Run, small: Path, format: str, place: int) -> None:
    files = ["small.yaml", "vgg16"]
    files.insert(place, "missing.yaml")
    result = run("analyze", *files, "--format", format)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error[no-such-file]: there is no file missing.yaml\n")


@pytest.mark.parametrize(
    ("stdin", "message"),
    [
        (b"", "<stdin>:1:1: error["),
        (b"- relu\n", "<stdin>:1:1: error["),
        (b"input: 3\nlayers: [\xff]\n", "error[not-utf8]: <stdin> is not UTF-8 text: byte 0xff in line 2"),
        (b"extends: vgg16.yaml\n", "<stdin>:1:10: error[extends-from-text]"),
    ],
)
def test_wrong_standard_input(run: Run, small: Path, stdin: bytes, message: str) -> None:
    result = run("analyze", "-", stdin=stdin)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(message)


# As a process ---------------------------------------------------------------------------------------------------------


def test_a_process(process: Process, small: Path) -> None:
    running = process("analyze", "-")
    out, err = running.communicate(small.read_bytes(), timeout=60)
    assert (running.returncode, err) == (0, b"")
    assert out.decode() == SMALL.replace("(small.yaml)", "(<stdin>)")


@pytest.mark.parametrize("arguments", [["vgg16"], ["vgg16", "--columns", "all"], ["nonsense"], ["vgg16", "--nonsense"]])
def test_a_pipe_gets_no_escape_codes(process: Process, small: Path, arguments: list[str]) -> None:
    running = process("analyze", *arguments)
    out, err = running.communicate(timeout=60)
    assert b"\x1b" not in out + err
    assert bool(out) == (running.returncode == 0)
    assert bool(err) == (running.returncode == 2)


@pytest.mark.parametrize("format", ["table", "json"])
def test_a_reader_who_goes_away(process: Process, small: Path, format: str) -> None:
    """`cnncalc analyze resnet152 | true`: no traceback, and no success either."""
    running = process("analyze", "resnet152", "--format", format)
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.close()
    assert running.stderr.read() == b""
    assert running.wait(timeout=60) == 1


def test_a_reader_who_has_seen_enough(process: Process, small: Path) -> None:
    """`| head`: the first line, then nothing wrong."""
    running = process("analyze", "resnet152", "--format", "json")
    assert running.stdout is not None
    assert running.stderr is not None
    assert running.stdout.readline() == b"{\n"
    running.stdout.close()
    assert running.stderr.read() == b""
    assert running.wait(timeout=60) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize("arguments", [["zoo"], ["analyze", "lenet5"], ["write", "lenet5"], ["check", "lenet5"]])
def test_output_that_cannot_be_written(process: Process, small: Path, arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        running = process(*arguments, stdout=full)
        assert running.stderr is not None
        said = b"error[cannot-write]: standard output cannot be written: no space left on device\n"
        assert (running.stderr.read(), running.wait(timeout=60)) == (said, 2)


# Help -----------------------------------------------------------------------------------------------------------------


def test_help_says_what_there_is() -> None:
    result = CliRunner().invoke(app, ["analyze", "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert result.exit_code == 0
    options = ("--batch", "--dtype", "--layout", "--depth", "--columns", "--format", "--set", "table|json|csv|markdown")
    for option in options:
        assert option in result.output
    assert "FILE..." in result.output
