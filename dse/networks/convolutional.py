"""Networks of convolutions: residual networks for small images (He et al., CVPR 2016) and two plain ones.

`cnn` has three convolutions of 16, 32 and 64 channels. `cnn9` has nine layers: three stages of two convolutions 3x3 at
48, 96 and 192 channels, each stage followed by pooling over 2x2, then linear layers of 256, 128 and as many units as
classes. That is 1,464,986 weights on images of 3x32x32 with ten classes. Dropout, where a design has it, stands behind
each pooling and hidden linear layer.

`resnet32` is the one that Joshi et al. (Nat. Commun. 11:2473, 2020) deployed on PCM: a convolution 3x3, three stages of
five basic blocks at 16, 28 and 56 channels, a 1x1 projection on the two shortcuts with a stride, the mean over the
image, a linear layer with a bias row. That is 361,722 weights on crossbars for ten classes and three input channels,
and 723,444 cells in pairs. `resnet8`, `resnet14` and `resnet20` have one, two and three blocks a stage. Normalisation
is digital, and its scales and offsets are not counted as weights.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dse.streams import generator, stream
from dse.training.spec import NetworkSpec

BLOCKS = {"resnet8": 1, "resnet14": 2, "resnet20": 3, "resnet32": 5}
STAGES = (16, 28, 56)
CNN_CHANNELS = (16, 32, 64)
CNN9_CHANNELS = (48, 96, 192)
CNN9_UNITS = (256, 128)


class BiasRow(nn.Module):
    """Adds an input of 1, which drives the bias row of the next layer."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x of shape (samples, features) with a last feature of 1."""
        return torch.cat([x, x.new_ones(x.shape[0], 1)], dim=1)


class BasicBlock(nn.Module):
    """Two convolutions with normalisation beside a shortcut, which projects where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = normalised_convolution(inputs, outputs, 3, stride)
        self.second = normalised_convolution(outputs, outputs, 3, 1)
        same = stride == 1 and inputs == outputs
        self.shortcut: nn.Module = nn.Identity() if same else normalised_convolution(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return the rectified sum of both ways."""
        return torch.relu_(self.second(torch.relu_(self.first(x))).add_(self.shortcut(x)))


class Dropout(nn.Module):
    """Switches off a share of the units in training and scales up the others; draws from a generator of its own."""

    def __init__(self, share: float, draws: torch.Generator) -> None:
        super().__init__()
        self.share, self._draws = share, draws

    def forward(self, x: Tensor) -> Tensor:
        """Return x, in training with a share of it 0."""
        if not self.training or self.share == 0.0:
            return x
        kept = torch.empty(x.shape).bernoulli_(1.0 - self.share, generator=self._draws)
        return x * kept.div_(1.0 - self.share).to(x.device)

    def __deepcopy__(self, memo: dict[int, object]) -> "Dropout":
        """Return a copy that goes on with draws of its own, which are the same."""
        draws = torch.Generator()
        draws.set_state(self._draws.get_state())
        return Dropout(self.share, draws)


def normalised_convolution(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    """Return a convolution without bias and the normalisation behind it."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))


def network_of(
    spec: NetworkSpec,
    channels: int,
    classes: int,
    *,
    seed: int,
    size: tuple[int, int] = (32, 32),
    dropout: float = 0.0,
) -> nn.Module:
    """Return a network with initial weights.

    Convolutions start normal with variance 2 / (outputs * kernel area) (He et al., ICCV 2015, backward form), the
    linear layers uniform within 1 / sqrt(inputs).

    Args:
        spec: which network, and its width.
        channels: channels of an image.
        classes: outputs.
        seed: seed of the trial.
        size: height and width of an image.
        dropout: share of the units that "cnn9" switches off in training.
    """
    with torch.random.fork_rng(devices=[]):  # torch draws initial weights of its own, which are replaced
        if spec.name == "cnn9":
            network = _nine_layers(
                spec, (channels, *size), classes, dropout=Dropout(dropout, generator(seed, "dropout"))
            )
        else:
            network = _normalised(spec, channels, classes)
    for number, layer in enumerate(m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))):
        draws, weight = stream(seed, "initial weights", number), layer.weight
        if isinstance(layer, nn.Conv2d):
            area = layer.kernel_size[0] * layer.kernel_size[1]
            values = draws.next_normal(weight.numel()) * math.sqrt(2.0 / (layer.out_channels * area))
        else:
            values = (2.0 * draws.next_uniform(weight.numel()) - 1.0) / math.sqrt(layer.in_features - 1)
        weight.data = values.reshape(weight.shape).contiguous()
    return network


def _nine_layers(spec: NetworkSpec, shape: tuple[int, int, int], classes: int, dropout: Dropout) -> nn.Sequential:
    layers: list[nn.Module] = []
    inputs, height, width = shape
    for outputs in map(spec.widened, CNN9_CHANNELS):
        for channels in (inputs, outputs):
            layers += [normalised_convolution(channels, outputs, 3, 1), nn.ReLU(inplace=True)]
        layers += [nn.MaxPool2d(2, ceil_mode=True), dropout]
        inputs, height, width = outputs, math.ceil(height / 2), math.ceil(width / 2)
    inputs *= height * width
    layers.append(nn.Flatten())
    for units in map(spec.widened, CNN9_UNITS):
        layers += [BiasRow(), nn.Linear(inputs + 1, units, bias=False), nn.ReLU(inplace=True), dropout]
        inputs = units
    return nn.Sequential(*layers, BiasRow(), nn.Linear(inputs + 1, classes, bias=False))


def _normalised(spec: NetworkSpec, channels: int, classes: int) -> nn.Sequential:
    if spec.name == "cnn":
        widths = [spec.widened(n) for n in CNN_CHANNELS]
        body = _plain_body(channels, widths)
    else:
        widths = [spec.widened(n) for n in STAGES]
        body = _residual_body(channels, widths, BLOCKS[spec.name])
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), BiasRow(), nn.Linear(widths[-1] + 1, classes, bias=False)]
    return nn.Sequential(*body, *head)


def _plain_body(channels: int, widths: Sequence[int]) -> list[nn.Module]:
    body: list[nn.Module] = []
    for place, width in enumerate(widths):
        body += [normalised_convolution(channels, width, 3, 1 if place == 0 else 2), nn.ReLU(inplace=True)]
        channels = width
    return body


def _residual_body(channels: int, widths: Sequence[int], blocks: int) -> list[nn.Module]:
    body: list[nn.Module] = [normalised_convolution(channels, widths[0], 3, 1), nn.ReLU(inplace=True)]
    channels = widths[0]
    for stage, width in enumerate(widths):
        for block in range(blocks):
            body.append(BasicBlock(channels, width, 2 if stage > 0 and block == 0 else 1))
            channels = width
    return body


def weights_of(network: nn.Module) -> int:
    """Return the number of weights of convolutions and linear layers, bias rows included."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.dim() > 1)
