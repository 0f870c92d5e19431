"""`cnncalc.solve`: against loops over every size, and the questions that courses ask the other way round."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cnncalc import DocumentError, loads
from cnncalc.solve import MAX_KERNEL, Bounds, Rounding, Solution, Solved, solve, to_json

FACTS = {
    fact["id"]: fact
    for fact in yaml.safe_load((Path(__file__).parent / "data" / "course_facts.yaml").read_text("utf-8"))["facts"]
}


def choices(found: Solved) -> list[tuple[int, ...]]:
    return [tuple(choice.sizes.values()) for choice in found.choices]


def only(found: Solved) -> Solution:
    (choice,) = found.choices
    ((one,),) = choice.axes
    return one


# Questions of courses -------------------------------------------------------------------------------------------------


def test_padding_that_keeps_the_size() -> None:
    """CS231n: with stride 1, P = (F - 1)/2; the course fact same-padding-rule, and question cs231n-20."""
    fact = FACTS["same-padding-rule"]
    found = [
        only(solve("conv", input=size, output=size, kernel_size=F, stride=fact["given"]["S"])).padding
        for F, size in zip(fact["given"]["F"], (32, 19, 224), strict=True)
    ]
    assert found == fact["expect"]["padding"] == [1, 2, 3]


def test_valid_same_and_full() -> None:
    """The course fact: n = 5, f = 3, s = 1 gives 3, 5 and 7; the paddings are 0, (f - 1)/2 = 1 and f - 1 = 2."""
    sizes, expected = FACTS["valid-same-full"]["given"], FACTS["valid-same-full"]["expect"]
    paddings = {
        name: only(solve("conv", input=sizes["n"], output=size, kernel_size=sizes["f"], stride=sizes["s"])).padding
        for name, size in expected.items()
    }
    assert paddings == {"valid": 0, "same": 1, "full": 2}


def test_stride_3_does_not_fit() -> None:
    """The course fact: (5 - 3 + 2·1)/3 leaves 1, which is padding; floor answers 2."""
    fact = FACTS["window-1d-stride3-does-not-fit"]
    W, F, P, S = fact["given"].values()
    one = only(solve("conv", input=W, kernel_size=F, padding=P, stride=S))
    assert (one.fit, one.remainder, one.output, one.unread) == ("floor", 1, 2, 0)
    assert (one.remainder, one.output) == (fact["expect"]["remainder"], fact["expect"]["floor"])


def test_cs231n_does_it_fit() -> None:
    """cs231n-04: W = 10, F = 3, P = 0, S = 2 gives 4.5: no. Frameworks say 4 and leave a column out."""
    one = only(solve("conv", input=10, kernel_size=3, padding=0, stride=2))
    assert (one.fit, one.output, one.remainder, one.unread) == ("floor", 4, 1, 1)
    # The notes go on: zero padding that makes it fit is what constrains the stride. Half a position is none.
    assert [choice.sizes for choice in solve("conv", input=10, output=5, kernel_size=3, stride=2).choices] == [
        {"padding": 1}
    ]


def test_which_layer_keeps_125() -> None:
    """dlai-w2-01: 125x125x64 to 125x125x32 is a 1x1 convolution with 32 filters at stride 1; the plainest answer."""
    found = solve("conv", input=(125, 125), output=(125, 125), channels=64, out_channels=32)
    assert found.asked == ["kernel_size", "stride", "padding"]
    assert found.choices[0].sizes == {"kernel_size": 1, "stride": 1, "padding": 0}
    assert choices(found) == [(2 * P + 1, 1, P) for P in range(6)]
    assert found.out_channels == 32


def test_nptel_choices() -> None:
    """nptel-5: which F, S, P take 224x224 to 222x222? Of the choices only F = 3, S = 1, P = 0."""
    every = choices(solve("conv", input=224, output=222))
    assert [choice for choice in ([3, 1, 1], [3, 0, 1], [3, 1, 0], [2, 0, 0]) if tuple(choice) in every] == [[3, 1, 0]]


def test_transposed_lecture() -> None:
    """dlai-w3-01: 2x2 becomes 4x4 with a 3x3 filter, stride 2 and padding 1 where the output padding is 1."""
    assert only(solve("conv_transpose", input=2, output=4, kernel_size=3, stride=2, padding=1)).output_padding == 1


def test_round_trip() -> None:
    """d2l-tconv: 16 becomes 6 with k5 p2 s3, and the transposed convolution with the same sizes gives 16 back."""
    assert choices(solve("conv", input=16, output=6, kernel_size=5, stride=3)) == [(2,), (3,)]  # 15 / 3, and 17 / 3
    assert only(solve("conv_transpose", input=6, output=16, kernel_size=5, padding=2, stride=3)).output_padding == 0
    found = solve("conv", output=6, kernel_size=5, padding=2, stride=3)
    assert [one.input for one in found.choices[0].axes[0]] == [16, 17, 18]  # the exact one first


def test_caffe_pool() -> None:
    """pool-ceil: 112 pooled 3/2 without padding is 55 by floor and 56 by Caffe's ceil."""
    assert only(solve("max_pool", input=112, kernel_size=3, stride=2)).output == 55
    assert choices(solve("max_pool", input=112, output=56, kernel_size=3, rounding="ceil", stride=2)) == [(0,)]


def test_a_dense_layer_as_a_convolution() -> None:
    """CS231n: the first dense layer of VGG, on 7x7x512, is a 7x7 convolution."""
    assert choices(solve("conv", input=7, output=1, stride=1, padding=0)) == [(7,)]


def test_a_stem_in_both_directions() -> None:
    """ResNet's 7x7/2 with padding 3: 112 comes from 223 (which divides) and 224 (which does not)."""
    found = solve("conv", output=(112, 56), kernel_size=7, stride=2, padding=3)
    along = [[(one.input, one.fit) for one in axis] for axis in found.choices[0].axes]
    assert along == [[(223, "exact"), (224, "floor")], [(111, "exact"), (112, "floor")]]


# Against loops --------------------------------------------------------------------------------------------------------


def plain_output(kind: str, W: int, K: int, S: int, P: int, D: int, A: int, ceil: bool) -> int:
    """The output by sliding a window over places, or by spreading each place over the kernel; 0 for none."""
    if kind == "conv_transpose":
        reached = [i * S + k * D for i in range(W) for k in range(K)]
        return max(0, max(reached) + 1 - 2 * P + A)
    F, padded = D * (K - 1) + 1, W + 2 * P
    if padded < F:
        return 0
    windows = [start for start in range(0, padded + S, S) if start + F <= padded]
    if ceil and windows[-1] + F < padded and windows[-1] + S < W + P:
        windows.append(windows[-1] + S)
    return len(windows)


MOST = {"kernel_size": 4, "stride": 4, "padding": 3, "dilation": 3}
NAMES = ("input", "kernel_size", "stride", "padding", "dilation", "output_padding")


def by_loops(kind: str, fixed: dict[str, int], output: int | None, ceil: bool) -> set[tuple[int, ...]]:
    spans = {
        "input": range(1, 60),
        "kernel_size": range(1, 5),
        "stride": range(1, 5),
        "padding": range(4),
        "dilation": range(1, 4),
        "output_padding": range(4),
    }
    if kind != "conv_transpose":
        spans["output_padding"] = range(1)
    found = set()
    for sizes in product(*[[fixed[name]] if name in fixed else spans[name] for name in NAMES]):
        W, K, S, P, D, A = sizes
        if kind == "max_pool" and 2 * P > K:
            continue
        if kind == "conv_transpose" and max(S, D) <= A:
            continue
        reached = plain_output(kind, W, K, S, P, D, A, ceil)
        if reached and output in (None, reached):
            found.add((*sizes, reached))
    return found


LEAST = {"input": 1, "kernel_size": 1, "stride": 1, "padding": 0, "dilation": 1, "output_padding": 0}


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_all_solutions_and_no_others(data: st.DataObject) -> None:
    """One or two unknowns, everything else given, within explicit bounds: what loops over all sizes find."""
    kind = data.draw(st.sampled_from(["conv", "max_pool", "conv_transpose"]))
    ceil = kind == "max_pool" and data.draw(st.booleans())
    names = [name for name in NAMES if kind == "conv_transpose" or name != "output_padding"]
    asked = data.draw(st.sets(st.sampled_from(names), min_size=1, max_size=2))
    tops = {**MOST, "input": 12, "output_padding": 3}
    fixed = {name: data.draw(st.integers(LEAST[name], tops[name])) for name in names if name not in asked}
    output = data.draw(st.integers(1, 9))
    sizes: dict[str, Any] = {**fixed, **dict.fromkeys(asked, "?")}
    bounds = Bounds(**MOST)
    rounding: Rounding = "ceil" if ceil else "floor"
    if not by_loops(kind, fixed, None, ceil):  # torch allows no such layer, or nothing comes out of it
        with suppress(DocumentError):
            assert solve(kind, output=output, bounds=bounds, rounding=rounding, **sizes).choices == []
        return
    found = solve(kind, output=output, bounds=bounds, rounding=rounding, **sizes)
    solutions = [
        (one.input, one.kernel_size, one.stride, one.padding, one.dilation, one.output_padding, one.output)
        for one in found.axes[0].solutions
    ]
    expected = by_loops(kind, fixed, output, ceil)
    # A stride beyond the way that the window has, and a dilation of a single position, change nothing: the least stands
    # for all of them.
    seen = set(solutions)
    assert len(seen) == len(solutions)
    assert seen <= expected
    missing = {one for one in expected - seen if not redundant(kind, one, asked)}
    assert missing == set()


def redundant(kind: str, sizes: tuple[int, ...], asked: set[str]) -> bool:
    W, K, S, P, D, A, O = sizes
    if "dilation" in asked and K == 1 and D > 1:
        return True
    if "stride" not in asked:
        return False
    return (kind != "conv_transpose" and O == 1 and S > W - (D * (K - 1) + 1) + 2 * P + 1) or (
        kind == "conv_transpose" and W == 1 and len(asked) == 1 and max(1, A + 1) < S
    )


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["conv", "max_pool", "conv_transpose"]), st.integers(1, 30), st.integers(1, 5), st.data())
def test_one_unknown_needs_no_bounds(kind: str, W: int, K: int, data: st.DataObject) -> None:
    """From a layer that works, with one of its sizes taken away, that size is found again."""
    D = data.draw(st.integers(1, 3))
    S = data.draw(st.integers(1, 4))
    P = data.draw(st.integers(0, K // 2))
    A = data.draw(st.integers(0, max(S, D) - 1)) if kind == "conv_transpose" else 0
    O = plain_output(kind, W, K, S, P, D, A, False)
    if not O:
        return
    sizes = {"input": W, "output": O, "kernel_size": K, "stride": S, "padding": P, "dilation": D}
    sizes |= {"output_padding": A} if kind == "conv_transpose" else {}
    for name, size in sizes.items():
        found = solve(kind, **{**sizes, name: "?"})  # type: ignore[arg-type]
        values = [getattr(one, name) for one in found.axes[0].solutions]
        assert size in values or (name == "dilation" and K == 1) or (name == "stride" and (O == 1 or W == 1))


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 40), st.integers(1, 7), st.integers(1, 4), st.integers(0, 3), st.integers(1, 3))
def test_the_engine_agrees(W: int, K: int, S: int, P: int, D: int) -> None:
    """Output, remainder and what is unread, as the layer itself answers in a document."""
    fields = f"{{out_channels: 1, kernel_size: {K}, stride: {S}, padding: {P}, dilation: {D}}}"
    found = solve("conv", input=W, kernel_size=K, stride=S, padding=P, dilation=D)
    try:
        (node,) = loads(f"input: {W}x1\nlayers: [{{conv: {fields}}}]").nodes
    except DocumentError:
        assert found.choices == []
        return
    one = only(found)
    assert one.output == node.output[1]
    said = " ".join(remark.message for remark in node.facts.remarks)
    assert bool(one.skipped or one.unread) == bool(said)
    assert not one.unread or one.skipped or f"the last {one.unread} of {W}" in said
    rounded = (
        loads(f"input: {W}x1\nlayers: [{{conv: {fields[:-1]}, rounding: exact}}}}]") if one.fit == "exact" else None
    )
    assert rounded is None or rounded.nodes[0].output[1] == one.output
    if one.fit != "exact":
        with pytest.raises(DocumentError, match=f"the remainder is {one.remainder}"):
            loads(f"input: {W}x1\nlayers: [{{conv: {fields[:-1]}, rounding: exact}}}}]")


# What is asked --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "sizes", "asked", "assumed"),
    [
        ("conv", {"input": 9, "kernel_size": 3}, ["output"], {"stride": 1, "padding": 0, "dilation": 1}),
        ("conv", {"input": 9, "output": 9, "kernel_size": 3}, ["stride", "padding"], {"dilation": 1}),
        (
            "conv",
            {"input": 9, "output": 9, "kernel_size": "?"},
            ["kernel_size"],
            {"stride": 1, "padding": 0, "dilation": 1},
        ),
        ("conv", {"output": 9, "kernel_size": 3, "stride": 2}, ["input"], {"padding": 0, "dilation": 1}),
        ("conv", {"output": 9, "kernel_size": 3, "padding": "?"}, ["input", "padding"], {"stride": 1, "dilation": 1}),
        (
            "max_pool",
            {"input": 9, "kernel_size": 3},
            ["output"],
            {"stride": "kernel_size", "padding": 0, "dilation": 1},
        ),
        ("max_pool", {"input": 9, "output": 3}, ["kernel_size", "stride", "padding"], {"dilation": 1}),
        (
            "conv_transpose",
            {"input": 9, "output": 18, "kernel_size": 2, "stride": 2},
            ["padding", "output_padding"],
            {"dilation": 1},
        ),
        (
            "conv_transpose",
            {"input": 9, "kernel_size": 2},
            ["output"],
            {"stride": 1, "padding": 0, "dilation": 1, "output_padding": 0},
        ),
    ],
)
def test_what_is_left_out(kind: str, sizes: dict[str, Any], asked: list[str], assumed: dict[str, Any]) -> None:
    found = solve(kind, **sizes)
    assert (found.asked, found.assumed) == (asked, assumed)


def test_a_pool_steps_by_its_kernel() -> None:
    """8 is pooled to 2 by a kernel of 4 that steps by 4; a kernel of 3 steps by 3 and leaves 2 positions."""
    found = solve("max_pool", input=8, output=2, kernel_size="?")
    assert [
        (one.kernel_size, one.stride, one.fit, one.unread) for choice in found.choices for one in choice.axes[0]
    ] == [
        (4, 4, "exact", 0),
        (3, 3, "floor", 2),
    ]


def test_nothing_to_find_out() -> None:
    """All sizes given: whether they go together."""
    all_given: dict[str, Any] = {"input": 10, "kernel_size": 3, "stride": 2, "padding": 0}
    yes, no = solve("conv", output=4, **all_given), solve("conv", output=5, **all_given)
    assert (yes.asked, only(yes).fit) == ([], "floor")
    assert (no.choices, no.axes[0].below and no.axes[0].below.output) == ([], 4)


def test_the_nearest_where_there_is_none() -> None:
    """An even kernel at stride 1: 32 - 2 + 2P + 1 is 31, 33, ..."""
    (axis,) = solve("conv", input=32, output=32, kernel_size=2, stride=1).axes
    assert axis.solutions == []
    assert axis.below is not None
    assert axis.above is not None
    assert [(one.padding, one.output) for one in (axis.below, axis.above)] == [(0, 31), (1, 33)]


def test_the_same_along_all_axes() -> None:
    """32 to 16 and 30 to 15 by one stride and padding; 32 to 32 and 30 to 28 by none."""
    assert choices(solve("conv", input=(32, 30), output=(16, 15), kernel_size=3)) == [(2, 1)]
    found = solve("conv", input=(32, 30), output=(32, 28), kernel_size=5, stride=1)
    assert found.choices == []
    assert [[one.padding for one in axis.solutions] for axis in found.axes] == [[2], [1]]


def test_sizes_an_axis() -> None:
    found = solve("conv", input=20, output=(18, 16), kernel_size=(3, 5), stride=1)
    assert choices(found) == [(0,)]
    assert [axis.given["kernel_size"] for axis in found.axes] == [3, 5]


def test_bounds_are_said_and_can_be_widened() -> None:
    """ViT's patches: 224 to 14 by a 16x16 kernel with stride 16, which the usual bound of 11 leaves out."""
    found = solve("conv", input=224, output=14, padding=0)
    assert found.bounds == {"kernel_size": f"up to {MAX_KERNEL}"}
    assert (16, 16) not in choices(found)
    wide = solve("conv", input=224, output=14, padding=0, bounds=Bounds(kernel_size=16))
    assert wide.choices[0].sizes == {"kernel_size": 16, "stride": 16}
    assert wide.bounds == {"kernel_size": "up to 16"}


def test_large_sizes_take_no_time() -> None:
    """Half of 2,000,000,000: found by bisection, not by trying."""
    assert choices(solve("conv", input=2 * 10**9, output=10**9, kernel_size=3)) == [(2, 1)]


@pytest.mark.parametrize(
    ("kind", "sizes", "code"),
    [
        ("conv", {"input": 9}, "too-much-unknown"),
        ("conv", {}, "too-much-unknown"),
        ("conv", {"input": "?", "output": "?", "kernel_size": 3}, "too-much-unknown"),
        ("conv", {"input": 9, "output": 9, "output_padding": 1}, "no-output-padding"),
        ("conv", {"input": (9, 9), "output": (9, 9, 9)}, "wrong-number-of-sizes"),
        ("conv", {"input": 0, "kernel_size": 1}, "size-out-of-range"),
        ("conv", {"input": 9, "kernel_size": 3, "padding": 2**31}, "size-out-of-range"),
        ("max_pool", {"input": 9, "kernel_size": 3, "padding": 2}, "pool-padding-at-most-half"),
        ("max_pool", {"input": 9, "output": 9, "channels": 3, "out_channels": 4}, "pool-keeps-channels"),
        (
            "conv_transpose",
            {"input": 9, "kernel_size": 3, "stride": 2, "output_padding": 2},
            "output-padding-below-stride",
        ),
        ("conv", {"input": 9 * 10**5, "output": 3, "bounds": Bounds(kernel_size=10**6)}, "bounds-too-wide"),
        ("conv", {"input": "?", "output": 1, "kernel_size": 1, "stride": 10**6}, "bounds-too-wide"),
    ],
)
def test_refused(kind: str, sizes: dict[str, Any], code: str) -> None:
    with pytest.raises(DocumentError) as error:
        solve(kind, **sizes)
    assert [diagnostic.code for diagnostic in error.value.diagnostics] == [code]


def test_json_holds_everything() -> None:
    found = solve("conv", input=(224, 224), output=(112, 112), kernel_size=3, channels=3, out_channels=64)
    assert json.loads(to_json(found)) == json.loads(json.dumps(found.to_dict()))
    assert json.loads(to_json(found))["choices"][0]["sizes"] == {"stride": 2, "padding": 1}
