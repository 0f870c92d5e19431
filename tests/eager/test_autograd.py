"""What a graph node keeps, the order in which the engine runs nodes, and when it adds, steals or copies a gradient.

Values are matrices of 5x5 float32, 100 bytes each, so that live bytes read as a count of them.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import pytest

import cnncalc
from cnncalc.eager import Setup, step, timeline
from cnncalc.eager.autograd import Leaf, Refused, backward, record
from cnncalc.eager.kernels import total
from cnncalc.eager.machine import Machine, Tensor
from cnncalc.eager.pointwise import add, multiply, result, unary
from cnncalc.eager.views import cat, part, permute, view
from cnncalc.language.load import zoo_names

Event = tuple[str, int]
Build = Callable[[Tensor, Tensor], Tensor]  # of two parameters, p and q


def parameter(machine: Machine, shape: tuple[int, ...] = (5, 5), layer: str = "") -> Tensor:
    tensor = machine.tensor(shape, 4, role="parameters")
    tensor.edge = (Leaf(tensor, layer), 0)
    return tensor


def gradient(tensor: Tensor) -> Tensor | None:
    assert tensor.edge is not None
    leaf = tensor.edge[0]
    assert isinstance(leaf, Leaf)
    return leaf.gradient


def f(x: Tensor, name: str, saves: str = "result") -> Tensor:
    """A function of one value, whose gradient is the operator `d name`; it keeps its result, or its input."""
    return unary(x, name, f"d {name}", saves)


def run_back(root: Tensor) -> None:
    backward(root.machine, [root], [result("ones_like", root)])


# What a node keeps ----------------------------------------------------------------------------------------------------


def test_without_a_wanted_gradient_there_is_no_node(machine: Machine) -> None:
    x = machine.tensor((5, 5), 4)
    y = f(x, "y", saves="input")
    assert y.edge is None
    assert x.storage.keepers == y.storage.keepers == 0
    assert machine.recorded == 0


def test_a_node_keeps_what_its_formula_needs(machine: Machine) -> None:
    p = parameter(machine)
    x = f(p, "x", saves="input")  # keeps p
    y = f(x, "y")  # keeps y
    assert (p.storage.keepers, x.storage.keepers, y.storage.keepers) == (1, 0, 1)
    del x
    assert machine.live == 200  # p and y
    z = f(y, "z", saves="input")
    del y
    assert machine.live == 300  # kept twice, there once
    del z
    assert machine.live == 100


def test_a_result_is_kept_without_its_history(machine: Machine) -> None:
    """Its history is the node itself: a cycle, which only the collector would find."""
    gc.disable()
    try:
        y = f(parameter(machine), "y")
        assert y.edge is not None
        assert y.edge[0].saved[0] is not y
        assert y.edge[0].saved[0].edge is None
        del y
        assert machine.live == 0
    finally:
        gc.enable()


def test_an_input_without_a_gradient_has_no_edge(machine: Machine) -> None:
    p, x = parameter(machine), machine.tensor((5, 5), 4)
    y = machine.tensor((5, 5), 4)
    node = record((y,), "AddBackward0", (p, x, None), lambda node, gradients: [None, None, None])
    assert node is not None
    assert [node.wants(input) for input in range(3)] == [True, False, False]


# The engine's order ---------------------------------------------------------------------------------------------------


def chain(p: Tensor, q: Tensor) -> Tensor:
    return f(f(f(p, "x"), "y", "input"), "z", "input")


def test_gradients_and_what_is_kept_go_as_soon_as_they_can(
    machine: Machine, events: Callable[[Machine], list[Event]]
) -> None:
    p = parameter(machine)
    z = chain(p, p)
    assert events(machine) == [("x", 200), ("y", 300), ("z", 400)]  # y keeps x, z keeps y
    run_back(z)
    assert events(machine)[3:] == [
        ("ones_like", 500),
        ("d z", 600),  # p x y z, ones and the gradient of y; then y goes
        ("d y", 600),  # p x z, ones, the gradients of y and x; then that of y goes, x is kept as a result
        ("d x", 600),  # p x z, ones, the gradients of x and p
        ("detach", 400),  # p z, ones, the gradient of p
    ]
    assert machine.live == 300  # p, its gradient and z, which is held here
    del z, p
    assert machine.live == 0


def test_a_gradient_given_by_the_caller_lives_until_the_end(machine: Machine) -> None:
    p = parameter(machine)
    x = f(p, "x")
    ones = result("ones_like", x)
    backward(machine, [x], [ones])
    assert ones.uses == 1  # the caller's
    assert gradient(p) is not None
    assert ones.storage.tensors == 1


@pytest.mark.parametrize(
    ("build", "operators"),
    [
        pytest.param(chain, "d z, d y, d x, detach", id="chain"),
        # of two that are ready the one that was recorded last; a parameter's at once
        pytest.param(lambda p, q: add(f(p, "x"), f(q, "y")), "d y, detach, d x, detach", id="last-recorded-first"),
        pytest.param(
            lambda p, q: add(f(f(p, "x"), "y"), f(q, "z")), "d z, detach, d y, d x, detach", id="leaf-at-once"
        ),
        # x waits for both its readers, though y was recorded before them
        pytest.param(
            lambda p, q: (lambda x, y: add(add(f(x, "u"), f(x, "v")), y))(f(p, "x"), f(q, "y")),
            "d v, d u, add_, d y, detach, d x, detach",
            id="a-value-waits-for-all-its-readers",
        ),
    ],
)
def test_order(machine: Machine, events: Callable[[Machine], list[Event]], build: Build, operators: str) -> None:
    root = build(parameter(machine), parameter(machine))
    start = len(machine.events)
    run_back(root)
    assert [operator for operator, _ in events(machine)[start + 1 :]] == operators.split(", ")


def test_several_roots_start_together(machine: Machine, events: Callable[[Machine], list[Event]]) -> None:
    p = parameter(machine)
    x = f(p, "x")
    roots = [f(x, "y"), f(x, "z")]
    start = len(machine.events)
    backward(machine, roots, [result("ones_like", root) for root in roots])
    assert [operator for operator, _ in events(machine)[start + 2 :]] == ["d z", "d y", "add_", "d x", "detach"]


def test_an_operator_belongs_to_the_layer_that_recorded_it(machine: Machine) -> None:
    p = parameter(machine, layer="first")
    machine.layer = "first"
    x = f(p, "x")
    machine.layer = "second"
    y = add(f(x, "y"), f(x, "z"))
    machine.layer = "loss"
    run_back(y)
    layers = [(operator, layer) for operator, _, layer, _ in machine.events[-5:]]
    # the sum of x's gradients is made as the second layer's node is done
    assert layers == [("d z", "second"), ("d y", "second"), ("add_", "second"), ("d x", "first"), ("detach", "first")]
    assert machine.layer == ""


# Gradients that meet --------------------------------------------------------------------------------------------------


def shared_still(x: Tensor) -> Tensor:
    """r's gradient is z's, y's and x's own; z, which was recorded after y, has run when y still needs it."""
    y, z = f(x, "y"), f(x, "z")
    return f(add(add(x, y), z), "r")


def shared_no_longer(x: Tensor) -> Tensor:
    """Of u and v, to which one gradient goes, v's gets a sum of its own; then it is u's alone."""
    u, v = f(x, "u"), f(x, "v")
    z, w = f(u, "z"), f(v, "w")
    later = f(add(z, w), "s")
    return add(f(add(u, v), "r"), later)


def slice_added(x: Tensor) -> Tensor:
    joined = cat([x, x.like()], 1)
    y = f(x, "y")
    return add(y, part(joined, 1, 5))


def two_repeats(x: Tensor) -> Tensor:
    return add(f(total(x, (1,), False), "y"), f(total(x, (1,), False), "z"))


@pytest.mark.parametrize(
    ("read", "operators"),
    [
        # the first is the engine's alone: it takes no bytes to add the second to it
        pytest.param(lambda x: add(f(x, "y"), f(x, "z")), [("d z", 1), ("d y", 2), ("add_", 2)], id="own-gradients"),
        # r's gradient goes to x and to y, and is x's alone once y's has been computed from it
        pytest.param(
            lambda x: f(add(x, f(x, "y")), "r"), [("d r", 1), ("d y", 2), ("add_", 2)], id="shared-and-no-longer"
        ),
        pytest.param(shared_still, [("d r", 1), ("d z", 2), ("add", 3), ("d y", 3), ("add_", 2)], id="shared-still"),
        pytest.param(
            shared_no_longer,
            [
                *[("d r", 1), ("d s", 2), ("d w", 3), ("add", 4), ("d z", 4), ("add_", 3)],
                *[("d v", 3), ("d u", 3), ("add_", 2)],
            ],
            id="alone-after-a-sum",
        ),
        # ones, which the caller still has
        pytest.param(lambda x: add(x, f(x, "y")), [("d y", 1), ("add", 2)], id="held-by-the-caller"),
        pytest.param(lambda x: f(add(x, x), "r"), [("d r", 1), ("add", 2)], id="the-same-tensor-twice"),
        # slices of r's gradient, which is two matrices; they keep it
        pytest.param(
            lambda x: f(cat([x, x], 1), "r"), [("d r", 2), ("slice", 2), ("slice", 2), ("add", 3)], id="two-slices"
        ),
        # along the first dimension, where a slice has no gaps, all the same
        pytest.param(
            lambda x: f(cat([x, f(x, "y")], 0), "r"),
            [("d r", 2), ("slice", 2), ("slice", 2), ("d y", 3), ("add", 4)],
            id="added-to-a-slice",
        ),
        # y's came first and is the engine's alone
        pytest.param(
            slice_added,
            [("slice_backward", 2), ("d y", 3), ("slice", 3), ("slice", 3), ("add_", 3)],
            id="a-slice-added",
        ),
        # each is 5 numbers, a fifth of a matrix, seen 25 times; their sum is 25 numbers
        pytest.param(
            two_repeats,
            [
                *[("d z", 0.2), ("unsqueeze", 0.2), ("expand", 0.2)],
                *[("d y", 0.4), ("unsqueeze", 0.4), ("expand", 0.4)],
                ("add", 1.4),
            ],
            id="repeated-numbers",
        ),
    ],
)
def test_gradients_that_meet(
    machine: Machine, read: Callable[[Tensor], Tensor], operators: list[tuple[str, float]]
) -> None:
    """`operators` are those before that of x itself, each with what is live of the gradients made, in matrices.

    torch 2.13 has the same: its profiler tells of what was allocated since it started.
    """
    p = parameter(machine)
    root = read(f(p, "x"))
    ones = result("ones_like", root)
    before, start = len(machine.records), len(machine.events)
    backward(machine, [root], [ones])

    def made(event: int) -> float:
        since = [record for record in machine.records[before:] if record.born <= event]
        return sum(record.bytes for record in since if record.died < 0 or event < record.died) / 100

    found = [(operator, made(start + event)) for event, (operator, *_) in enumerate(machine.events[start:])]
    assert found == [*operators, ("d x", 2), ("detach", 1)]


# At a parameter -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "operators", "more"),
    [
        pytest.param(lambda p, q: f(p, "x"), "d x, detach", 100, id="taken-over"),
        # both have the same gradient: a copy for the first, and then it is the second's alone
        pytest.param(
            lambda p, q: f(add(p, q), "x"), "d x, new_empty_strided, copy_, detach", 200, id="shared-by-two-parameters"
        ),
        # ones are the caller's; what is copied is not kept
        pytest.param(lambda p, q: add(p, f(q, "x")), "new_empty_strided, copy_, d x, detach", 200, id="the-caller's"),
        # a view lies as p does, and takes the caller's memory over
        pytest.param(lambda p, q: view(p, (25,)), "view, detach", 100, id="a-view"),
        pytest.param(
            lambda p, q: multiply(q, permute(p, (1, 0))),
            "mul, mul, detach, permute, new_empty_strided, copy_",
            200,
            id="laid-out-otherwise",
        ),
        # 5 numbers, seen 25 times
        pytest.param(
            lambda p, q: total(p, (1,), False),
            "unsqueeze, expand, new_empty_strided, copy_",
            100,
            id="repeated-numbers",
        ),
        # a sum lies as the gradient that came first (ones); x and p do, too
        pytest.param(
            lambda p, q: (lambda x: add(x, permute(f(permute(x, (1, 0)), "y"), (1, 0))))(f(p, "x")),
            "permute, d y, permute, add, d x, detach",
            100,
            id="a-sum-lies-as-the-first",
        ),
        pytest.param(lambda p, q: multiply(p, p), "mul, mul, add_, detach", 100, id="read-twice"),
    ],
)
def test_at_a_parameter(
    machine: Machine, events: Callable[[Machine], list[Event]], build: Build, operators: str, more: int
) -> None:
    p, q = parameter(machine), parameter(machine)
    root = build(p, q)
    start = len(machine.events)
    run_back(root)
    assert [operator for operator, _ in events(machine)[start + 1 :]] == operators.split(", ")
    del root
    assert machine.live == 200 + more
    found = gradient(p)
    assert found is not None
    assert (found.shape, found.strides) == (p.shape, p.strides)
    assert (found.storage.record.role, found.storage.record.name) == ("gradients", p.storage.record.name)


def test_a_gradient_that_is_there_is_added_to(machine: Machine, events: Callable[[Machine], list[Event]]) -> None:
    """As without zero_grad: no bytes more."""
    p = parameter(machine)
    run_back(f(p, "x"))
    first = gradient(p)
    assert machine.live == 200
    run_back(f(p, "x"))
    assert gradient(p) is first
    assert machine.live == 200
    assert [operator for operator, _ in events(machine)[-2:]] == ["d x", "add_"]


# Repeated values ------------------------------------------------------------------------------------------------------


def test_gradients_of_repeated_values_are_summed(machine: Machine, events: Callable[[Machine], list[Event]]) -> None:
    column, row = parameter(machine, (5, 1)), parameter(machine, (5,))
    root = f(add(add(machine.tensor((5, 5), 4), column), row), "x")
    start = len(machine.events)
    at_rest = 20 + 20
    run_back(root)
    # x, ones and their gradient; the sum to [1, 5] is seen as [5]
    assert events(machine)[start:] == [
        ("ones_like", at_rest + 200),
        ("d x", at_rest + 300),
        ("sum", at_rest + 320),
        ("view", at_rest + 320),
        ("detach", at_rest + 320),
        ("sum", at_rest + 340),
        ("detach", at_rest + 240),
    ]


# Values written over --------------------------------------------------------------------------------------------------


def test_a_value_that_a_node_keeps_may_not_be_written_over(machine: Machine) -> None:
    machine.layer = "first"
    x = f(parameter(machine), "x")
    machine.layer = "second"
    unary(x, "y", "d y", "result", in_place=True)
    with pytest.raises(Refused) as refusal:
        run_back(x)
    assert (refusal.value.layer, refusal.value.code) == ("first", "needed-for-backward")


def test_a_value_that_nobody_keeps_may(machine: Machine) -> None:
    x = f(parameter(machine), "x", saves="input")
    run_back(unary(unary(x, "y", "d y", in_place=True), "z", "d z", "result", in_place=True))


@pytest.mark.parametrize(
    ("layers", "at"),
    [
        pytest.param(
            "{conv: {out_channels: 4, kernel_size: 3}}, sigmoid, {relu: {inplace: true}}", "sigmoid", id="result"
        ),
        pytest.param(
            "{conv: {out_channels: 4, kernel_size: 3}}, {add: [{max_pool: 1, name: pool}, {silu: {inplace: true}}]}",
            "pool",
            id="input",
        ),
        pytest.param(
            "{conv: {out_channels: 4, kernel_size: 3, activation: tanh}}, {silu: {inplace: true}}", "conv", id="fused"
        ),
        pytest.param(
            "{conv: {out_channels: 4, kernel_size: 3}}, {tanh: {}, name: squashed}, flatten, {relu: {inplace: true}}",
            "squashed",
            id="through-a-view",
        ),
    ],
)
def test_a_document_that_torch_would_not_train(run: Callable[..., object], layers: str, at: str) -> None:
    with pytest.raises(cnncalc.DocumentError) as error:
        run(layers, training=True)
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == "needed-for-backward"
    assert diagnostic.message == (
        f"torch refuses to train this: `{at}` needs a value for its gradient that another layer writes over"
    )
    run(layers)  # to predict it is fine


@pytest.mark.parametrize(
    "layers",
    [
        pytest.param("{conv: {out_channels: 4, kernel_size: 3}}, {relu: {inplace: true}}", id="behind-a-convolution"),
        pytest.param("batch_norm, {silu: {inplace: true}}, {dropout: {p: 0.5, inplace: true}}", id="two-in-a-row"),
        pytest.param("{scale: {}}, {silu: {inplace: true}}, {relu6: {inplace: true}}", id="copies"),
    ],
)
def test_one_that_it_trains(run: Callable[..., object], layers: str) -> None:
    run(layers, training=True)


# No cycles ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Machine]]:
    """The machines of all runs, with no collector to help them."""
    machines: list[Machine] = []

    class Collected(Machine):
        __slots__ = ()

        def __init__(self, cuda: bool = False, float16: bool = False) -> None:
            super().__init__(cuda, float16)
            machines.append(self)

    monkeypatch.setattr(step, "Machine", Collected)
    gc.collect()
    gc.disable()
    try:
        yield machines
    finally:
        gc.enable()


@pytest.mark.parametrize("name", zoo_names())
def test_nothing_of_a_run_stays(collected: list[Machine], name: str) -> None:
    network = cnncalc.load(name)
    gc.collect()
    for setup in (Setup(batch=2), Setup(batch=2, training=True, optimizer="adam"), Setup(device="cuda", training=True)):
        found = timeline(network, setup)
        (machine,) = collected
        assert machine.live == 0
        assert all(record.died >= 0 for record in machine.records)
        collected.clear()
        del found, machine
    assert gc.collect() == 0


def test_nothing_of_a_refused_run_stays(collected: list[Machine]) -> None:
    network = cnncalc.loads(
        "input: 5x7x2\nlayers: [{conv: {out_channels: 3, kernel_size: 2}}, tanh, {relu: {inplace: true}}]"
    )
    with pytest.raises(cnncalc.DocumentError):
        timeline(network, Setup(training=True))
    (machine,) = collected
    assert machine.live == 0
