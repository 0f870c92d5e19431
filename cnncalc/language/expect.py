"""`expect:` is read: a mapping of quantities and values, bounds or figures, becomes a list of expectations.

expect:
  parameters: 25_557_032          # exactly
  macs: 4.09G                     # equal to the digits written
  receptive_field: ">= 7x7"       # a bound
  memory.training: {batch: 32, optimizer: adam, at_most: 8 GiB}
  layers: {stage1: {output: 56x56x256}}
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from cnncalc.diagnostics import MAX_QUOTED_WORD, Diagnostic, Findings, choices, did_you_mean, near, quoted
from cnncalc.expectations import MODELS, OF_LAYER, OF_NETWORK, Amount, Comparison, Expectation, Run, Sort
from cnncalc.language.source import MAX_DIGITS, Mapping, Node, Scalar, Sequence, describe, plain
from cnncalc.units import UNITS

COUNTS = {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
BOUNDS: dict[str, Comparison] = {"at_most": "<=", "at_least": ">=", "exactly": "="}
OF_RUN = {
    "model": MODELS,
    "dtype": ("float32", "float64", "float16", "bfloat16"),
    "device": ("cpu", "cuda"),
    "optimizer": ("sgd", "momentum", "adam", "adamw", "none"),
}
RUN = ("batch", *OF_RUN)
OF_EAGER = ("device", "optimizer")  # what the other models do not ask
_SIGNS: dict[str, Comparison] = {
    "": "=",
    "=": "=",
    "==": "=",
    "<=": "<=",
    "≤": "<=",
    ">=": ">=",
    "≥": ">=",
    "<": "<",
    ">": ">",
}

# What a text has to look like; a comma groups digits and separates no decimals: 15,5G is neither 15.5 nor 155.
SIGN = r"\s*(<=|>=|<|>|==?|≤|≥)?\s*"
AMOUNT = rf"{SIGN}([0-9]{{1,3}}(?:,[0-9]{{3}})+|[0-9]+(?:_[0-9]+)*)(?:\.([0-9]+))?\s*([A-Za-z]*)\s*"
SIZES = rf"{SIGN}([0-9]+(?:_[0-9]+)+|[0-9]+(?:x[0-9]+)*)\s*"
_AMOUNT, _SIZES = re.compile(AMOUNT), re.compile(SIZES)


def read_expect(node: Node | None, outputs: tuple[str, ...] | None, found: Findings) -> list[Expectation]:
    """A document's expectations; mistakes are added to `found`. `outputs` are the names that `outputs:` lists."""
    if node is None or (isinstance(node, Scalar) and node.value is None):
        return []
    return _Reader(outputs, found).network(node)


class _Reader:
    def __init__(self, outputs: tuple[str, ...] | None, found: Findings) -> None:
        self.outputs, self.found = outputs, found

    def error(self, code: str, message: str, node: Node, help: str = "") -> None:
        self.found.add(Diagnostic(code, message, node.span, help=help))

    def network(self, node: Node) -> list[Expectation]:
        if not isinstance(node, Mapping):
            message = f"`expect` has to be a mapping of quantities and values, not {describe(node)}"
            self.error("wrong-type", message, node, "write e.g. `expect: {parameters: 61_706}`")
            return []
        found: list[Expectation] = []
        for name, key in node.keys.items():
            value = node.entries[name]
            if name == "layers" and isinstance(value, Mapping):
                self.something("layers", value, key, "name a layer below it, and what it is to be")
                for layer, layer_key in value.keys.items():
                    found += self.of_layer(layer, layer_key, value.entries[layer])
            elif self.known(name, key, OF_NETWORK, "a network has"):
                found += self.values(name, key, value)
        return found

    def of_layer(self, layer: str, key: Scalar, node: Node) -> list[Expectation]:
        """What is expected of one layer or block."""
        if not layer:
            self.error("unknown-layer", "a layer's name is not an empty text", key, "name a layer or a block")
            return []
        if not isinstance(node, Mapping):
            message = f"what is expected of {quoted(layer)} has to be a mapping, not {describe(node)}"
            self.error("wrong-type", message, node, f"write `{layer}: {{output: 56x56x64}}`")
            return []
        self.something(layer, node, key, f"write `{layer}: {{output: 56x56x64}}`")
        found: list[Expectation] = []
        for name, name_key in node.keys.items():
            if self.known(name, name_key, OF_LAYER, "a layer has"):
                read = self.sizes if OF_LAYER[name] in ("shape", "sizes") else self.count
                made = read(name, f"layers.{layer}.{name}", key, node.entries[name], layer)
                found += [made] if made is not None else []
        return found

    def something(self, name: str, node: Mapping, key: Scalar, help: str) -> None:
        """An empty mapping would be met by everything."""
        if not node.entries:
            self.error("expected-value", f"{quoted(name)} expects nothing", key, help)

    def known(self, name: str, key: Scalar, quantities: dict[str, Sort], owner: str) -> bool:
        if name in quantities:
            return True
        help = did_you_mean(near(name, quantities), f"{owner} {', '.join(quantities)}")
        self.error("unknown-quantity", f"{quoted(name)} is not a quantity that can be expected", key, help)
        return False

    def values(self, name: str, key: Scalar, node: Node) -> list[Expectation]:
        """What is expected of the network."""
        sort = OF_NETWORK[name]
        if sort == "bytes":
            return self.memory(name, key, node)
        if name == "output" and isinstance(node, Mapping):
            return self.several(key, node)
        made = (self.sizes if sort in ("shape", "sizes") else self.count)(name, name, key, node)
        return [made] if made is not None else []

    def several(self, key: Scalar, node: Mapping) -> list[Expectation]:
        """Several outputs, each by its name."""
        self.something("output", node, key, "write a shape, or one for each output: {boxes: 8732x4, scores: 8732x21}")
        found: list[Expectation] = []
        for name, name_key in node.keys.items():
            if self.outputs is None:
                help = "write the shape alone, or list the outputs under `outputs:`"
                self.error(
                    "unknown-output", "the document lists no outputs, so that theirs have no names", name_key, help
                )
                break
            if name not in self.outputs:
                help = did_you_mean(near(name, self.outputs), f"its outputs are {', '.join(self.outputs)}")
                self.error("unknown-output", f"{quoted(name)} is not one of the document's outputs", name_key, help)
                continue
            made = self.sizes("output", f"output.{name}", name_key, node.entries[name], output=name)
            found += [made] if made is not None else []
        return found

    # Values -----------------------------------------------------------------------------------------------------------

    def count(self, name: str, path: str, key: Scalar, node: Node, layer: str = "") -> Expectation | None:
        amount = self.amount(node, COUNTS)
        if amount is None or not isinstance(node, Scalar):
            help = "write a whole number (61_706), a figure (61.7k, 15.5G) or a bound (<= 16G)"
            self.wrong(f"`{name}` is a count", node, help)
            return None
        return Expectation(path, name, layer, amount[0], amount[1], (), node.text.strip(), node.span, key.span)

    def amount(self, node: Node, units: dict[str, int]) -> tuple[Comparison, Amount] | None:
        found = _AMOUNT.fullmatch(_text(node))
        if found is None:
            return None
        sign, whole, part, unit = found[1] or "", re.sub("[_,]", "", found[2]), found[3] or "", found[4]
        scale = {"": 1, **{name.lower(): size for name, size in units.items()}}.get(unit.lower())
        if scale is None or (part and not unit):
            return None
        step = Fraction(scale, 10 ** len(part)) if scale > 1 else Fraction(0)
        return _SIGNS[sign], Amount(Fraction(int(whole + part) * scale, 10 ** len(part)), step)

    def sizes(
        self, name: str, path: str, key: Scalar, node: Node, layer: str = "", output: str = ""
    ) -> Expectation | None:
        shape = OF_NETWORK[name] == "shape"
        found = _SIZES.fullmatch(_text(node))
        if found is not None:
            sizes = tuple([int(size) for size in found[2].split("x")])
            sizes = (sizes[-1], *sizes[:-1]) if shape else sizes
            sign, written = _SIGNS[found[1] or ""], _text(node).strip()
            return Expectation(path, name, layer, sign, None, sizes, written, node.span, key.span, output)
        if isinstance(node, Sequence) and node.items:
            listed = plain(node)
            if all(type(size) is int and size > 0 for size in listed):
                written = f"[{', '.join(map(str, listed))}]"
                return Expectation(path, name, layer, "=", None, listed, written, node.span, key.span, output)
        help = "write 56x56x64 (height x width x channels) or [64, 56, 56]" if shape else 'write 7x7, or ">= 7x7"'
        self.wrong(f"`{name}` is {'a shape' if shape else 'a size along each dimension'}", node, help)
        return None

    def wrong(self, what: str, node: Node, help: str) -> None:
        if _is_folded(node):
            first = node.source.line_at(node.start)[node.source.position(node.start)[1] - 1 :].strip()
            short = len(first) < MAX_QUOTED_WORD and '"' not in first and re.search("[0-9]", first)
            help = f'write `"{first}"`' if short else "quote the whole text"
            self.error("needs-quotes", f"a text that begins with `{first[:1]}` needs quotes", node, help)
        else:
            self.error("expected-value", f"{what}, not {describe(node)}", node, help)

    # Memory -----------------------------------------------------------------------------------------------------------

    def memory(self, name: str, key: Scalar, node: Node) -> list[Expectation]:
        if not isinstance(node, Mapping):
            made = self.bytes(name, name, key, node, Run(), None)
            return [made] if made is not None else []
        run = self.run(name, node)
        bounds = [word for word in BOUNDS if word in node.entries]
        if not bounds:
            help = f"add at_most, at_least or exactly: `{name}: {{batch: 32, at_most: 8 GiB}}`"
            self.error("expected-value", f"`{name}` expects nothing", key, help)
        found = [self.bytes(name, f"{name}.{word}", key, node.entries[word], run, BOUNDS[word]) for word in bounds]
        return [expectation for expectation in found if expectation is not None]

    def bytes(
        self, name: str, path: str, key: Scalar, node: Node, run: Run, bound: Comparison | None
    ) -> Expectation | None:
        """An amount of memory; `bound` is what the word before it says, as which it is taken to the byte."""
        amount = self.amount(node, UNITS)
        text = _text(node).strip()
        sign = bound is not None and not text[:1].isdigit()
        if amount is None or not re.search("[A-Za-z]", text) or sign:
            help = "write a number with its unit: 8 GiB (2^30 bytes), 24 GB (10^9), 12_613_600 B"
            help = f"leave out the sign: `{path.rpartition('.')[2]}` is one" if amount is not None and sign else help
            self.wrong(f"`{path}` is an amount of memory", node, help)
            return None
        comparison, size = amount if bound is None else (bound, Amount(amount[1].value, Fraction(0)))
        return Expectation(path, name, "", comparison, size, (), text, node.span, key.span, run=run)

    def run(self, name: str, node: Mapping) -> Run:
        """Batch, model, optimizer ... of a figure of memory."""
        given: dict[str, Any] = {}
        for word, key in node.keys.items():
            value = node.entries[word]
            if word in BOUNDS:
                continue
            if word not in RUN or (word == "optimizer" and name == "memory.prediction"):
                known = [*BOUNDS, *(one for one in RUN if one != "optimizer" or name == "memory.training")]
                help = did_you_mean(near(word, known), f"it has {', '.join(known)}")
                self.error("unknown-field", f"{quoted(word)} is not a known field", key, help)
            elif word == "batch":
                if isinstance(value, Scalar) and type(value.value) is int and value.value >= 1:
                    given["batch"] = value.value
                else:
                    self.error(
                        "expected-value", f"`batch` is a number of images, not {describe(value)}", value, "use 1"
                    )
            elif isinstance(value, Scalar) and value.text in OF_RUN[word]:
                given[word] = "" if value.text == "none" else value.text
            else:
                text = value.text if isinstance(value, Scalar) else ""
                help = did_you_mean(near(text, OF_RUN[word]), f"use {choices(OF_RUN[word])}")
                self.error("expected-value", f"{describe(value)} is not a known {word}", value, help)
        self.check_model(name, given.get("model", Run().model), node)
        return Run(**given)

    def check_model(self, name: str, model: str, node: Mapping) -> None:
        """Not every model answers every question."""
        if model == "eager":
            return
        if model == "liveness" and name == "memory.training":
            help = "use eager, textbook or sum"
            self.error("no-such-model", "`liveness` is a model of prediction only", node.entries["model"], help)
        for word in OF_EAGER:
            if word in node.entries and (word != "optimizer" or name == "memory.training"):
                message = f"the model `{model}` knows no {word}"
                self.error("option-without-effect", message, node.keys[word], f"leave out `{word}`, or the model")


def _text(node: Node) -> str:
    """What stands there; nothing where that cannot be a number: a list, true, a text of several lines."""
    if not isinstance(node, Scalar) or isinstance(node.value, bool) or len(node.text) > MAX_DIGITS or _is_folded(node):
        return ""
    return node.text


def _is_folded(node: Node) -> bool:
    """Whether a text is written below a `>` or `|`, as which YAML takes a comparison without quotes."""
    return isinstance(node, Scalar) and node.source.text[node.start : node.start + 1] in (">", "|")
