"""What convolutions and dense layers share: sums of products with weights, an optional bias and activation."""

from cnncalc.layers.activation import FusedActivation, fused_operations
from cnncalc.layers.base import NO_OPERATIONS, Layer, Operations, Parameter
from cnncalc.layers.fields import Flag
from cnncalc.shapes import Shape, elements


class Weighted(Layer):
    """A layer of weighted sums, one for each output element."""

    bias: Flag = True
    activation: FusedActivation = None

    def operations(self, input: Shape, output: Shape) -> Operations:
        added = Operations(adds=elements(output)) if self.bias else NO_OPERATIONS
        return added + fused_operations(self.activation, output) if self.activation else added

    def connection_count(self, input: Shape, output: Shape) -> int:
        return elements(output) if self.bias else 0

    def weights_and_bias(self, weight: Shape, bias: Shape) -> tuple[Parameter, ...]:
        parameters = (Parameter("weight", weight, "weight"),)
        return (*parameters, Parameter("bias", bias, "bias")) if self.bias else parameters
