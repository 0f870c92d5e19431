"""`--lang` as a person types it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., Any]

CONV = ("conv", "32x32x3", "-k", "5", "-n", "10", "-p", "2")
COMMANDS = [
    ("analyze", "lenet5"),
    ("analyze", "lenet5", "--format", "markdown"),
    ("explain", "lenet5", "C3"),
    ("explain", "lenet5", "C3", "--format", "markdown"),
    ("explain", "lenet5", "C3", "--format", "latex"),
    ("explain", "lenet5", "C3", "--format", "json"),
    CONV,
    (*CONV, "--format", "json"),
    ("pool", "32x32x3", "-k", "2"),
    ("linear", "32", "-n", "10"),
    ("conv-transpose", "14x14x8", "-k", "2", "-s", "2", "-n", "4"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_languages(run: Run, command: tuple[str, ...]) -> None:
    usual, english, chinese = run(*command), run(*command, "--lang", "en"), run(*command, "--lang", "zh")
    assert usual == english
    assert english.code == chinese.code == 0
    assert chinese.err == ""
    assert "参数" in chinese.out or "输出" in chinese.out
    assert "输出" not in english.out


@pytest.mark.parametrize("format", ["json", "csv"])
def test_a_report_for_programs_is_the_same_in_every_language(run: Run, format: str) -> None:
    command = ("analyze", "alexnet_table", "--format", format)
    assert run(*command, "--lang", "zh") == run(*command)


def test_keys_of_json_are_not_translated(run: Run) -> None:
    def keys(found: Any) -> Any:
        if isinstance(found, dict):
            return {key: keys(value) for key, value in found.items()}
        return list(map(keys, found)) if isinstance(found, list) else type(found)

    for command in (("explain", "lenet5", "C3", "--format", "json"), (*CONV, "--format", "json")):
        english, chinese = (json.loads(run(*command, "--lang", language).out) for language in ("en", "zh"))
        assert english != chinese
        assert keys(english) == keys(chinese)
        (first, *_) = chinese["derivations"]
        assert (first["quantity"], first["name"], first["unit"]) == ("output", "输出尺寸", "shape")


@pytest.mark.parametrize(
    ("language", "help"),
    [
        ("zh-CN", "did you mean `zh`?"),
        ("zh_TW", "did you mean `zh`?"),
        ("Chinese", "did you mean `zh`?"),
        ("ZH", "did you mean `zh`?"),
        ("english", "did you mean `en`?"),
        ("fr", "known: en (English), zh (Chinese)"),
        ("", "known: en (English), zh (Chinese)"),
    ],
)
@pytest.mark.parametrize("command", [("analyze", "lenet5"), ("explain", "lenet5"), CONV], ids=" ".join)
def test_an_unknown_language(run: Run, command: tuple[str, ...], language: str, help: str) -> None:
    code, out, err = run(*command, "--lang", language)
    assert (code, out) == (2, "")
    assert err == f"error[unknown-language]: `{language}` is not a language of the words\n  = help: {help}\n"
