"""`assert_matches`: modules written by hand against documents, and every difference that it tells."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import cnncalc
from cnncalc.diagnostics import DocumentError

torch = pytest.importorskip("torch", reason="a torch module is compared, and torch is not installed")

from torch import nn

from cnncalc.testing import assert_matches

sys.path.insert(0, str(Path(__file__).parent))
from torchvision_operators import torchvision_operators

# 4x5 places, 2x2 behind the pooling: 4·18 + 4 and 8 parameters, 8 buffers; 5·16 + 5.
DOCUMENT = """\
input: 9x11x2
layers:
  - conv: {out_channels: 4, kernel_size: 3, stride: 2}
  - batch_norm
  - relu
  - max_pool: 2
  - linear: 5
"""


class Net(nn.Module):
    """What DOCUMENT says, unless something else is asked for."""

    def __init__(
        self, channels: int = 4, stride: int = 2, norm: bool = True, features: int = 4 * 2 * 2, out: int = 5
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, channels, 3, stride)
        self.norm = nn.BatchNorm2d(channels) if norm else nn.Identity()
        self.pool = nn.MaxPool2d(2)
        self.last = nn.Linear(features, out)

    def forward(self, x: torch.Tensor) -> Any:
        return self.last(self.pool(self.norm(self.conv(x)).relu()).flatten(1))


@pytest.fixture
def document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(DOCUMENT)
    return "net.yaml"


def told(module: Any, document: Any, inputs: Any = None) -> list[str]:
    with pytest.raises(AssertionError) as error:
        assert_matches(module, document, inputs)
    first, *lines = str(error.value).split("\n  ")
    count = len([line for line in lines if not line.startswith((" ", "|", "=")) and not line[:1].isdigit()])
    assert first.startswith(f"{type(module).__name__} is not what ")
    assert first.endswith(f", {count} {'difference' if count == 1 else 'differences'}:")
    return lines


# What matches ---------------------------------------------------------------------------------------------------------


def test_a_module_that_matches(document: str) -> None:
    assert_matches(Net(), document)
    assert_matches(Net(), Path(document))
    assert_matches(Net(), cnncalc.load(document))


@pytest.mark.parametrize("training", [True, False])
def test_nothing_of_it_changes(document: str, training: bool) -> None:
    module = Net().train(training)
    module.conv.eval()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    drawn = torch.get_rng_state()
    assert_matches(module, document)
    assert torch.equal(drawn, torch.get_rng_state())
    assert [one.training for one in module.modules()] == [training, False, training, training, training]
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    assert all(parameter.grad is None for parameter in module.parameters())


def test_on_other_devices_and_in_other_formats(document: str) -> None:
    assert_matches(Net().to("meta"), document)
    assert_matches(Net().double(), document)
    assert_matches(Net().to(torch.bfloat16), document)


def test_no_memory_is_needed(tmp_path: Path) -> None:
    """A layer of 8 TB."""
    with torch.device("meta"):
        module = nn.Sequential(nn.Flatten(), nn.Linear(1_000_000, 2_000_000))
    path = tmp_path / "wide.yaml"
    path.write_text("input: 1000x1000x1\nlayers: [{linear: 2_000_000}]\n")
    assert_matches(module, path)


def test_parameters_in_another_order(document: str) -> None:
    """The order in which a module happens to have its layers is not the document's business."""
    module = Net()
    conv = module.conv
    del module.conv
    module.conv = conv
    assert next(iter(module.state_dict())) == "norm.weight"
    assert_matches(module, document)


class Valued(Net):
    """A module that looks at the values of its input, which the meta device does not have."""

    def forward(self, x: torch.Tensor) -> Any:
        assert x.abs().max().item() >= 0
        return super().forward(x)


@pytest.mark.parametrize("training", [True, False])
def test_a_module_that_needs_values(document: str, training: bool) -> None:
    module = Valued().train(training)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    drawn = torch.get_rng_state()
    assert_matches(module, document)
    assert torch.equal(drawn, torch.get_rng_state())
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    assert told(Valued(out=6), document)[-1] == "MACs of a batch of 2: 3,040 in net.yaml, 3,072 in torch"


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_inputs_of_ones_own(document: str, device: str) -> None:
    assert_matches(Net(), document, torch.ones(3, 2, 9, 11, device=device))
    assert_matches(Net(), document, [torch.ones(1, 2, 9, 11)])


class Two(nn.Module):
    """Two inputs, several outputs, in one of the ways in which modules return them."""

    def __init__(self, made: Any) -> None:
        super().__init__()
        self.made = made

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> Any:
        return self.made(a, torch.cat([a, b], 1))


TWO = """\
inputs: {a: 4x6x2, b: 4x6x3}
layers: [{name: both, concat: [a, b]}]
outputs: [a, both]
"""


@pytest.mark.parametrize(
    "made",
    [
        lambda a, both: (a, both),
        lambda a, both: [a, both],
        lambda a, both: {"first": a, "second": {"third": both}},
        lambda a, both: (a, None, [both]),
    ],
)
def test_several_inputs_and_outputs(made: Any) -> None:
    network = cnncalc.loads(TWO)
    assert_matches(Two(made), network)
    assert_matches(Two(made), network, (torch.ones(1, 2, 4, 6), torch.ones(1, 3, 4, 6)))


def test_counters_are_no_statistics(document: str) -> None:
    module = Net()
    assert "norm.num_batches_tracked" in module.state_dict()
    assert_matches(module, document)


# What differs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        pytest.param(
            {"out": 6},
            [
                "parameters: 169 in net.yaml, 186 in torch",
                "parameters of shape [5, 16]: 1 in net.yaml, 0 in torch",
                "parameters of shape [5]: 1 in net.yaml, 0 in torch",
                "parameters of shape [6, 16]: 0 in net.yaml, 1 in torch",
                "parameters of shape [6]: 0 in net.yaml, 1 in torch",
                "outputs: [2, 5] in net.yaml, [2, 6] in torch",
                # 4·20 outputs of 18 products; 16 values into 5 or 6
                "MACs of a batch of 2: 3,040 in net.yaml, 3,072 in torch",
            ],
            id="outputs",
        ),
        pytest.param(
            {"stride": 1, "features": 4 * 3 * 4},
            [
                "parameters: 169 in net.yaml, 329 in torch",
                "parameters of shape [5, 16]: 1 in net.yaml, 0 in torch",
                "parameters of shape [5, 48]: 0 in net.yaml, 1 in torch",
                "MACs of a batch of 2: 3,040 in net.yaml, 9,552 in torch",
            ],
            id="a-stride",
        ),
        pytest.param(
            {"norm": False},
            [
                "parameters: 169 in net.yaml, 161 in torch",
                "parameters of shape [4]: 3 in net.yaml, 1 in torch",
                "buffers: 8 in net.yaml, 0 in torch",
                "buffers of shape [4]: 2 in net.yaml, 0 in torch",
            ],
            id="buffers",
        ),
        pytest.param(
            {"features": 15},
            [
                "parameters: 169 in net.yaml, 164 in torch",
                "parameters of shape [5, 16]: 1 in net.yaml, 0 in torch",
                "parameters of shape [5, 15]: 0 in net.yaml, 1 in torch",
                "outputs: [2, 5] in net.yaml, RuntimeError: mat1 and mat2 shapes cannot be multiplied "
                "(2x16 and 15x5) in torch",
            ],
            id="it-does-not-run",
        ),
    ],
)
def test_differences(document: str, module: dict[str, Any], expected: Sequence[str]) -> None:
    assert told(Net(**module), document) == expected


def test_one_difference(document: str) -> None:
    """The same tensors, and another number of products: a convolution that reads every place."""
    module = Net(features=16)
    module.conv.stride = (1, 1)
    module.pool = nn.AdaptiveMaxPool2d(2)
    with pytest.raises(AssertionError) as error:
        assert_matches(module, document)
    assert str(error.value) == (
        "Net is not what net.yaml says, 1 difference:\n  MACs of a batch of 2: 3,040 in net.yaml, 9,232 in torch"
    )


def test_equal_in_sum(document: str) -> None:
    """As many elements in other tensors."""
    module = Net()
    module.last = nn.Linear(16, 5, bias=False)
    module.extra = nn.Parameter(torch.zeros(5, 1))
    assert told(module, document) == [
        "parameters of shape [5]: 1 in net.yaml, 0 in torch",
        "parameters of shape [5, 1]: 0 in net.yaml, 1 in torch",
    ]


def test_several_outputs_that_differ() -> None:
    network = cnncalc.loads(TWO, name="two.yaml")
    assert told(Two(lambda a, both: both), network) == [
        "outputs: [2, 2, 4, 6], [2, 5, 4, 6] in two.yaml, [2, 5, 4, 6] in torch"
    ]
    assert told(Two(lambda a, both: None), network) == [
        "outputs: [2, 2, 4, 6], [2, 5, 4, 6] in two.yaml, none in torch"
    ]


def test_what_the_document_expects(document: str) -> None:
    Path("net.yaml").write_text(f"{DOCUMENT}expect: {{parameters: 170}}\n")
    lines = told(Net(), document)
    assert lines[0] == "net.yaml:8:22: error[expectation-failed]: `parameters` is 169, expected 170"
    assert lines[2] == "8 | expect: {parameters: 170}"


def test_inputs_that_do_not_fit(document: str) -> None:
    assert told(Net(), document, torch.ones(3, 2, 9, 12)) == ["inputs: [N, 2, 9, 11] in net.yaml, [3, 2, 9, 12] given"]
    assert told(Net(), document, []) == ["inputs: [N, 2, 9, 11] in net.yaml,  given"]


def test_lazy_modules(document: str) -> None:
    module = Net()
    module.last = nn.LazyLinear(5)
    assert told(module, document)[0] == "Net has lazy parameters; run it once before it is compared"


def test_mistakes(document: str) -> None:
    with pytest.raises(TypeError, match=r"a torch\.nn.Module is compared, not type"):
        assert_matches(Net, document)  # type: ignore[arg-type]
    with pytest.raises(DocumentError, match=r"there is no file nowhere\.yaml"):
        assert_matches(Net(), "nowhere.yaml")


# torchvision ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["resnet18", "resnet50", "vgg16", "densenet121", "mobilenet_v2", "squeezenet1_1", "googlenet", "inception_v3"],
)
def test_torchvision(name: str) -> None:
    """The zoo says that these are torchvision's."""
    torchvision_operators()
    models = pytest.importorskip("torchvision.models", reason="torchvision is not installed")
    options = {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
    with torch.device("meta"):
        module = getattr(models, name)(weights=None, **options).eval()
    assert_matches(module, name)
