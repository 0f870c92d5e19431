"""Documents are written: plain data (`source.plain`) becomes YAML text that reads back as the same data.

In the style of the zoo: a layer a line with its fields in braces, and in braces itself where something stands beside
its kind; lists of layers and paths as blocks; and anything too wide for one line taken apart. Comments are no data, and
are not kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping as Names
from typing import Any

from cnncalc.language.reader import BESIDE_THE_KIND, TOP_LEVEL
from cnncalc.language.source import scalar_value

WIDTH = 110
GROUPED = 10_000  # from here on `_` parts the digits of a number

# A text that YAML reads as itself, in braces too; what an expression needs beyond that is quoted.
_PLAIN = re.compile(r"[A-Za-z0-9_(](?:[A-Za-z0-9_ .*+/<>=!()%-]*[A-Za-z0-9_.*+/<>=()%-])?")
_ESCAPED = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_BELOW_ANOTHER = ("blocks", "layers", "expect")  # sections with an empty line before them


def text(document: Names[str, Any]) -> str:
    """The YAML text of a document's plain data, its keys in the order in which documents have them."""
    known = [key for key in TOP_LEVEL if key in document]
    lines: list[str] = []
    for key in [*known, *[key for key in document if key not in known]]:
        if key in _BELOW_ANOTHER and lines:
            lines.append("")
        lines += _section(key, document[key])
    return "\n".join(lines) + "\n"


def _section(key: str, value: Any) -> Iterator[str]:
    if key == "layers" and _is_list(value) and value:
        yield "layers:"
        yield from _layers(value, 2)
    elif key == "blocks" and isinstance(value, Names) and value and all(map(_is_mapping, value.values())):
        yield "blocks:"
        for name, block in value.items():
            yield f"  {scalar(name)}:"
            for part, inside in block.items():
                if part == "layers" and _is_list(inside) and inside:
                    yield "    layers:"
                    yield from _layers(inside, 6)
                else:
                    yield from _entry(part, inside, 4)
    elif key == "expect" and isinstance(value, Names) and value:
        yield "expect:"
        for name, expected in value.items():
            yield from _entry(name, expected, 2)
    else:
        yield from _entry(key, value, 0)


# Layers ---------------------------------------------------------------------------------------------------------------


def _layers(uses: Any, indent: int) -> Iterator[str]:
    """A list of layers, each beginning a line."""
    for use in uses:
        yield from _item(_layer(use, indent + 2), indent)


def _item(lines: Iterator[str], indent: int) -> Iterator[str]:
    """Lines of a list's entry, indented for it: the first gets its dash."""
    first = next(lines)
    yield f"{' ' * indent}- {first[indent + 2 :]}"
    yield from lines


def _layer(use: Any, indent: int) -> Iterator[str]:
    """One layer: in a line where it fits, or its kind and fields, then what stands beside the kind, a line each."""
    if not isinstance(use, Names) or not use:
        yield " " * indent + flow(use)
        return
    if len(use) > 1 and indent + len(flow(use)) <= WIDTH:
        yield " " * indent + flow({key: use[key] for key in sorted(use, key=_order)})
        return
    for key in sorted(use, key=BESIDE_THE_KIND.__contains__):
        value = use[key]
        paths: Any = value.get("paths") if isinstance(value, Names) else value
        if _is_list(paths) and any(map(_is_list, paths)) and not _fits(key, value, indent):
            yield f"{' ' * indent}{scalar(key)}:"
            yield from _merge(value, paths, indent + 2)
        else:
            yield from _entry(key, value, indent)


def _order(key: str) -> int:
    """In a line the name comes first, then the kind."""
    return -1 if key == "name" else BESIDE_THE_KIND.index(key) if key in BESIDE_THE_KIND else 0


def _merge(value: Any, paths: Any, indent: int) -> Iterator[str]:
    if isinstance(value, Names):
        for field, inside in value.items():
            if field != "paths":
                yield from _entry(field, inside, indent)
        yield f"{' ' * indent}paths:"
        indent += 2
    for path in paths:
        if _is_list(path) and path and not (len(flow(path)) <= WIDTH // 2 and _is_flat(path)):
            yield from _item(_layers(path, indent + 2), indent)
        else:
            yield from _item(_layer(path, indent + 2), indent)


def _is_flat(path: Any) -> bool:
    """A path of bare kinds, which reads well in a line."""
    return all(isinstance(use, str) for use in path)


# Anything -------------------------------------------------------------------------------------------------------------


def _entry(key: str, value: Any, indent: int) -> Iterator[str]:
    """`key: value` in a line where it fits, and on lines of its own below the key where not."""
    if _fits(key, value, indent) or not isinstance(value, Names | list | tuple) or not value:
        yield f"{' ' * indent}{scalar(key)}: {flow(value)}"
        return
    yield f"{' ' * indent}{scalar(key)}:"
    yield from _taken_apart(value, indent + 2)


def _filled(values: Any, indent: int) -> Iterator[str]:
    """A list of scalars in brackets, as many a line as fit."""
    line = f"{' ' * indent}[{scalar(values[0])}"
    for value in values[1:]:
        if len(line) + 3 + len(scalar(value)) > WIDTH:
            yield f"{line},"
            line = f"{' ' * indent} {scalar(value)}"
        else:
            line = f"{line}, {scalar(value)}"
    yield f"{line}]"


def _taken_apart(value: Any, indent: int) -> Iterator[str]:
    if isinstance(value, Names):
        for name, inside in value.items():
            yield from _entry(name, inside, indent)
        return
    if not any(isinstance(inside, Names | list | tuple) for inside in value):
        yield from _filled(value, indent)
        return
    for inside in value:
        if isinstance(inside, Names | list | tuple) and inside and len(flow(inside)) + indent + 2 > WIDTH:
            yield from _item(_taken_apart(inside, indent + 2), indent)
        else:
            yield f"{' ' * indent}- {flow(inside)}"


def _fits(key: str, value: Any, indent: int) -> bool:
    return indent + len(key) + 2 + len(flow(value)) <= WIDTH


def flow(value: Any) -> str:
    """A value in one line."""
    if isinstance(value, Names):
        return f"{{{', '.join([f'{scalar(key)}: {flow(inside)}' for key, inside in value.items()])}}}"
    if _is_list(value):
        return f"[{', '.join([flow(inside) for inside in value])}]"
    return scalar(value)


def scalar(value: Any) -> str:
    """A number, a word or a text; quoted where YAML would read something else."""
    if value is None or type(value) is bool:
        return {None: "null", True: "true", False: "false"}[value]
    if type(value) is int:
        return f"{value:_}" if abs(value) >= GROUPED else str(value)
    if type(value) is float:
        return repr(value)
    if _PLAIN.fullmatch(value) and scalar_value(value) == value:
        return str(value)
    return f'"{"".join(map(_escaped, value))}"'


def _escaped(char: str) -> str:
    """A character inside double quotes."""
    if char in _ESCAPED:
        return _ESCAPED[char]
    if char.isprintable():
        return char
    return (
        f"\\x{ord(char):02x}"
        if ord(char) < 256
        else f"\\u{ord(char):04x}"
        if ord(char) < 65536
        else f"\\U{ord(char):08x}"
    )


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Names) and bool(value)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)
