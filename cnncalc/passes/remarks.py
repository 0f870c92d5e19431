"""What a network's author may want to know and no rule forbids: input that no window reads, layers nothing uses."""

from __future__ import annotations

from cnncalc.diagnostics import Diagnostic, Note
from cnncalc.graph import Input, Network, Node, Value
from cnncalc.shapes import shape_text


def remarks(network: Network) -> list[Diagnostic]:
    """Warnings and notes in the order of the document; equal remarks on one written layer are made once."""
    return [*_inputs(network), *_layers(network), *_overwritten(network), *_unused(network)]


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
                f"this input has {channels} channels and is {spatial[0]}x{spatial[1]}: "
                f"are the channels {'last' if last else 'first'} here?",
                value.span,
                help=f"for {few} channels write {shape_text(turned, 'hwc')} or {shape_text(turned, 'chw')}",
                severity="warning",
            )
        )
    return found


def _one_dimension(value: Input) -> Diagnostic:
    """`28x28` is a sequence of 28 places with 28 channels; an image was meant, more often than not."""
    channels, places = value.output
    return Diagnostic(
        "one-dimension",
        f"this input has one dimension: {places} places of {channels} channels",
        value.span,
        help=f"for a grey image write {places}x{channels}x1",
        severity="warning",
    )


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
                        f"`{writer.name}` works in place: `{node.name}` reads its output instead of `{value.name}`",
                        node.span,
                        help=f"remove `inplace: true` from `{writer.name}`",
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
