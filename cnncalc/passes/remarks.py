"""What a network's author may want to know and no rule forbids: input that no window reads, layers nothing uses."""

from __future__ import annotations

from cnncalc.diagnostics import Diagnostic, Note
from cnncalc.graph import Input, Network, Node, Value
from cnncalc.messages import told
from cnncalc.shapes import shape_text


def remarks(network: Network) -> list[Diagnostic]:
    """Warnings and notes in the order of the document; equal remarks on one written layer are made once.

    What an importer says of the network comes first.
    """
    return [*network.said, *_inputs(network), *_layers(network), *_overwritten(network), *_unused(network)]


def _inputs(network: Network) -> list[Diagnostic]:
    found = []
    for value in network.inputs:
        channels, *spatial = value.output
        if len(spatial) == 1 and network.layout == "hwc" and channels >= 8 and spatial[0] <= 8 * channels:
            found.append(_one_dimension(value))
        if len(spatial) != 2:
            continue
        last = network.layout == "chw"  # [224, 224, 3], or 3x224x224
        few, height, width = (spatial[1], channels, spatial[0]) if last else (spatial[0], spatial[1], channels)
        if few > 4 or height < 16 or width < 16:
            continue
        turned = (few, height, width)
        found.append(
            Diagnostic(
                "channels-last" if last else "channels-first",
                told(
                    "remark.channels-last" if last else "remark.channels-first",
                    channels=channels,
                    first=spatial[0],
                    second=spatial[1],
                ),
                value.span,
                help=told("help.channels", channels=few, hwc=shape_text(turned, "hwc"), chw=shape_text(turned, "chw")),
                severity="warning",
            )
        )
    return found


def _one_dimension(value: Input) -> Diagnostic:
    """`28x28` is a sequence of 28 places with 28 channels; an image was meant, more often than not."""
    channels, places = value.output
    return Diagnostic(
        "one-dimension",
        told("remark.one-dimension", places=places, channels=channels),
        value.span,
        help=told("help.one-dimension", places=places, channels=channels),
        severity="warning",
    )


def _layers(network: Network) -> list[Diagnostic]:
    found: dict[tuple[object, ...], list[Node]] = {}
    for node in network.nodes:
        for remark in node.facts.remarks:
            found.setdefault((remark.code, remark.message, node.span), []).append(node)
    diagnostics = []
    for (code, message, _), nodes in found.items():
        if len(nodes) == 1:
            said = told("remark.of-layer", layer=nodes[0].name, remark=message)
        else:
            said = told("remark.of-layers", layer=nodes[0].name, remark=message, count=len(nodes) - 1)
        diagnostics.append(Diagnostic(str(code), said, nodes[0].span, severity="note"))
    return diagnostics


def _overwritten(network: Network) -> list[Diagnostic]:
    """In-place layers that write over a value which a later layer still reads."""
    owners: dict[Value, Value] = {value: value for value in network.inputs}
    written: dict[Value, Node] = {}
    found = []
    for node in network.nodes:
        in_place = getattr(node.layer, "inplace", False)
        for value in node.inputs:
            writer = written.get(owners[value])
            if writer is not None and writer is not value and not _follows(value, writer):
                found.append(
                    Diagnostic(
                        "overwritten-value",
                        told("remark.overwritten-value", writer=writer.name, reader=node.name, value=value.name),
                        node.span,
                        help=told("help.overwritten-value", writer=writer.name),
                        severity="warning",
                    )
                )
        owners[node] = owners[node.inputs[0]] if node.layer.shares_input else node
        if in_place:
            written[owners[node]] = node
    return found


def _follows(value: Value, writer: Node) -> bool:
    """Whether a value was made from the writer's output by views and in-place layers."""
    while isinstance(value, Node) and value.layer.shares_input:
        if value is writer:
            return True
        value = value.inputs[0]
    return value is writer


def _unused(network: Network) -> list[Diagnostic]:
    read: set[Value] = {value for node in network.nodes for value in node.inputs}
    read.update(network.outputs)
    everything: list[Value] = [*network.inputs, *network.nodes]
    ends = [value for value in everything if value not in read]
    return [_unused_value(value) for value in ends]


def _unused_value(value: Value) -> Diagnostic:
    if not isinstance(value, Node):
        return Diagnostic("unused-input", told("remark.unused-input", input=value.name), value.span, severity="warning")
    return Diagnostic(
        "unused-layer",
        told("remark.unused-layer", layer=value.name),
        value.span,
        notes=(Note("it still counts in every total"),),
        help=told("help.unused-layer"),
        severity="warning",
    )
