"""Networks of convolutions: their size is the published one, and they start the same everywhere."""

import pytest
import torch
from torch import nn

from dse.crossbar.analog import Crossbars, on_crossbars, placement_of
from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from dse.designs.hardware import platform_of
from dse.errors import SettingError
from dse.networks.parts import weights_of
from tests.networks import network


def by_hand(blocks: int, widths: tuple[int, int, int], channels: int = 3) -> int:
    """The definition: 3x3 convolutions, 1x1 projections on the two strided shortcuts, a bias row at the end."""
    first, second, third = widths
    total = 9 * channels * first + 2 * blocks * 9 * first**2
    for inputs, outputs in ((first, second), (second, third)):
        total += 9 * inputs * outputs + (2 * blocks - 1) * 9 * outputs**2 + inputs * outputs
    return total + (third + 1) * 10


def test_resnet32_has_the_weights_and_cells_of_joshi_et_al() -> None:
    placed = placement_of(on_crossbars(network("resnet32"), Crossbars()))
    assert sum(layer.weights for layer in placed) == weights_of(network("resnet32")) == 361_722
    assert sum(2 * layer.weights for layer in placed) == 723_444
    assert len(placed) == 34  # 31 convolutions, 2 projections, 1 linear layer


@pytest.mark.parametrize(("name", "blocks"), [("resnet8", 1), ("resnet14", 2), ("resnet20", 3), ("resnet32", 5)])
@pytest.mark.parametrize("width", [0.5, 1.0, 1.5])
def test_residual_networks_have_the_weights_of_their_definition(name: str, blocks: int, width: float) -> None:
    widths = (round(16 * width), round(28 * width), round(56 * width))
    assert weights_of(network(name, width=width)) == by_hand(blocks, widths)


def test_initial_weights_have_their_variance() -> None:
    large = max(network("resnet20").parameters(), key=torch.numel)
    # 5 deviations of the deviation of 28,224 numbers.
    assert float(large.detach().std()) == pytest.approx((2.0 / (56 * 9)) ** 0.5, rel=5 / (2 * large.numel()) ** 0.5)


def test_the_last_layer_has_its_bias_in_a_row() -> None:
    own = network("cnn")
    head = own[-2:]
    features = torch.arange(192.0).reshape(3, 64) / 192
    weight = own[-1].weight
    assert torch.allclose(head(features), features @ weight[:, :-1].T + weight[:, -1], atol=1e-6)


def test_a_network_that_builds_a_module_instead_of_a_tuple_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    design = compose({"network.name": "cnn", "workload.images": 50})
    monkeypatch.setattr(type(design.network), "build", lambda *_, **__: torch.nn.Sequential(torch.nn.Linear(64, 10)))
    with pytest.raises(SettingError, match=r"build\(\) of Cnn returns Sequential; let it return a tuple of modules"):
        design.network.learner(design.workload.load(), design.training, platform_of(design), seed=0)


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        (
            [nn.Flatten(), nn.Linear(64, 8), nn.Linear(9, 10)],
            r"the layer '2' of the network takes vectors of 9 numbers, and got 8 .*such as nn.Linear\(8, 10\)",
        ),
        (
            [nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 10)],
            r"the layer '0' of the network takes images of 3 channels, and got 1 .*such as nn.Conv2d\(1, 4, ...\)",
        ),
        (
            [nn.Flatten(), nn.Conv2d(1, 4, 3), nn.Linear(4, 10)],
            r"'1' .* takes images of 1 channels, and got tensors of 2",
        ),
        ([nn.Flatten(), nn.Linear(64, 8)], r"outputs of shape \(10, 8\) for 10 .*; let its last layer have 10 outputs"),
        ([nn.Conv2d(1, 10, 3)], r"outputs of shape \(10, 10, 6, 6\) for 10 samples, and these data need \(10, 10\)"),
    ],
)
def test_layers_that_do_not_fit_are_named_with_what_would_fit(
    layers: list[nn.Module], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    design = compose({"network.name": "cnn", "workload.images": 50, "training.batch_size": 10})
    monkeypatch.setattr(type(design.network), "build", lambda *_, **__: (nn.Sequential(*layers),))
    with pytest.raises(SettingError, match=said):
        evaluate(design, 0, design.workload.load())
