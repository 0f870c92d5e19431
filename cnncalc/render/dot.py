"""A network in the language of Graphviz: `cnncalc export dot vgg16 | dot -Tsvg > vgg16.svg`."""

from __future__ import annotations

from collections.abc import Iterator

from cnncalc.diagnostics import printable
from cnncalc.graph import Input, Network, Node
from cnncalc.render.blocks import Block, blocks, edges, ends, labels, numbered


def document(network: Network) -> str:
    """The text of the graph: layers with name and kind, shapes on the edges, blocks as clusters."""
    ids = numbered(network)
    lines = [
        f"digraph {text(network.name or 'network')} {{",
        "  rankdir=TB;",
        '  node [shape=box, style=rounded, fontname="Helvetica"];',
        '  edge [fontname="Helvetica", fontsize=10];',
    ]
    lines += [f"  {ids[value]} [label={text(value.name)}, shape=ellipse];" for value in network.inputs]
    lines += _members(blocks(network), ids, "  ", [0])
    lines += [f"  {ids[value]} -> {ids[node]} [label={text(size)}];" for value, node, size in edges(network)]
    for value, end, name, size in ends(network):
        lines.append(f"  {end} [label={text(name)}, shape=ellipse];")
        lines.append(f"  {ids[value]} -> {end} [label={text(size)}];")
    return "\n".join([*lines, "}"]) + "\n"


def _members(block: Block, ids: dict[Node | Input, str], indent: str, count: list[int]) -> Iterator[str]:
    for member in block.members:
        if isinstance(member, Node):
            yield f"{indent}{ids[member]} [label={text(*labels(block, member))}];"
        else:
            count[0] += 1
            yield f"{indent}subgraph cluster_{count[0]} {{"
            yield f"{indent}  label={text(member.name)};"
            yield from _members(member, ids, indent + "  ", count)
            yield f"{indent}}}"


def text(*lines: str) -> str:
    """A quoted string, of one line or several."""
    escaped = [printable(line).replace("\\", "\\\\").replace('"', '\\"') for line in lines]
    return '"' + "\\n".join(escaped) + '"'
