"""What convolutions and dense layers share: sums of products with weights, an optional bias and activation."""

from cnncalc import formulas
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
        biases = self._biases_added(output) if self.bias else 0
        sums = Work(self.kind, elements(input), elements(output), self.macs(input, output), biases)
        return (sums, *fused_work(self.activation, output))

    def connection_count(self, input: Shape, output: Shape) -> int:
        return self._biases_added(output) if self.bias else 0

    def _biases_added(self, output: Shape) -> int:
        return formulas.biases_added(formulas.output_elements(*output))

    def weights_and_bias(self, weight: Shape, weights: int, bias: Shape, biases: int) -> tuple[Parameter, ...]:
        """The shape of each and how many numbers it holds."""
        parameters = (Parameter("weight", weight, "weight", weights),)
        return (*parameters, Parameter("bias", bias, "bias", biases)) if self.bias else parameters
