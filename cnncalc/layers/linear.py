"""Dense layers: every output reads every input."""

from cnncalc import formulas
from cnncalc.layers.base import EVERYTHING, Layer, Operations, Parameter, Reach
from cnncalc.layers.fields import Flag, PositiveInt
from cnncalc.layers.weighted import Weighted
from cnncalc.shapes import Shape, elements


class Linear(Weighted):
    """A dense (fully connected) layer; a spatial input is flattened first, as textbooks mean it."""

    kind = "linear"
    main = "out_features"
    summary = "dense (fully connected) layer; flattens its input first"
    weighted = "dense"
    out_features: PositiveInt

    def output(self, input: Shape) -> Shape:
        return (self.out_features,)

    def parameters(self, input: Shape) -> tuple[Parameter, ...]:
        weight = (self.out_features, elements(input))
        return self.weights_and_bias(weight, (self.out_features,))

    def macs(self, input: Shape, output: Shape) -> int:
        return formulas.dense_macs(elements(input), self.out_features)

    def reach(self, input: Shape, output: Shape) -> Reach:
        return EVERYTHING


class Rbf(Layer):
    """Radial basis functions: squared distance to each of `out_features` centres (LeCun et al. 1998, section II.B).

    The centres are fixed (buffers) unless `trainable: true`.
    """

    kind = "rbf"
    main = "out_features"
    summary = "squared distance to `out_features` centres, fixed or trained (LeNet-5's output)"
    weighted = "dense"
    out_features: PositiveInt
    trainable: Flag = False

    def output(self, input: Shape) -> Shape:
        return (self.out_features,)

    def parameters(self, input: Shape) -> tuple[Parameter, ...]:
        return (Parameter("centers", (self.out_features, elements(input)), "weight" if self.trainable else "buffer"),)

    def operations(self, input: Shape, output: Shape) -> Operations:
        terms = formulas.dense_weights(elements(input), self.out_features)
        return Operations(multiplies=terms, adds=2 * terms)

    def connection_count(self, input: Shape, output: Shape) -> int:
        return formulas.dense_weights(elements(input), self.out_features)

    def reach(self, input: Shape, output: Shape) -> Reach:
        return EVERYTHING
