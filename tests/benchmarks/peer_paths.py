"""Paths of aihwkit, aihwkit-lightning and libraries of fronts for `beside`, in the environment that has these.

Each is shown to learn before it is timed, as those of `own_paths` are: weights of aihwkit must move, a perceptron must
recognise three of four images that it learned, a deep network must halve the loss of sixteen images. Networks are those
of the project written out in torch, so that nothing of it is imported.
"""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

Made = tuple[str, Callable[[], int]]
torch.set_num_threads(1)
NOISE, CLIP = 0.038, 2.0
"""Noise on weights in units of the largest, and standard deviations at which they are clipped."""
CONVERTER = 1 / 254
"""Resolution of a converter of 8 bits whose range is of both signs."""


def until(enough: Callable[[], bool], learn: Callable[[], object], most: int) -> int:
    """Learn until it is enough, and return how often that took."""
    for times in range(1, most + 1):
        learn()
        if enough():
            return times
    raise SystemExit(f"did not learn in {most} passes")


def _pcm(refresh_every: int, *, exact: bool) -> Any:
    """Return mixed precision on pairs of PCM, refreshed every so many mini-batches; 0 for the preset as it is.

    Products that are not exact have the noise and the converters of the preset both ways.
    """
    configs, presets = (importlib.import_module(f"aihwkit.simulator.{name}") for name in ("configs", "presets"))
    whole = configs.MappingParameter(max_input_size=0, max_output_size=0)
    if refresh_every == 0:
        return presets.MixedPrecisionPCMPreset(mapping=whole)
    io = configs.IOParameters(is_perfect=True) if exact else presets.PresetIOParameters()
    cell = configs.OneSidedUnitCell(
        unit_cell_devices=[presets.PCMPresetDevice(), presets.PCMPresetDevice()],
        refresh_every=refresh_every,
        units_in_mbatch=True,
        refresh_forward=io,
        refresh_update=presets.PresetUpdateParameters(desired_bl=31),
    )
    return configs.DigitalRankUpdateRPUConfig(
        device=configs.MixedPrecisionCompound(device=cell), forward=io, backward=io, mapping=whole
    )


def aihwkit_perceptron(batch: int, refresh_every: int, file: str, images: int, rate: float, exact: bool) -> Made:
    """784-250-10 learns MNIST by mixed precision on PCM; a turn takes 100 mini-batches."""
    layers, optim = importlib.import_module("aihwkit.nn"), importlib.import_module("aihwkit.optim")
    torch.manual_seed(0)
    config, held = _pcm(refresh_every, exact=exact), np.load(file)
    first, second = (layers.AnalogLinear(*size, rpu_config=config) for size in ((784, 250), (250, 10)))
    network = nn.Sequential(first, nn.Sigmoid(), second, nn.Sigmoid())
    descent = optim.AnalogSGD(network.parameters(), lr=rate)
    descent.regroup_param_groups(network)
    x, labels = torch.from_numpy(held["images"][:images]).float() / 255.0, torch.from_numpy(held["labels"][:images])
    targets, place = functional.one_hot(labels.long(), 10).float(), 0
    before = first.get_weights()[0].clone()

    def learn(mini_batches: int) -> int:
        nonlocal place
        for _ in range(mini_batches):
            part = slice(place, place + batch)
            descent.zero_grad()
            (0.5 * ((network(x[part]) - targets[part]) ** 2).sum(dim=1).mean()).backward()
            descent.step()
            place = (place + batch) % len(x)
        return mini_batches * batch

    def accuracy() -> float:
        network.eval()
        with torch.no_grad():
            found = float((network(x).argmax(dim=1) == labels).float().mean())
        network.train()
        return found

    times = until(lambda: accuracy() > 0.75, lambda: learn(max(100, 1000 // batch)), 10)
    moved = float((first.get_weights()[0] - before).abs().mean())
    if not moved > 1e-3:
        raise SystemExit(f"weights of the first layer moved by {moved} alone")
    return f"recognises {accuracy():.1%} of its images after {times * max(100, 1000 // batch)} mini-batches", (
        lambda: learn(100)
    )


class Block(nn.Module):
    """Two normalised convolutions beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first, self.second = normalised(inputs, outputs, 3, stride), normalised(outputs, outputs, 3, 1)
        self.shortcut = nn.Identity() if inputs == outputs else normalised(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.second(torch.relu(self.first(x))) + self.shortcut(x))


def normalised(inputs: int, outputs: int, size: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False), nn.BatchNorm2d(outputs))


def resnet20() -> nn.Module:
    """Return the residual network of the project: three stages of three blocks at 16, 28 and 56 channels."""
    torch.manual_seed(0)
    stages = [(16, 16, 1), (16, 28, 2), (28, 56, 2)]
    blocks = [Block(i if n == 0 else o, o, s if n == 0 else 1) for i, o, s in stages for n in range(3)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(56, 10)]
    return nn.Sequential(normalised(3, 16, 3, 1), nn.ReLU(), *blocks, *head)


def _inference(library: str, bits: int | None, *, training: bool) -> Any:
    """Return hardware-aware training with noise on weights and clipping, or products alone, in terms of a library."""
    configs = importlib.import_module(f"{library}.simulator.configs")
    lightning = library == "aihwkit_lightning"
    config = (configs.TorchInferenceRPUConfig if lightning else configs.InferenceRPUConfig)()
    config.mapping.max_input_size = -1 if lightning else 0
    config.forward.inp_res = -1 if bits is None else CONVERTER
    if lightning:
        config.pre_post.input_range.enable = bits is not None
        config.forward.out_res, config.forward.out_bound = (-1, -1) if bits is None else (CONVERTER, 10.0)
    else:
        config.mapping.max_output_size = 0
        config.forward.is_perfect = bits is None
        config.forward.out_res, config.forward.out_noise, config.forward.w_noise = CONVERTER, 0.0, 0.0
    if training:
        config.modifier.std_dev = NOISE
        if lightning:
            config.modifier.noise_type = configs.WeightNoiseInjectionType.ADD_NORMAL
        else:
            config.modifier.type = configs.WeightModifierType.ADD_NORMAL
        config.clip.type, config.clip.sigma = configs.WeightClipType.LAYER_GAUSSIAN, CLIP
    return config


def _converted(library: str, config: Any) -> Any:
    conversion = importlib.import_module(f"{library}.nn.conversion")
    return conversion.convert_to_analog(resnet20(), config)


def _descent(library: str, network: Any, rate: float) -> Any:
    optim = importlib.import_module(f"{library}.optim")
    if library == "aihwkit_lightning":
        return optim.AnalogOptimizer(torch.optim.SGD, network.analog_layers, network.parameters(), lr=rate)
    descent = optim.AnalogSGD(network.parameters(), lr=rate)
    descent.regroup_param_groups(network)
    return descent


def images(batch: int) -> tuple[Tensor, Tensor]:
    """Return images and labels that are the same everywhere."""
    x = torch.randn(batch, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return x, torch.randint(0, 10, (batch,), generator=torch.Generator().manual_seed(1))


def resnet_training(library: str, bits: int | None, batch: int, rate: float) -> Made:
    """A step of noise-aware training of ResNet-20; a turn is a mini-batch."""
    network, (x, labels) = _converted(library, _inference(library, bits, training=True)), images(batch)
    losses = list[float]()
    descent = _descent(library, network, rate)

    def learn(count: int) -> int:
        descent.zero_grad()
        loss = functional.cross_entropy(network(x[:count]), labels[:count])
        loss.backward()
        descent.step()
        losses.append(float(loss.detach()))
        return count

    learn(16)
    times = until(lambda: losses[-1] < 0.5 * losses[0], lambda: learn(16), 80)
    shown = f"the loss of 16 images falls from {losses[0]:.2f} to {losses[-1]:.2f} in {times} steps"
    for group in descent.param_groups:
        group["lr"] = 1e-4
    return shown, lambda: learn(batch)


def resnet_evaluation(library: str, bits: int | None, batch: int) -> Made:
    """ResNet-20 recognises images; its outputs must stay close to torch's."""
    network, (x, _) = _converted(library, _inference(library, bits, training=False)).eval(), images(batch)

    def recognise() -> int:
        with torch.no_grad():
            network(x)
        return batch

    with torch.no_grad():
        wanted = resnet20().eval()(x)
        error = float((network(x) - wanted).norm() / wanted.norm())
    if not error < 0.7:
        raise SystemExit(f"outputs differ from torch's by {error}")
    return f"outputs differ from torch's by {error:.1%}", recognise


def front(library: str, points: str) -> Made:
    """The front of a table by moocore or paretoset."""
    costs = np.load(points)
    module = importlib.import_module(library)
    work = {"moocore": lambda: module.is_nondominated(costs), "paretoset": lambda: module.paretoset(costs)}[library]

    def find() -> int:
        work()
        return 1

    return f"{int(np.sum(work()))} on the front", find


PATHS: dict[str, Callable[..., Made]] = {
    own.__name__: own for own in (aihwkit_perceptron, resnet_training, resnet_evaluation, front)
}
