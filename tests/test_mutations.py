"""Every formula broken in turn, one small change at a time: `verify` or a fact of the courses has to notice each.

A mutant is a formula with its value one higher or lower, an operator replaced, or one size taken for another. What
catches it is torch (`verify` on the documents below, whose sizes all differ) or a number counted by hand, here or in
the rows of test_formulas.py.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

import cnncalc
from cnncalc import formulas
from cnncalc.layers import window
from cnncalc.passes.memory import every_output, liveness
from cnncalc.passes.savings import savings

pytest.importorskip("torch", reason="verify needs torch, which is not installed")

from cnncalc.pytorch import verify

DOCUMENTS = (
    # Windows: sizes, paddings, strides, dilations and groups that all differ.
    """
input: 13x17x6
layers:
  - conv: {out_channels: 8, kernel_size: [3, 5], stride: [2, 1], padding: [[1, 2], [0, 3]], dilation: [1, 2], groups: 2}
  - max_pool: {kernel_size: [3, 2], stride: 2, padding: 1, rounding: ceil}
  - conv: {out_channels: 10, kernel_size: [2, 3], stride: [1, 3], padding: same, bias: false}
  - linear: 7
""",
    """
input: 11x9x3
layers:
  - conv: {out_channels: 4, kernel_size: 4, stride: 3, padding: 2, dilation: 2}
  - conv_transpose:
      {out_channels: 6, kernel_size: [3, 4], stride: [3, 2], padding: [[1, 0], [2, 1]], output_padding: 1, groups: 2}
  - conv: {out_channels: 5, kernel_size: 3, padding: full, connections: [[0, 1], [2], [3, 4, 5], [1], [0]]}
  - adaptive_avg_pool: [3, 4]
""",
    """
input: 10x7x2
layers:
  - conv: {out_channels: 3, kernel_size: 3, padding: [[0, 2], [1, 0]], stride: 2, rounding: ceil}
  - conv: {out_channels: 3, kernel_size: 2, stride: 3, padding: same}
""",
    """
input: 11x8x2
layers:
  - avg_pool: {kernel_size: 4, stride: 3, padding: [[2, 0], [0, 2]], rounding: ceil}
  - depth_pool: 2
""",
    # Rounded up: never fewer positions than rounded down, and one more where there is room for it.
    """
input: [1, 5, 13]
layers:
  - conv: {out_channels: 1, kernel_size: [1, 8], padding: [[1, 4], [1, 2]], stride: [2, 3], rounding: ceil}
""",
)

HOMEWORK = """
input: 200x300x3
layers:
  - conv: {out_channels: 100, kernel_size: 3, stride: 2, padding: same}
  - conv: {out_channels: 200, kernel_size: 3, stride: 2, padding: same}
  - conv: {out_channels: 400, kernel_size: 3, stride: 2, padding: same}
"""


def hand_counts() -> None:
    """Numbers that torch does not know: memory by the courses' model, additions, what does not divide."""
    memory = cnncalc.analyze(cnncalc.loads(HOMEWORK), batch=50).totals.memory
    assert memory.training == 565_613_600
    assert cnncalc.analyze(cnncalc.loads(HOMEWORK)).totals.memory.prediction == 12_613_600
    outputs = 4 * (100 * 150 * 100 + 50 * 75 * 200 + 25 * 38 * 400)
    every = every_output(cnncalc.loads(HOMEWORK))
    assert (every.prediction, every.training) == (outputs, 2 * outputs)
    # the image, the two widest maps, the parameters, and a norm's statistics of 3 channels with its counter
    alive = liveness(cnncalc.loads(HOMEWORK.replace("layers:", "layers:\n  - batch_norm")))
    widest = 4 * (100 * 150 * 100 + 50 * 75 * 200)
    assert alive.prediction == 4 * 200 * 300 * 3 + widest + 4 * (903_400 + 6) + (4 * 6 + 8)
    pooled = cnncalc.loads("input: 5x1x1\nlayers: [{adaptive_avg_pool: [3, 1]}]").nodes[0].facts
    # Windows 0..2, 1..4 and 3..5 of five rows: 2 + 3 + 2 values in 3 means.
    assert pooled.operations.adds == 2 + 3 + 2 - 3
    # (5 - 3 + 1 + 1) / 3 leaves 1; (14 - 5 + 3 + 1) / 7 leaves 6.
    for size, conv, remainder in (
        (5, "kernel_size: 3, padding: 1, stride: 3", 1),
        (14, "kernel_size: 5, padding: [[3, 1]], stride: 7", 6),
    ):
        with pytest.raises(cnncalc.DocumentError, match=f"the remainder is {remainder}:?\n"):
            cnncalc.loads(f"input: [1, {size}]\nlayers: [{{conv: {{out_channels: 1, {conv}, rounding: exact}}}}]")
    radial = cnncalc.loads("input: 3x2x2\nlayers: [{rbf: 5}]").nodes[0].facts
    assert radial.connections == 3 * 2 * 2 * 5
    for bias in (True, False):
        grouped, pooled_map = savings(cnncalc.loads(SAVINGS.replace("BIAS", str(bias).lower())))
        N, M = 8 * bias, 7 * bias
        in_groups, in_one = grouped.having.parameters.value, grouped.without.parameters.value
        assert (in_groups, in_one) == (15 * 3 * 8 + N, 15 * 6 * 8 + N)
        averaged, flattened = pooled_map.having.parameters.value, pooled_map.without.parameters.value
        assert (averaged, flattened) == (8 * 7 + M, 5 * 2 * 8 * 7 + M)


# 5x4x6 to 5x2x8 (4 - 5 + 2 + 1 = 2): 15 kernel positions, 2 groups; then 8 means, and 7 outputs.
SAVINGS = """
input: 5x4x6
layers:
  - conv: {out_channels: 8, kernel_size: [3, 5], padding: 1, groups: 2, bias: BIAS}
  - global_avg_pool
  - linear: {out_features: 7, bias: BIAS}
"""


class Replaced(ast.NodeTransformer):
    """The tree with its `target`-th changeable place changed by `change`."""

    def __init__(self, target: int, change: Callable[[ast.expr], ast.expr | None]) -> None:
        self.target, self.change, self.seen = target, change, -1

    def visit(self, node: ast.AST) -> Any:
        node = self.generic_visit(node)
        if isinstance(node, ast.expr):
            changed = self.change(node)
            if changed is not None:
                self.seen += 1
                if self.seen == self.target:
                    return changed
        return node


def other_operator(node: ast.expr) -> ast.expr | None:
    swaps: dict[type[ast.operator], ast.operator] = {ast.Add: ast.Sub(), ast.Sub: ast.Add(), ast.Mult: ast.Add()}
    if isinstance(node, ast.BinOp) and type(node.op) in swaps:
        return ast.BinOp(node.left, swaps[type(node.op)], node.right)
    return None


def not_divided(node: ast.expr) -> ast.expr | None:
    """`a // b`, `ceil_div(a, b)` and `share(a, b)` without their division."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.FloorDiv | ast.Mod):
        return node.left
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("ceil_div", "share"):
        return node.args[0]
    return None


def mutants() -> Iterator[tuple[str, str, Callable[..., int]]]:
    """(id, the formula's name, the broken formula) of every mutant."""
    for name, formula in vars(formulas).items():
        if not inspect.isfunction(formula) or formula.__module__ != formulas.__name__:
            continue
        definition = ast.parse(inspect.getsource(formula)).body[0]
        assert isinstance(definition, ast.FunctionDef)
        returned = definition.body[-1]
        assert isinstance(returned, ast.Return)
        assert returned.value is not None
        written = ast.unparse(returned.value)
        sizes = [argument.arg for argument in definition.args.args]
        rest = [definition.args.vararg.arg] if definition.args.vararg is not None else []
        header = ", ".join([*sizes, *[f"*{name}" for name in rest]])
        texts = [f"({written}) + 1", f"({written}) - 1"]
        for change in (other_operator, not_divided):
            texts += changes(written, change)
        for one, two in zip(sizes, sizes[1:] + sizes[:1], strict=True):
            if one != two:
                texts += changes(
                    written,
                    lambda node, one=one, two=two: (
                        ast.Name(two) if isinstance(node, ast.Name) and node.id == one else None
                    ),
                )
        for text in dict.fromkeys(texts):
            if text != written:
                yield f"{name}: {text}", name, eval(f"lambda {header}: {text}", vars(formulas))


def changes(written: str, change: Callable[[ast.expr], ast.expr | None]) -> list[str]:
    found = []
    for target in range(20):
        replaced = Replaced(target, change)
        tree = replaced.visit(ast.parse(written, mode="eval").body)
        if replaced.seen < target:
            break
        found.append(ast.unparse(tree))
    return found


MUTANTS = list(mutants())


def rows() -> dict[str, list[tuple[list[int], int]]]:
    """Of each formula, what it takes and gives in the rows of test_formulas.py."""
    spec = spec_from_file_location("rows_of_formulas", Path(__file__).parent / "test_formulas.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, list[tuple[list[int], int]]] = {}
    for row in module.ROWS:
        formula, letters, value = row.values
        found.setdefault(formula.__name__, []).append((list(letters.values()), value))
    return found


ROWS = rows()


def noticed() -> bool:
    """Whether anything but the rows says that a number is wrong."""
    try:
        hand_counts()
        return not all(verify(cnncalc.loads(text), device="cpu", batch=1).agrees for text in DOCUMENTS)
    except (AssertionError, pytest.fail.Exception, cnncalc.DocumentError, ArithmeticError, ValueError, IndexError):
        return True


def test_there_are_enough() -> None:
    assert len(MUTANTS) >= 40
    mutated = {name for _, name, _ in MUTANTS}
    assert mutated == {
        name for name, value in vars(formulas).items() if getattr(value, "__module__", "") == formulas.__name__
    }


def test_nothing_is_noticed_without_a_mutant() -> None:
    assert not noticed()


@pytest.mark.parametrize(
    ("name", "broken"), [(name, broken) for _, name, broken in MUTANTS], ids=[id for id, _, _ in MUTANTS]
)
def test_a_broken_formula_is_noticed(monkeypatch: pytest.MonkeyPatch, name: str, broken: Callable[..., int]) -> None:
    if any(broken(*numbers) != value for numbers, value in ROWS[name]):
        return
    forget()
    monkeypatch.setattr(formulas, name, broken)
    try:
        assert noticed()
    finally:
        forget()


def forget() -> None:
    """Windows are remembered, by what the unbroken formulas made of them."""
    for remembered in (window.window_axes, window._axis):
        remembered.cache_clear()  # type: ignore[attr-defined]
