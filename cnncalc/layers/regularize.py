"""Regularisation that acts in training alone; at prediction these layers pass their input through."""

from cnncalc.layers.base import Layer
from cnncalc.layers.fields import Flag, Probability


class Dropout(Layer):
    """Zeroes values at random in training (Srivastava et al. 2014)."""

    kind = "dropout"
    main = "p"
    summary = "zeroes values with probability p in training"
    p: Probability = 0.5
    inplace: Flag = False

    @property
    def shares_input(self) -> bool:
        return self.inplace


class DropPath(Layer):
    """Drops a whole branch at random in training (stochastic depth, Huang et al. 2016)."""

    kind = "drop_path"
    main = "p"
    summary = "drops a whole path with probability p in training"
    p: Probability
