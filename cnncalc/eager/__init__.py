"""What torch holds in memory, without torch: `timeline` runs a network on a model of it, operator by operator.

`machine` has storages and tensors, `strides` how tensors lie, `autograd` the graph and the engine that runs it
backward; `views`, `pointwise` and `kernels` are the operators, each with its gradient, `autocast` their number formats;
`kinds` says which of them a layer runs, `optimizers` what a step holds; `step` puts a run together and `timeline` is
what comes out. The numbers are those of torch 2.13 on CPU, at the end of every operator, and on CUDA the peaks in
whole blocks; `verify --memory` compares them.
"""

from cnncalc.eager.setup import Setup
from cnncalc.eager.step import timeline
from cnncalc.eager.timeline import CATEGORIES, Event, Held, Timeline

__all__ = ["CATEGORIES", "Event", "Held", "Setup", "Timeline", "timeline"]
