"""A network as a Mermaid flowchart, which Markdown pages on GitHub and elsewhere draw."""

from __future__ import annotations

from collections.abc import Iterator

from cnncalc.diagnostics import printable
from cnncalc.graph import Input, Network, Node
from cnncalc.render.blocks import Block, blocks, edges, ends, labels, numbered


def document(network: Network) -> str:
    """The text of the flowchart: layers with name and kind, shapes on the edges, blocks as subgraphs."""
    ids = numbered(network)
    lines = ["flowchart TD"]
    lines += [f'  {ids[value]}(["{text(value.name)}"])' for value in network.inputs]
    lines += _members(blocks(network), ids, "  ", [0])
    lines += [f'  {ids[value]} -->|"{text(size)}"| {ids[node]}' for value, node, size in edges(network)]
    for value, end, name, size in ends(network):
        lines += [f'  {end}(["{text(name)}"])', f'  {ids[value]} -->|"{text(size)}"| {end}']
    return "\n".join(lines) + "\n"


def _members(block: Block, ids: dict[Node | Input, str], indent: str, count: list[int]) -> Iterator[str]:
    for member in block.members:
        if isinstance(member, Node):
            shown = "<br>".join([text(line) for line in labels(block, member)])
            yield f'{indent}{ids[member]}["{shown}"]'
        else:
            count[0] += 1
            yield f'{indent}subgraph b{count[0]}["{text(member.name)}"]'
            yield from _members(member, ids, indent + "  ", count)
            yield f"{indent}end"


def text(words: str) -> str:
    """A label between quotes: Mermaid reads `#34;` as a quote, and a backquote or `<` otherwise as its own."""
    return "".join([f"#{ord(char)};" if char in '"#&<>`\\' else char for char in printable(words)])
