"""Where documents come from: paths, standard input, the zoo; `extends`; `--set`."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import pytest

from cnncalc.diagnostics import DocumentError
from cnncalc.graph import Network
from cnncalc.language.load import load, loads, read_source, zoo, zoo_names

BASE = "name: Base\ninput: 9x7x3\nargs: {classes: 10, width: 4}\nlayers: [{linear: width}, {linear: classes}]\n"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, text: str) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def features(network: Network) -> list[int]:
    return [node.output[0] for node in network]


# Files ----------------------------------------------------------------------------------------------------------------


def test_a_path() -> None:
    write("nets/base.yaml", BASE)
    for path in ("nets/base.yaml", Path("nets/base.yaml"), str(Path("nets/base.yaml").absolute())):
        network = load(path)
        assert network.source == str(path)
        assert (network.name, features(network)) == ("Base", [4, 10])


def test_a_network_of_the_zoo() -> None:
    assert "vgg16" in zoo_names()
    assert zoo_names() == sorted(zoo_names())
    assert load("vgg16").source == "vgg16.yaml"
    assert len(load("vgg16")) == len(load("vgg16.yaml")) == len(load(zoo() / "vgg16.yaml"))


def test_a_file_before_the_zoo() -> None:
    write("vgg16.yaml", BASE)
    assert load("vgg16.yaml").name == "Base"
    assert load("vgg16").name != "Base"
    write("vgg16", BASE)
    assert load("vgg16").name == "Base"


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    with write("piped", BASE).open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        network = load("-")
    assert network.source == "<stdin>"
    assert features(network) == [4, 10]


def test_text() -> None:
    assert loads(BASE).source == "<text>"
    assert loads(BASE, name="lecture 3").source == "lecture 3"


@pytest.mark.parametrize(
    "data",
    [BASE.encode(), BASE.replace("\n", "\r\n").encode(), b"\xef\xbb\xbf" + BASE.encode(), BASE.rstrip("\n").encode()],
    ids=["as everywhere", "Windows", "byte order mark", "no newline at the end"],
)
def test_forms_of_text(data: bytes) -> None:
    Path("net.yaml").write_bytes(data)
    assert features(load("net.yaml")) == [4, 10]
    assert features(loads(data.decode())) == [4, 10]


def test_read_source_says_the_folder() -> None:
    write("nets/base.yaml", BASE)
    source, folder = read_source("nets/base.yaml")
    assert (source.name, source.text, folder) == ("nets/base.yaml", BASE, Path("nets"))


@pytest.mark.parametrize("text", [BASE, "input: 0x8x3\nlayers: [relu]\n"])
def test_the_garbage_collector_is_left_as_it_was(text: str) -> None:
    for enabled in (True, False):
        (gc.enable if enabled else gc.disable)()
        try:
            loads(text)
        except DocumentError:
            assert text is not BASE
        finally:
            assert gc.isenabled() is enabled
            gc.enable()


# extends --------------------------------------------------------------------------------------------------------------


def test_extends_changes_what_it_names() -> None:
    write("base.yaml", BASE)
    write("net.yaml", "extends: base.yaml\nname: Large\ninput: [3, 18, 14]\nargs: {classes: 100}\n")
    network = load("net.yaml")
    assert (network.name, network.source, network.layout) == ("Large", "net.yaml", "chw")
    assert network.inputs[0].output == (3, 18, 14)
    assert features(network) == [4, 100]


def test_extends_alone_is_the_same_network() -> None:
    write("base.yaml", BASE)
    write("net.yaml", "extends: base.yaml\n")
    assert load("net.yaml").name == "Base"
    assert features(load("net.yaml")) == [4, 10]


def test_places_are_those_of_the_text_they_stand_in() -> None:
    write("nets/base.yaml", BASE)
    write("net.yaml", "extends: nets/base.yaml\n")
    assert str(load("net.yaml")["linear1"].span) == "nets/base.yaml:4:10"


def test_extends_of_extends() -> None:
    write("nets/base.yaml", BASE)
    write("nets/wide.yaml", "extends: base.yaml\nargs: {width: 8}\n")
    write("net.yaml", "extends: nets/wide.yaml\nargs: {classes: 2}\n")
    assert features(load("net.yaml")) == [8, 2]


def test_changed_args_see_the_args_before_them() -> None:
    write("base.yaml", BASE)
    write("net.yaml", "extends: base.yaml\nargs: {width: 3 * classes}\n")
    assert features(load("net.yaml")) == [30, 10]


def test_one_of_several_inputs_changes() -> None:
    write("base.yaml", "inputs: {left: 9x7x3, right: 9x7x3}\nlayers: [{concat: [left, right]}]\n")
    write("net.yaml", "extends: base.yaml\ninputs: {right: 9x7x5}\n")
    assert [value.output for value in load("net.yaml").inputs] == [(3, 9, 7), (5, 9, 7)]


def test_a_network_of_the_zoo_that_extends_another() -> None:
    for name in zoo_names():
        if "extends:" in (zoo() / f"{name}.yaml").read_text("utf-8"):
            assert load(name).nodes


def test_extends_needs_a_file() -> None:
    write("base.yaml", BASE)
    with pytest.raises(DocumentError, match="a document that is not a file cannot extend another"):
        loads("extends: base.yaml\n")


def test_extends_follows_no_link_out_of_the_folder() -> None:
    write("secret/base.yaml", BASE)
    Path("nets").mkdir()
    Path("nets/link.yaml").symlink_to(Path("secret/base.yaml").absolute())
    write("nets/net.yaml", "extends: link.yaml\n")
    with pytest.raises(DocumentError, match="is not in the document's folder or below it"):
        load("nets/net.yaml")


# --set ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (["classes=100"], [4, 100]),
        (["classes=100", "width=8"], [8, 100]),
        (["classes=100", "classes=50"], [4, 50]),
        (["width = 3 * 5"], [15, 10]),
        (["width=min(5, 6)"], [5, 10]),
        (["width=1_000"], [1000, 10]),
        (["width='7'"], [7, 10]),
    ],
)
def test_settings(settings: list[str], expected: list[int]) -> None:
    assert features(loads(BASE, settings)) == expected


def test_settings_see_the_args_before_them() -> None:
    assert features(loads(BASE, ["width=2 * classes"])) == [20, 10]
    with pytest.raises(DocumentError, match="`classes` needs `width`, which comes after it"):
        loads(BASE, ["classes=2 * width"])


@pytest.mark.parametrize(
    ("setting", "shape", "layout"),
    [("input=18x14x3", (3, 18, 14), "hwc"), ("input=[3, 18, 14]", (3, 18, 14), "chw"), ("input=width", (4,), "hwc")],
)
def test_setting_the_input(setting: str, shape: tuple[int, ...], layout: str) -> None:
    network = loads(BASE, [setting])
    assert (network.inputs[0].output, network.layout) == (shape, layout)


def test_setting_one_of_several_inputs() -> None:
    text = "inputs: {left: 9x7x3, right: 9x7x3}\nlayers: [{concat: [left, right]}]\n"
    assert loads(text, ["right=9x7x5"])["concat"].output == (8, 9, 7)


def test_setting_lists_mappings_and_words() -> None:
    text = (
        "input: 9x7x3\nargs: {depths: [1], stem: {width: 4}, act: relu}\nlayers:\n"
        "  - {relu: {}, repeat: depths}\n"
        "  - conv: {out_channels: stem.width, kernel_size: 1, activation: act}\n"
    )
    network = loads(text, ["depths=[1, 2, 3]", "stem={width: 6}", "act=tanh"])
    assert len(network) == 4
    assert network["conv"].layer.values()["out_channels"] == 6
    assert network["conv"].layer.values()["activation"] == "tanh"


def test_setting_an_arg_of_an_extended_document() -> None:
    write("base.yaml", BASE)
    write("net.yaml", "extends: base.yaml\nargs: {classes: 100}\n")
    assert features(load("net.yaml", ["width=8", "classes=5"])) == [8, 5]


def test_settings_leave_the_document_as_it_was() -> None:
    loads(BASE, ["classes=100"])
    assert features(loads(BASE)) == [4, 10]
