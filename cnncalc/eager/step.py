"""A run of a network: one prediction, or steps of training, operator by operator.

The convention: parameters, buffers, images and classes are there from the start; layers run in the document's order,
and a value goes after its last reader; a training step is zero_grad(set_to_none=True), forward, loss, backward,
optimizer step, and the outputs and the loss go at its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from cnncalc.collection import collection_paused
from cnncalc.diagnostics import Diagnostic, DocumentError
from cnncalc.eager import kernels, optimizers, pointwise, views
from cnncalc.eager.autocast import raised
from cnncalc.eager.autograd import Leaf, backward
from cnncalc.eager.checkpoint import Region
from cnncalc.eager.kinds import TABLE, Call
from cnncalc.eager.machine import Machine, Refused, Sizes, Tensor
from cnncalc.eager.setup import Setup
from cnncalc.eager.timeline import Timeline
from cnncalc.graph import Network, Node, Value
from cnncalc.passes.freezing import frozen
from cnncalc.passes.segments import Segment, segments
from cnncalc.shapes import DTYPE_BYTES

COUNTER = 8  # bytes of batch norm's int64 count of batches
CLASS = 8  # bytes of an int64 class


def timeline(network: Network, setup: Setup) -> Timeline:
    """Run a network as `setup` says. Raises `DocumentError` where torch would refuse to, at the layer's place."""
    with collection_paused():
        return _Run(network, setup).timeline()


class _Run:
    """A network's tensors on a machine, and what a step does with them."""

    def __init__(self, network: Network, setup: Setup) -> None:
        self.network, self.setup = network, setup
        self.machine = Machine(cuda=setup.device == "cuda", float16=setup.dtype == "float16")
        self.width = DTYPE_BYTES[setup.dtype]
        self.leaves: dict[str, Leaf] = {}
        self.frozen = frozen(network, setup.frozen)
        self.held: dict[Node, dict[str, Tensor]] = {}
        for node in network.nodes:
            self.held[node] = self._held(node)
        self.machine.layer = ""
        self.inputs = [
            self.machine.tensor((setup.batch, *value.output), self.width, role="input", name=value.name)
            for value in network.inputs
        ]
        self.targets = self._targets() if setup.training and setup.loss == "cross_entropy" else {}
        self.parts = parts_of(network, segments(network, setup.checkpointed if setup.training else ()))
        turns = [
            (part, part.inputs, (part,)) if isinstance(part, Node) else (part, part.reads, part.returns)
            for part in self.parts
        ]
        self.ends = last_readers(turns, (*network.inputs, *network.outputs))

    def timeline(self) -> Timeline:
        starts: list[int] = []
        state: optimizers.State = {}
        if self.setup.steady and self.setup.training and self.setup.optimizer:
            optimizers.prepare(self.setup.optimizer, self.machine, self.leaves, state)
        at_rest = self.machine.live
        try:
            for _ in range(self.setup.steps if self.setup.training else 1):
                starts.append(len(self.machine.events))
                self._train(state) if self.setup.training else self._predict()
        except Refused as refusal:
            raise self._diagnosed(refusal) from None
        return Timeline(self.setup, self.machine, starts, at_rest)

    # What is there from the start

    def _held(self, node: Node) -> dict[str, Tensor]:
        """A layer's parameters and buffers by name; the trained ones are leaves of the graph."""
        held = {} if node.shared is None else dict(self.held[node.shared])
        for parameter in node.facts.parameters:
            name = f"{node.name}.{parameter.name}"
            trained = parameter.role in ("weight", "bias")
            width = COUNTER if parameter.role == "counter" else self.width
            role = "parameters" if trained else "buffers"
            tensor = held[parameter.name] = self.machine.tensor(parameter.shape, width, role=role, name=name)
            if trained and self.setup.training and name not in self.frozen:
                leaf = self.leaves[name] = Leaf(tensor, node.name)
                tensor.edge = (leaf, 0)
        return held

    def _targets(self) -> dict[Sizes, Tensor]:
        """A class for each image, or for each place of an output that is a map; outputs of one size share theirs."""
        places = {(self.setup.batch, *value.output[1:]): None for value in self.network.outputs}
        return {place: self.machine.tensor(place, CLASS, role="input", name="target") for place in places}

    # What a step does

    def _predict(self) -> None:
        self.machine.phase = "prediction"
        self.machine.lower = DTYPE_BYTES[self.setup.amp] if self.setup.amp else 0
        outputs = self._forward()
        self.machine.casts.clear()
        del outputs

    def _train(self, state: optimizers.State) -> None:
        machine = self.machine
        for leaf in self.leaves.values():
            leaf.gradient = None
        for images in self.inputs:
            images.edge = None  # new ones, without the history of what was written over the last
        machine.phase = "forward"
        machine.lower = DTYPE_BYTES[self.setup.amp] if self.setup.amp else 0
        outputs = self._forward()
        machine.layer = ""
        if self.setup.loss == "cross_entropy":
            machine.phase = "loss"
            ends = [self._loss(outputs)]
        else:
            ends = outputs
        machine.lower = 0
        machine.casts.clear()
        machine.phase = "backward"
        self._backward([end for end in ends if end.edge is not None])
        machine.phase = "optimizer"
        if self.setup.optimizer:
            optimizers.step(self.setup.optimizer, machine, self.leaves, state, self.setup.weight_decay)

    def _backward(self, ends: Sequence[Tensor]) -> None:
        ones = [pointwise.result("ones_like", end) for end in ends]
        if ends:
            backward(self.machine, ends, ones)

    def _forward(self) -> list[Tensor]:
        """Part by part; what nothing reads any more goes at once."""
        values: dict[Value, Tensor] = dict(zip(self.network.inputs, self.inputs, strict=True))
        for part in self.parts:
            if isinstance(part, Node):
                self._run(part, values)
            else:
                self._run_checkpointed(part, values)
            for value in self.ends.get(part, ()):
                del values[value]
        return [values[value] for value in self.network.outputs]

    def _run(self, node: Node, values: dict[Value, Tensor]) -> None:
        self.machine.layer = node.name
        if node.facts.unknown:
            reason = f"what `{node.facts.unknown}` of `{node.name}` takes in memory is not known here"
            raise Refused(node.name, "unknown-operator", reason, "`cnncalc analyze` shows what is known")
        call = Call(node.layer, self.held[node], (self.setup.batch, *node.output), self.setup.training)
        output = values[node] = TABLE[node.layer.kind](call, *[values[value] for value in node.inputs])
        if not output.storage.record.role:
            output.storage.record.role = "activations"

    def _run_checkpointed(self, segment: Segment, values: dict[Value, Tensor]) -> None:
        """The segment's layers in a region of their own, which the backward pass runs again."""
        ends = last_readers(
            [(node, node.inputs, (node,)) for node in segment.nodes], (*segment.reads, *segment.returns)
        )

        def run(reads: Sequence[Tensor]) -> list[Tensor]:
            own: dict[Value, Tensor] = dict(zip(segment.reads, reads, strict=True))
            for node in segment.nodes:
                self._run(node, own)
                for value in ends.get(node, ()):
                    del own[value]
            return [own[value] for value in segment.returns]

        reads = [values[value] for value in segment.reads]
        self.machine.region = Region(segment.name, self.machine, reads, run)
        values.update(zip(segment.returns, run(reads), strict=True))
        self.machine.region = None

    def _loss(self, outputs: Sequence[Tensor]) -> Tensor:
        """Cross-entropy of the first output and 0.4 of each other's: auxiliary heads, as torchvision trains them."""
        loss = self._cross_entropy(outputs[0])
        for output in outputs[1:]:
            loss = pointwise.add(loss, pointwise.scaled(self._cross_entropy(output)))
        loss.storage.record.role = "activations"
        return loss

    def _cross_entropy(self, x: Tensor) -> Tensor:
        """The logarithm of the softmax over the channels, then the mean of minus those of the targets."""
        batch, channels, *sizes = x.shape
        target = self.targets[(batch, *sizes)]
        x = raised(x, "cross_entropy_loss")
        logarithms = kernels.softmax(x, "_log_softmax")
        if not sizes:
            return kernels.negative_log_likelihood(logarithms, target, "nll_loss")
        if len(sizes) != 2:  # torch sees other ranks as maps of height 1
            logarithms = views.reshape(logarithms, (batch, channels, 1, prod(sizes)))
            target = views.reshape(target, (batch, 1, prod(sizes)))
        return kernels.negative_log_likelihood(logarithms, target, "nll_loss2d")

    def _diagnosed(self, refusal: Refused) -> DocumentError:
        spans = {node.name: node.span for node in self.network.nodes}
        known = refusal.code == "unknown-operator"
        doing = "train" if self.setup.training else "run"
        message = str(refusal) if known else f"torch refuses to {doing} this: {refusal}"
        return DocumentError(Diagnostic(refusal.code, message, spans.get(refusal.layer), help=refusal.help))


Part = Node | Segment


def last_readers(
    parts: Sequence[tuple[Part, Sequence[Value], Sequence[Value]]], stays: Sequence[Value]
) -> dict[Part, list[Value]]:
    """For parts in order, what each reads and makes: after each, the values that no later one reads."""
    last: dict[Value, Part] = {}
    for part, reads, makes in parts:
        last.update(dict.fromkeys(makes, part))
        last.update(dict.fromkeys(reads, part))
    ends: dict[Part, list[Value]] = {}
    for value, part in last.items():
        if value not in stays:
            ends.setdefault(part, []).append(value)
    return ends


def parts_of(network: Network, segments: Sequence[Segment]) -> list[Part]:
    """A network's layers in order, those of a segment as one part."""
    segment_of = {node: segment for segment in segments for node in segment.nodes}
    return list(dict.fromkeys([segment_of.get(node, node) for node in network.nodes]))
