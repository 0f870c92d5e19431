"""Every word of a page by its key: quantities, units, letters, formulas and their whys, headings, totals, remarks.

`text("unit.bytes")` is a word, `text("of-layer", layer="conv1", quantity=...)` a sentence with something put in. A
language is a module here with a table of the same keys, which is loaded where it is asked for. What English says of a
formula is the formula's docstring; another language has a `why.` key, and a `formula.` key for each.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from inspect import cleandoc

from cnncalc.messages.en import WORDS

ENGLISH = WORDS
LANGUAGES = {"en": "English", "zh": "Chinese"}
CATALOGUES: dict[str, dict[str, str]] = {"en": ENGLISH}  # those that are loaded


def catalogue(language: str) -> dict[str, str]:
    """The words of a language by their keys; KeyError for one that there is not."""
    words = CATALOGUES.get(language)
    if words is None:
        if language not in LANGUAGES:
            raise KeyError(language)
        words = CATALOGUES[language] = import_module(f"cnncalc.messages.{language}").WORDS
    return words


def text(key: str, language: str = "en", /, **parts: object) -> str:
    """The words of a key, in English where a language lacks them; KeyError where English does, too."""
    words = catalogue(language).get(key)
    words = ENGLISH[key] if words is None else words
    return words.format(**parts) if parts else words


def numbered(key: str, count: int, language: str = "en", /, **parts: object) -> str:
    """The words of a count: those of `key.1` for one, of `key` for any other number."""
    return text(f"{key}.1" if count == 1 else key, language, count=count, **parts)


class Told(str):
    """English that remembers its key and parts, for `said` to say it in another language."""

    key: str
    parts: dict[str, object]


def told(key: str, /, **parts: object) -> Told:
    """The English of a key; its parts may be told themselves."""
    words = Told(text(key, **parts))
    words.key, words.parts = key, parts
    return words


def said(words: str, language: str = "en") -> str:
    """What was told, in a language; other words as they are."""
    if language == "en" or not isinstance(words, Told):
        return words
    parts = {name: said(part, language) if isinstance(part, str) else part for name, part in words.parts.items()}
    return text(words.key, language, **parts)


def formula_name(formula: Callable[..., int], language: str = "en") -> str:
    """What a formula is called: a catalogue's `formula.`, or the function's name in words."""
    name = formula.__name__
    return catalogue(language).get(f"formula.{name}") or ENGLISH.get(f"formula.{name}") or name.replace("_", " ")


def why(formula: Callable[..., int], language: str = "en") -> str:
    """Why a formula holds and where it is from, in one line: the first sentence of its docstring."""
    known = catalogue(language).get(f"why.{formula.__name__}")
    return known or cleandoc(formula.__doc__ or "").partition("\n\n")[0].replace("\n", " ")


def plain_letter(name: str) -> str:
    """The letter that is explained: K for K_h, t for t_3, but E_in for itself."""
    return name if f"letter.{name}" in ENGLISH else name.partition("_")[0]


def letter(name: str, language: str = "en") -> str:
    """What a letter stands for; KeyError for one that is not explained."""
    return text(f"letter.{plain_letter(name)}", language)


def dimension(position: int, rank: int, language: str = "en") -> str:
    """Which spatial dimension: `height`."""
    key = f"dimension.{rank}.{position + 1}"
    return text(key, language) if key in ENGLISH else text("dimension", language, position=position + 1)
