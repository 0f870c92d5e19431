"""Dense layers: every output reads every input."""

from cnncalc import formulas
from cnncalc.layers.base import EVERYTHING, UNTRACKED, Aside, Layer, Operations, Parameter, Reach, Role
from cnncalc.layers.fields import Flag, PositiveInt
from cnncalc.layers.weighted import Weighted
from cnncalc.shapes import Shape


class Linear(Weighted):
    """A dense (fully connected) layer; a spatial input is flattened first, as textbooks mean it.

    With `flatten: false` it is torch's: along the last dimension, at every place of the others with the same weights.
    """

    kind = "linear"
    main = "out_features"
    summary = "dense (fully connected) layer; flattens its input first"
    weighted = "dense"
    out_features: PositiveInt
    flatten: Flag = True

    def features(self, input: Shape) -> int:
        """How many values each output reads."""
        return formulas.input_elements(*input) if self.flatten else input[-1]

    def output(self, input: Shape) -> Shape:
        return (self.out_features,) if self.flatten else (*input[:-1], self.out_features)

    def parameters(self, input: Shape) -> tuple[Parameter, ...]:
        inputs, units = self.features(input), self.out_features
        weights, biases = formulas.dense_weights(inputs, units), formulas.filter_biases(units)
        return self.weights_and_bias((units, inputs), weights, (units,), biases)

    def macs(self, input: Shape, output: Shape) -> int:
        if self.flatten:
            return formulas.dense_macs(self.features(input), self.out_features)
        return formulas.last_axis_macs(formulas.output_elements(*output), self.features(input))

    def asides(self, input: Shape, output: Shape, width: int) -> tuple[Aside, ...]:
        """The convolution that does the same: its kernels are as large as the input (CS231n, "Converting layers")."""
        if not self.flatten:
            return ()
        C, *W = input
        return (
            Aside("convolution_kernel", (self.out_features, C, *(W or (1, 1)))),
            Aside("convolution_weights", formulas.convolution_weights(self.out_features, C, *(W or (1, 1)))),
        )

    def reach(self, input: Shape, output: Shape) -> Reach:
        if self.flatten or len(input) == 1:
            return EVERYTHING
        # Along the last axis everything, along the others nothing: no window has that shape.
        return UNTRACKED


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
        inputs = formulas.input_elements(*input)
        weights = formulas.dense_weights(inputs, self.out_features)
        role: Role = "weight" if self.trainable else "buffer"
        return (Parameter("centers", (self.out_features, inputs), role, weights),)

    def operations(self, input: Shape, output: Shape) -> Operations:
        inputs = formulas.input_elements(*input)
        return Operations(
            multiplies=formulas.distance_multiplies(inputs, self.out_features),
            adds=formulas.distance_adds(inputs, self.out_features),
        )

    def connection_count(self, input: Shape, output: Shape) -> int:
        return formulas.dense_weights(formulas.input_elements(*input), self.out_features)

    def reach(self, input: Shape, output: Shape) -> Reach:
        return EVERYTHING
