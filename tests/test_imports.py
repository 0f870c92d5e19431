"""What is imported, and by whom: no framework to analyse, and imports that point downwards only."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import cnncalc
from cnncalc.layers import KINDS

PACKAGE = Path(cnncalc.__file__).parent
FRAMEWORKS = {"torch", "numpy", "sympy", "onnx", "tensorflow", "jax", "scipy", "pandas"}

# Run as `cnncalc` is, and then every module that is loaded, on standard error.
COMMAND = """
import sys
sys.argv = ["cnncalc", *{arguments!r}]
from cnncalc.cli import main
try:
    main()
finally:
    print(*sorted(sys.modules), file=sys.stderr)
"""


def loaded(code: str, *folders: Path) -> set[str]:
    """The modules that are loaded after the code ran in a process of its own, which sees `folders` too."""
    path = f"import sys\nsys.path[:0] = {[str(PACKAGE.parent), *map(str, folders)]!r}\n"
    done = subprocess.run([sys.executable, "-c", path + code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout, "the command wrote nothing"
    return set(done.stderr.split())


def roots(modules: set[str]) -> set[str]:
    return {module.split(".")[0] for module in modules}


# Frameworks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [[], ["--training", "--batch", "2", "--optimizer", "adam"]])
@pytest.mark.parametrize("format", ["table", "csv", "markdown", "json"])
def test_a_memory_page_imports_no_framework(arguments: list[str], format: str) -> None:
    modules = loaded(COMMAND.format(arguments=["memory", "vgg16", *arguments, "--format", format]))
    assert "cnncalc.eager.step" in modules
    assert not roots(modules) & FRAMEWORKS
    assert format == "json" or not roots(modules) & {"pydantic", "pydantic_core", "rich"}


@pytest.mark.parametrize("format", ["text", "json", "github", "junit", "sarif", "markdown"])
def test_checking_imports_no_framework(format: str) -> None:
    modules = loaded(COMMAND.format(arguments=["check", "vgg16", "--format", format]))
    assert "cnncalc.checks" in modules
    assert not roots(modules) & (FRAMEWORKS | {"pydantic", "pydantic_core", "rich", "jsonschema"})


def test_the_schema_of_documents_imports_no_framework() -> None:
    modules = loaded(COMMAND.format(arguments=["schema"]))
    assert "cnncalc.language.schema" in modules
    assert not roots(modules) & (FRAMEWORKS | {"pydantic", "pydantic_core", "rich", "jsonschema"})


@pytest.mark.parametrize("network", ["vgg16", "ssd300_vgg16"])
@pytest.mark.parametrize("format", ["table", "csv", "markdown", "json"])
def test_analysing_imports_no_framework(network: str, format: str) -> None:
    modules = loaded(COMMAND.format(arguments=["analyze", network, "--format", format]))
    assert "cnncalc.analysis" in modules
    assert not roots(modules) & FRAMEWORKS


@pytest.mark.parametrize("format", ["table", "csv", "markdown"])
def test_a_table_needs_no_pydantic(format: str) -> None:
    modules = loaded(COMMAND.format(arguments=["analyze", "vgg16", "--format", format]))
    assert not roots(modules) & {"pydantic", "pydantic_core"}


def test_a_table_in_a_pipe_needs_no_rich() -> None:
    assert "rich" not in roots(loaded(COMMAND.format(arguments=["analyze", "vgg16"])))


def test_the_python_interface_imports_no_framework() -> None:
    code = "import cnncalc\nreport = cnncalc.analyze(cnncalc.load('lenet5'))\nprint(report.totals.parameters)\n"
    modules = loaded(code + "print(*sorted(sys.modules), file=sys.stderr)")
    assert not roots(modules) & (FRAMEWORKS | {"pydantic", "rich", "typer"})


@pytest.mark.parametrize("framework", sorted(FRAMEWORKS))
def test_an_imported_framework_is_seen(framework: str, tmp_path: Path) -> None:
    """The check above can fail: the same process, in which something imports a module of that name."""
    (tmp_path / f"{framework}.py").write_text("")
    code = f"import {framework}\n" + COMMAND.format(arguments=["analyze", "vgg16"])
    assert roots(loaded(code, tmp_path)) & FRAMEWORKS == {framework}


def test_a_framework_imported_on_the_way_is_seen(tmp_path: Path) -> None:
    """As late as in the middle of the analysis, and below another name."""
    (tmp_path / "numpy").mkdir()
    (tmp_path / "numpy" / "__init__.py").write_text("")
    (tmp_path / "numpy" / "core.py").write_text("")
    spy = """
import cnncalc.analysis as analysis
depth = analysis.depth
def importing(network):
    import numpy.core
    return depth(network)
analysis.depth = importing
"""
    modules = loaded(spy + COMMAND.format(arguments=["analyze", "vgg16"]), tmp_path)
    assert roots(modules) & FRAMEWORKS == {"numpy"}


# Layers of the program ------------------------------------------------------------------------------------------------

# From the bottom up: a module may import from its own row and from those before it.
ROWS = (
    (
        "tree",
        "readings",
        "formulas",
        "messages",
        "shapes",
        "indexing",
        "diagnostics",
        "collection",
        "units",
        "files",
        "expectations",
        "closed",
        "unknowns",
    ),
    ("layers",),
    ("graph",),
    ("language", "onnx_import"),
    ("models",),
    ("passes", "conventions"),
    ("eager",),
    (
        "report",
        "analysis",
        "counting",
        "published",
        "memory",
        "fit",
        "savings",
        "checks",
        "documents",
        "figures",
        "diff",
        "lock",
        "sides",
        "growth",
        "training",
        "compare",
        "convert",
        "solve",
        "input_sizes",
        "derivations",
        "symbolic",
    ),
    ("",),  # the public API
    ("pytorch", "testing", "onnx_export"),
    ("render",),
    ("cli",),
    ("__main__",),
)

# Imports that point upwards, inside a function, and why.
UPWARDS = {
    ("report", "render.html"): "a notebook asks the report itself for its table (`_repr_html_`)",
    ("models", "pytorch.references"): "a model in Python is one of the places where networks come from",
}

# Imports that close a circle within a row, and why.
TOGETHER = {
    ("language.fold.uses", "language.fold.blocks"): "for its type: a body knows the block that it is written as",
    ("eager.machine", "eager.autograd"): "for its type: a tensor knows the node that made it",
    ("eager.machine", "eager.checkpoint"): "for its type: a machine knows the region that it runs",
}

# What a part of the program may import besides the standard library.
OTHERS = {
    "language": {"yaml"},
    "report": {"pydantic"},
    "memory": {"pydantic"},
    "fit": {"pydantic"},
    "lock": {"pydantic"},
    "published": {"pydantic"},
    "counting": {"pydantic"},
    "training": {"pydantic"},
    "solve": {"pydantic"},
    "readings": {"numpy", "sympy"},
    "symbolic": {"sympy"},
    "input_sizes": {"pydantic"},
    "render": {"rich", "sympy"},
    "cli": {"typer", "rich"},
    "pytorch": {"torch"},
    "testing": {"torch"},
    "onnx_import": {"onnx"},
    "onnx_export": {"onnx", "numpy"},
}


def sources() -> dict[str, Path]:
    """Every module of the package, named below it: `layers.conv`; the package itself is ``."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


SOURCES = sources()


def row(module: str) -> int:
    for position, names in enumerate(ROWS):
        if module.split(".")[0] in names:
            return position
    raise AssertionError(f"cnncalc.{module} has no row in the table of imports")


def imports(path: Path) -> Iterator[str]:
    """Full names of all that a module imports, in functions and for types too; `from a import b` is `a.b`."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own(name: str) -> str | None:
    """`cnncalc.layers.conv.Conv` is from `layers.conv`; None for what is not ours."""
    parts = name.split(".")
    if parts[0] != "cnncalc":
        return None
    for end in range(len(parts), 0, -1):
        if (module := ".".join(parts[1:end])) in SOURCES:
            return module
    raise AssertionError(f"no module {name}")


@pytest.mark.parametrize("module", SOURCES)
def test_imports_point_downwards(module: str) -> None:
    upwards = {
        imported
        for name in imports(SOURCES[module])
        if (imported := own(name)) is not None and row(imported) > row(module)
    }
    assert upwards == {above for below, above in UPWARDS if below == module}


def test_no_module_imports_itself_in_the_end() -> None:
    """Within a row too: the graph of imports has no cycle, but for those that are written down above."""
    every = {
        (module, imported)
        for module, path in SOURCES.items()
        for name in imports(path)
        if (imported := own(name)) is not None
    }
    assert set(TOGETHER) <= every
    needs = {
        module: {
            imported
            for below, imported in every
            if below == module != imported and not {(below, imported)} & {*UPWARDS, *TOGETHER}
        }
        for module in SOURCES
    }
    while leaves := {module for module, imported in needs.items() if not imported}:
        needs = {module: imported - leaves for module, imported in needs.items() if module not in leaves}
    assert needs == {}


@pytest.mark.parametrize("module", SOURCES)
def test_other_packages(module: str) -> None:
    outside = {name.split(".")[0] for name in imports(SOURCES[module])} - sys.stdlib_module_names - {"cnncalc"}
    assert outside <= OTHERS.get(module.split(".")[0], set())


GENERAL = [module for module in SOURCES if module.split(".")[0] in ("passes", "render")]


@pytest.mark.parametrize("module", GENERAL)
def test_no_pass_and_no_renderer_names_a_kind(module: str) -> None:
    path = SOURCES[module]
    texts = {
        node.value
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert texts.isdisjoint(KINDS)
    from_layers = {imported for name in imports(path) if (imported := own(name)) and imported.startswith("layers")}
    assert from_layers <= {"layers.base"}


def test_the_checks_of_sources_can_fail(tmp_path: Path) -> None:
    """Each reads what it should: an import inside a function, one for types only, a kind's name."""
    path = tmp_path / "module.py"
    path.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n"
        "    from cnncalc.cli import app\n"
        "def late():\n"
        "    import cnncalc.render.csv\n"
        "    from cnncalc.layers import KINDS\n"
    )
    assert [own(name) for name in imports(path)] == [None, "cli", "render.csv", "layers"]
    assert row("cli") > row("render.csv") > row("passes.depth") > row("graph") > row("layers.conv") > row("formulas")
    with pytest.raises(AssertionError, match="no row"):
        row("nonsense")
