"""A network held to what its document expects: each expectation that fails is a diagnostic at its line.

What names no layer or output of the network is a mistake of the document, not a failure: nothing is met by omission.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from cnncalc.analysis import analyze
from cnncalc.diagnostics import Diagnostic, DocumentError, Findings, Note, did_you_mean, near, quoted
from cnncalc.expectations import Expectation, Run
from cnncalc.graph import Network, Value
from cnncalc.models import load
from cnncalc.passes.memory import every_output, liveness, textbook
from cnncalc.report import LayerReport, Report
from cnncalc.shapes import sizes_text

Sizes = tuple[int, ...]
Actual = int | Sizes | None  # None where the quantity does not exist: a field that no size describes
Status = Literal["ok", "failed", "wrong"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One expectation, held against the network; `failure` is None where it is met.

    `name` is the keys that lead to it in the document: `layers.stem.output`. `actual` is "" where the network has no
    such number.
    """

    name: str
    expected: str
    actual: str
    failure: Diagnostic | None = None


@dataclass(slots=True)
class Outcome:
    """What came of one document: mistakes that keep it from being a network, or expectations that fail.

    `expectations` were held against the network; none are where the document has mistakes. `verdicts` are on those that
    have names, in document order; `failures` are all failures, theirs among them.
    """

    source: str
    name: str = ""
    layers: int = 0
    expectations: int = 0
    mistakes: list[Diagnostic] = field(default_factory=list)
    failures: list[Diagnostic] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def diagnostics(self) -> list[Diagnostic]:
        return self.mistakes or self.failures

    @property
    def status(self) -> Status:
        return "wrong" if self.mistakes else "failed" if self.failures else "ok"

    @property
    def exit_code(self) -> int:
        """0 where all is as expected, 1 where an expectation fails, 2 where the document is wrong."""
        return {"ok": 0, "failed": 1, "wrong": 2}[self.status]


def check_document(path: str, settings: Iterable[str] = ()) -> Outcome:
    """Read a document and hold its network to what it expects; nothing is raised."""
    try:
        network = load(path, settings)
        found = verdicts(network)
    except DocumentError as error:
        return Outcome(path, mistakes=list(error.diagnostics))
    failures = [verdict.failure for verdict in found if verdict.failure is not None]
    return Outcome(path, network.name, len(network), len(found), failures=failures, verdicts=found)


def check(network: Network) -> list[Diagnostic]:
    """The expectations of a network's document that it does not meet, in document order.

    Raises `DocumentError` where one speaks of a layer or an output that the network does not have.
    """
    return [verdict.failure for verdict in verdicts(network) if verdict.failure is not None]


def verdicts(network: Network) -> list[Verdict]:
    """Every expectation of a network's document, held against it, in document order. Raises as `check` does."""
    holder = _Holder(network)
    holder.check_names()
    return [holder.verdict(expectation) for expectation in network.expectations]


class _Holder:
    """A network's numbers, each computed when it is first asked for."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.known: Report | None = None
        self.runs: dict[tuple[str, Run], int] = {}
        outputs = network.outputs
        self.outputs: dict[str, Value] = dict(zip(network.output_names, outputs, strict=False))

    @property
    def report(self) -> Report:
        if self.known is None:
            self.known = analyze(self.network)
        return self.known

    def rows(self, layer: str) -> list[LayerReport]:
        """The rows of a layer, or of a block's layers."""
        return [row for row in self.report.layers if row.name == layer or row.name.startswith(f"{layer}.")]

    def place(self, expectation: Expectation) -> Value | None:
        """The value whose output or field is in question; None for what is of several layers together."""
        if expectation.layer:
            inside = f"{expectation.layer}."
            named = [node for node in self.network if node.name == expectation.layer or node.name.startswith(inside)]
            return named[-1]
        if expectation.output:
            return self.outputs[expectation.output]
        of_output = expectation.quantity in ("output", "receptive_field")
        return self.network.outputs[0] if of_output and self.network.outputs else None

    # Mistakes: what is spoken of does not exist -----------------------------------------------------------------------

    def check_names(self) -> None:
        """Raise `DocumentError` where expectations speak of what the network does not have; a layer is missed once."""
        found = Findings()
        missed: set[str] = set()
        for expectation in self.network.expectations:
            if expectation.layer:
                if expectation.layer not in missed and not self.rows(expectation.layer):
                    missed.add(expectation.layer)
                    found.add(self.unknown_layer(expectation))
            elif expectation.output:
                if expectation.output not in self.outputs:
                    message = f"{quoted(expectation.output)} is not an output here: its `when` is false"
                    help = "remove it, or change what the condition depends on"
                    found.add(Diagnostic("unknown-output", message, expectation.name_span, help=help))
            elif expectation.quantity in ("output", "receptive_field") and len(self.network.outputs) > 1:
                found.add(self.which_output(expectation))
        found.raise_if_any()

    def unknown_layer(self, expectation: Expectation) -> Diagnostic:
        names: dict[str, None] = {}
        for node in self.network:
            parts = node.name.split(".")
            names.update({".".join(parts[:end]): None for end in range(1, len(parts) + 1)})
        otherwise = "layers and blocks are named as `cnncalc analyze` names them"
        message = f"no layer or block is named {quoted(expectation.layer)}"
        help = did_you_mean(near(expectation.layer, names), otherwise)
        return Diagnostic("unknown-layer", message, expectation.name_span, help=help)

    def which_output(self, expectation: Expectation) -> Diagnostic:
        names = list(self.outputs) or [value.name for value in self.network.outputs]
        several = ", ".join(f"{name}: ..." for name in names)
        of_layer = f"`layers: {{{names[0]}: {{receptive_field: ...}}}}`"
        help = f"write `{{{several}}}`" if expectation.quantity == "output" else f"name the layer: {of_layer}"
        message = f"the network has {len(names)} outputs, and this does not say which"
        return Diagnostic("which-output", message, expectation.span, help=help)

    # Verdicts ---------------------------------------------------------------------------------------------------------

    def verdict(self, expectation: Expectation) -> Verdict:
        expected, subject = _expected(expectation), _subject(expectation)
        try:
            actual = self.actual(expectation)
        except DocumentError as error:
            (first, *_) = error.diagnostics
            message = f"{subject} cannot be: {first.message}"
            failure = Diagnostic("expectation-failed", message, expectation.span, help=first.help)
            return Verdict(expectation.key, expected, "", failure)
        if actual is None:
            why = "the network has no output" if self.place(expectation) is None else "no size describes it"
            message = f"{subject} does not exist: {why}"
            failure = Diagnostic("expectation-failed", message, expectation.span, notes=self.notes(expectation))
            return Verdict(expectation.key, expected, "", failure)
        shown = _shown(expectation, actual)
        if _met(expectation, actual):
            return Verdict(expectation.key, expected, shown)
        message = f"{subject} is {shown}, expected {expected}"
        label, notes = _by(expectation, actual), self.notes(expectation)
        failure = Diagnostic("expectation-failed", message, expectation.span, label, notes)
        return Verdict(expectation.key, expected, shown, failure)

    def notes(self, expectation: Expectation) -> tuple[Note, ...]:
        """Where the layer in question is written; what is summed up over several layers has no one place."""
        value = self.place(expectation)
        several = expectation.quantity not in ("output", "receptive_field") and len(self.rows(expectation.layer)) > 1
        if value is None or value.span is None or several:
            return ()
        return (Note(f"it is that of `{value.name}`", value.span),)

    # Numbers ----------------------------------------------------------------------------------------------------------

    def actual(self, expectation: Expectation) -> Actual:
        quantity = expectation.quantity
        if expectation.run is not None:
            return self.memory(quantity, expectation.run)
        value = self.place(expectation)
        if quantity == "output":
            return value.output if value is not None else None
        if quantity == "receptive_field":
            rows = [row for row in self.report.layers if value is not None and row.name == value.name]
            field = rows[-1].receptive_field if rows else None
            return tuple(field.size) if field is not None else None
        if expectation.layer:
            return _sum(quantity, self.rows(expectation.layer))
        totals = self.report.totals
        if quantity == "depth":
            return totals.depth.layers
        if quantity == "flops":
            return sum(totals.operations.values())
        found: int = getattr(totals, quantity)
        return found

    def memory(self, quantity: str, run: Run) -> int:
        key = (quantity, run)
        if key not in self.runs:
            self.runs[key] = _memory(self.network, quantity == "memory.training", run)
        return self.runs[key]


def _sum(quantity: str, rows: Sequence[LayerReport]) -> int:
    """A quantity of a layer, or of all layers of a block."""
    if quantity == "flops":
        return sum([sum(row.operations.values()) for row in rows])
    return sum([getattr(row, quantity) for row in rows])


def _memory(network: Network, training: bool, run: Run) -> int:
    if run.model == "eager":
        from cnncalc.eager import Setup, timeline

        setup = Setup(run.batch, run.dtype, run.device, training, optimizer=run.optimizer)
        return timeline(network, setup).bytes
    if run.model == "liveness":
        return liveness(network, run.batch, run.dtype).prediction
    model = (textbook if run.model == "textbook" else every_output)(network, run.batch, run.dtype)
    return model.training if training else model.prediction


def _met(expectation: Expectation, actual: int | Sizes) -> bool:
    if expectation.amount is not None:
        assert isinstance(actual, int)
        return expectation.amount.is_met_by(actual, expectation.comparison)
    assert isinstance(actual, tuple)
    if expectation.comparison == "=":
        return actual == expectation.sizes
    if len(actual) != len(expectation.sizes):
        return False
    compare = {"<": int.__lt__, "<=": int.__le__, ">": int.__gt__, ">=": int.__ge__}[expectation.comparison]
    return all(compare(own, bound) for own, bound in zip(actual, expectation.sizes, strict=True))


# Words ----------------------------------------------------------------------------------------------------------------


def _subject(expectation: Expectation) -> str:
    """What is expected, in words: `macs` of `stage1`, memory for training a batch of 32 with adam (eager)."""
    if expectation.run is None:
        of = expectation.layer or expectation.output
        return f"`{expectation.quantity}`{f' of {quoted(of)}' if of else ''}"
    run = expectation.run
    training = expectation.quantity == "memory.training"
    done = "training" if training else "predicting"
    images = "1 image" if run.batch == 1 else f"a batch of {run.batch:,}"
    how = f" with {run.optimizer or 'no optimizer'}" if training and run.model == "eager" else ""
    unusual = [own for own, usual in ((run.dtype, "float32"), (run.device, "cpu")) if own != usual]
    return f"memory for {done} {images}{how} ({', '.join([run.model, *unusual])})"


def _expected(expectation: Expectation) -> str:
    words = {"=": "", "<": "less than ", "<=": "at most ", ">": "more than ", ">=": "at least "}
    return words[expectation.comparison] + expectation.written.lstrip("<>=≤≥ ")


def _shown(expectation: Expectation, actual: int | Sizes) -> str:
    """A number of the network in the form in which the document expects it."""
    if isinstance(actual, int):
        return f"{actual:,} bytes" if expectation.run is not None else f"{actual:,}"
    if expectation.quantity != "output":
        return sizes_text(actual)
    if expectation.written.startswith("["):
        return f"[{', '.join(map(str, actual))}]"
    return sizes_text((*actual[1:], *actual[:1]))


def _by(expectation: Expectation, actual: int | Sizes) -> str:
    """By how much it is missed."""
    if expectation.amount is None or not isinstance(actual, int):
        return ""
    value = expectation.amount.value
    off = actual - value
    if off == 0:
        return "the bound itself is not within it"
    count = f"{abs(off.numerator) // off.denominator:,}{' bytes' if expectation.run is not None else ''}"
    share = f", {_percent(float(100 * abs(off) / value))}" if value else ""
    return f"{count} too {'many' if off > 0 else 'few'}{share}"


def _percent(share: float) -> str:
    return f"{share:,.1f} %" if share >= 0.1 else f"{share:.2f} %" if share >= 0.01 else "under 0.01 %"
