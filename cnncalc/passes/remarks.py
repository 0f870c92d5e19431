"""What a network's author may want to know and no rule forbids: input that no window reads, layers nothing uses."""

from __future__ import annotations

from cnncalc.diagnostics import Diagnostic, Note
from cnncalc.graph import Network, Node, Value
from cnncalc.shapes import shape_text


def remarks(network: Network) -> list[Diagnostic]:
    """Warnings and notes in the order of the document; equal remarks on one written layer are made once."""
    return [*_inputs(network), *_layers(network), *_unused(network)]


def _inputs(network: Network) -> list[Diagnostic]:
    found = []
    for value in network.inputs:
        channels, *spatial = value.output
        if len(spatial) != 2 or channels < 16 or spatial[1] > 4 or spatial[0] < 16:
            continue
        turned = (spatial[1], channels, spatial[0])
        found.append(
            Diagnostic(
                "channels-last" if network.layout == "chw" else "channels-first",
                f"this input has {channels} channels and is {spatial[0]}x{spatial[1]}: "
                f"are the channels {'last' if network.layout == 'chw' else 'first'} here?",
                value.span,
                help=f"for {spatial[1]} channels write {shape_text(turned, 'hwc')} or {shape_text(turned, 'chw')}",
                severity="warning",
            )
        )
    return found


def _layers(network: Network) -> list[Diagnostic]:
    found: dict[tuple[object, ...], list[Node]] = {}
    for node in network.nodes:
        for remark in node.facts.remarks:
            found.setdefault((remark.code, remark.message, node.span), []).append(node)
    diagnostics = []
    for (code, message, _), nodes in found.items():
        others = f" (and {len(nodes) - 1} more of this layer)" if len(nodes) > 1 else ""
        diagnostics.append(
            Diagnostic(str(code), f"`{nodes[0].name}`: {message}{others}", nodes[0].span, severity="note")
        )
    return diagnostics


def _unused(network: Network) -> list[Diagnostic]:
    read: set[Value] = {value for node in network.nodes for value in node.inputs}
    read.update(network.outputs)
    everything: list[Value] = [*network.inputs, *network.nodes]
    ends = [value for value in everything if value not in read]
    return [
        Diagnostic(
            "unused-layer" if isinstance(value, Node) else "unused-input",
            f"nothing uses {'the output of ' if isinstance(value, Node) else 'the input '}`{value.name}`",
            value.span,
            notes=(Note("it still counts in every total"),) if isinstance(value, Node) else (),
            help="list it under `outputs:` if it is a result" if isinstance(value, Node) else "",
            severity="warning",
        )
        for value in ends
    ]
