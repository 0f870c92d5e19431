"""What convolutions and dense layers share: sums of products with weights, an optional bias and activation."""

from cnncalc.layers.activation import FusedActivation, fused_work
from cnncalc.layers.base import Layer, Parameter, Work
from cnncalc.layers.fields import Flag
from cnncalc.shapes import Shape, elements


class Weighted(Layer):
    """A layer of weighted sums, one for each output element."""

    bias: Flag = True
    activation: FusedActivation = None

    def macs(self, input: Shape, output: Shape) -> int:
        """Multiply-accumulates of weights and activations."""
        raise NotImplementedError

    def work(self, input: Shape, output: Shape) -> tuple[Work, ...]:
        outputs = elements(output)
        sums = Work(self.kind, elements(input), outputs, self.macs(input, output), outputs if self.bias else 0)
        return (sums, *fused_work(self.activation, output))

    def connection_count(self, input: Shape, output: Shape) -> int:
        return elements(output) if self.bias else 0

    def weights_and_bias(self, weight: Shape, bias: Shape) -> tuple[Parameter, ...]:
        parameters = (Parameter("weight", weight, "weight"),)
        return (*parameters, Parameter("bias", bias, "bias")) if self.bias else parameters
