"""A network from an ONNX file: samples in, its decisions out."""

import logging
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from dse.data.base import SampleInfo
from dse.errors import DataError, SettingError
from dse.files import Content
from dse.networks.onnx.fit import MOST_NUMBERS, Constant, Fit, Wanted, check_samples, constants_of, sizes_of
from dse.networks.onnx.layers import Digital, Layer, Norm
from dse.networks.onnx.program import Compiler, Program
from dse.networks.onnx.read import Model, Port, read_model

_log = logging.getLogger("dse.onnx")
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
Texts = tuple[str, ...]


class Trained(nn.Module):
    """A network from a file.

    Attributes:
        layers: its layers with weights, by the names of their nodes.

    Args:
        program: its graph.
        layers: its layers.
        inputs: the input that takes the samples, and the others.
        fit: how samples become an input.
        others: what other inputs get, by name; those that are not there get zeros.
        decision: which axis of the output is that of the classes, whether there is a threshold, and which.
        file: name of the file, for messages.
    """

    def __init__(
        self,
        program: Program,
        layers: Mapping[str, Layer],
        inputs: tuple[Port, Sequence[Port]],
        fit: Fit,
        others: Mapping[str, Constant],
        decision: "Decision",
        *,
        file: str,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(layers)
        self._program, (self._main, self._ports), self._fit = program, inputs, fit
        self._others, self._decision, self._file = others, decision, file

    def forward(self, samples: Tensor) -> Tensor:
        """Return outputs, shape (samples, places, classes), for samples (samples, channels, height, width)."""
        fit = self._fit
        if fit.layout == "channels last":
            samples = samples.permute(0, 2, 3, 1)
        x = samples.reshape(len(samples), *fit.shape).to(self._main.kind)
        if not fit.stacked:
            outputs = [self._decision.arranged(self._run(sample, 1)).flatten(0, 1) for sample in x]
            return torch.stack(outputs)
        if fit.together is None:
            whole = self._of_each(self._run(x, len(x)), len(x))
        else:
            size = fit.together
            filled_up = [_filled_up(part, size) for part in torch.split(x, size)]
            whole = torch.cat([self._of_each(self._run(part, size), size) for part in filled_up])[: len(x)]
        return self._decision.arranged(whole)

    def _run(self, x: Tensor, count: int) -> Tensor:
        """Return the output for an input that holds some samples."""
        feeds = {self._main.name: x}
        open_sizes = {size: own for size, own in zip(self._main.sizes or (), x.shape, strict=False) if size}
        for port in self._ports:
            feeds[port.name] = self._constant(port, open_sizes, count).to(x.device)
        try:
            (output,) = self._program(self.layers, feeds)
        except DataError as error:
            raise DataError(f"{self._file}: {error}") from error
        if not isinstance(output, Tensor):
            raise DataError(f"{self._file}: the output {self._program.outputs[0]!r} is no tensor; choose another")
        return output.to(torch.float32)

    def _constant(self, port: Port, open_sizes: Mapping[int | str, int], count: int) -> Tensor:
        sizes = [size if isinstance(size, int) else open_sizes.get(size, count) for size in port.sizes or ()]
        return filled(port, self._others.get(port.name), sizes)

    def _of_each(self, output: Tensor, count: int) -> Tensor:
        """Return an output that has one row for each sample.

        Raises:
            DataError: it has not.
        """
        if not output.dim() or output.shape[0] != count:
            raise DataError(
                f"{self._file}: for {count} samples the output has the shape {'x'.join(map(str, output.shape))}, not "
                "one row for each; choose another by network.output, or give whole inputs as samples"
            )
        return output


def _filled_up(x: Tensor, size: int) -> Tensor:
    """Return samples with zeros behind them, as many as an input takes."""
    return x if len(x) == size else torch.cat([x, x.new_zeros(size - len(x), *x.shape[1:])])


class Decision:
    """What an output decides.

    Attributes:
        kind: "auto", "largest" or "threshold".
        threshold: above which an output says yes.
        axis: the axis of the classes, or "auto".
    """

    def __init__(self, kind: str, threshold: float, axis: int | str) -> None:
        self.kind, self.threshold, self.axis = kind, threshold, axis

    def arranged(self, outputs: Tensor) -> Tensor:
        """Return outputs as (samples, places, classes), less the threshold where it decides.

        Raises:
            SettingError: there is no such axis.
        """
        axes = outputs.dim()
        if axes == 1 or (self.kind == "threshold" and self.axis == "auto"):
            return outputs.reshape(len(outputs), -1, 1) - self.threshold
        axis = self.axis if isinstance(self.axis, int) else (1 if axes > 3 else -1)
        if not -axes < axis < axes or axis == 0:
            raise SettingError(f"network.class_axis = {axis} is not allowed; the output has the axes 1 to {axes - 1}")
        whole = outputs.movedim(axis, -1).reshape(len(outputs), -1, outputs.shape[axis])
        by_threshold = self.kind == "threshold" or (self.kind == "auto" and whole.shape[2] == 1)
        return whole.reshape(len(outputs), -1, 1) - self.threshold if by_threshold else whole


def filled(port: Port, constant: Constant | None, sizes: Sequence[int]) -> Tensor:
    """Return what an input gets: a constant, or zeros.

    Raises:
        SettingError: the input cannot hold it.
    """
    shape = list(sizes if constant is None or constant.shape is None else constant.shape)
    if math.prod(shape) > MOST_NUMBERS:
        raise SettingError(
            f"the input {port.name!r} would hold {'x'.join(map(str, shape))} numbers; at most {MOST_NUMBERS} can be"
        )
    value = 0.0 if constant is None else constant.value
    try:
        own = torch.tensor(value, dtype=port.kind)
    except (RuntimeError, ValueError, TypeError, OverflowError) as error:
        raise _cannot_hold(port, value) from error
    exact = own.to(torch.float64)
    if not exact.isfinite().all() or (
        port.kind not in FLOATS and (exact != torch.tensor(value, dtype=torch.float64)).any()
    ):
        raise _cannot_hold(port, value)
    return own if isinstance(value, list) else own.expand(shape).clone()


def _cannot_hold(port: Port, value: Any) -> SettingError:
    kind = str(port.kind).removeprefix("torch.")
    text = str(value) if len(str(value)) < 40 else f"{str(value)[:36]} ..."
    return SettingError(f"network.constants: the input {port.name!r} holds {kind}, which {text} is not; give another")


@lru_cache(maxsize=2)
def _compiled(
    content: bytes, file: str, names: tuple[str, str], constants: Texts, sizes: Texts
) -> tuple[Program, dict[str, Layer], Port, tuple[Port, ...]]:
    """Return a network ready to run, its layers, the input of the samples and the other inputs that have to be fed."""
    model = read_model(content, file)
    try:
        others, named = constants_of(constants), sizes_of(sizes)
    except ValueError as error:
        raise SettingError(str(error)) from None
    main, output = _chosen(model, *names, file)
    _check_sizes(named, model)
    ports = [_sized(port, named) for port in model.inputs if port.name != main.name]
    _check_others(ports, others, main, file)
    known: dict[str, Tensor] = {}
    for port in ports:
        whole = _whole(port, others)
        if whole is not None:
            known[port.name] = filled(port, others.get(port.name), whole)
    compiler = Compiler(file)
    program = compiler.program(model.graph, known, outputs=(output.name,))
    return program, compiler.layers, main, tuple(port for port in ports if port.name not in known)


def _check_sizes(named: Mapping[str, int], model: Model) -> None:
    """Check that sizes are those of axes that the file leaves open under these names.

    Raises:
        SettingError: there is no such name.
    """
    known = {size for port in model.inputs for size in port.sizes or () if isinstance(size, str) and size}
    for name in named:
        if name not in known:
            there = ", ".join(map(repr, sorted(known))) or "none"
            raise SettingError(f"network.sizes names {name!r}, and the file leaves open {there}")


def _sized(port: Port, named: Mapping[str, int]) -> Port:
    """Return an input with the sizes that are given by name."""
    sizes = port.sizes and tuple(named.get(size, size) if isinstance(size, str) else size for size in port.sizes)
    return Port(port.name, port.kind, sizes)


def _whole(port: Port, others: Mapping[str, Constant]) -> list[int] | None:
    """Return the sizes of an input that are known before it is fed; None where some are not."""
    constant = others.get(port.name)
    if constant is not None and (constant.shape is not None or isinstance(constant.value, list)):
        return list(constant.shape or ())
    sizes = [size for size in port.sizes or () if isinstance(size, int)]
    return sizes if port.sizes is not None and len(sizes) == len(port.sizes) else None


def _chosen(model: Model, input_: str, output: str, file: str) -> tuple[Port, Port]:
    """Return the input that takes the samples and the output that is looked at.

    Raises:
        SettingError: there is none of that name, or it holds no numbers.
    """
    found: list[Port] = []
    for what, name, ports in (("input", input_, model.inputs), ("output", output, model.outputs)):
        port = next((own for own in ports if name in ("", own.name)), None)
        if port is None:
            known = ", ".join(f"{own.name!r} ({own.shape})" for own in ports) or "none"
            asked = f"there is no {what} {name!r}" if name else f"there is no {what}"
            raise SettingError(f"{file}: {asked}; network.{what} is one of {known}")
        if port.kind is None and what == "input":
            raise SettingError(f"{file}: the {what} {port.name!r} is no tensor of numbers; choose another")
        found.append(port)
    if found[0].sizes is None:
        raise SettingError(
            f"{file}: the input {found[0].name!r} does not even say how many axes it has; export it with a shape"
        )
    return found[0], found[1]


def _check_others(ports: Sequence[Port], others: Mapping[str, Constant], main: Port, file: str) -> None:
    """Check that other inputs have what they need.

    Raises:
        SettingError: a constant is for no input, or an input that has to be given is not.
    """
    names = [port.name for port in ports]
    for name in others:
        if name not in names:
            hint = "its samples come from the workload; network.input chooses another" if name == main.name else ""
            known = hint or f"there is no other input of that name; there are {', '.join(names) or 'none'}"
            raise SettingError(f"network.constants names {name!r}, and {known}")
    for port in ports:
        if port.name not in others and port.kind not in FLOATS:
            raise SettingError(
                f"{file} has another input {port.name!r} ({port.shape}) of whole numbers, for which zeros may mean "
                f'anything; give it: network.constants = ["{port.name} = ..."]'
            )
        if port.sizes is None and (port.name not in others or others[port.name].shape is None):
            raise SettingError(
                f"{file} has another input {port.name!r} of any shape; give it with one: network.constants = "
                f'["{port.name} = 0.0 of 2x1x128"]'
            )


def look(content: Content, wanted: Wanted) -> dict[str, Any]:
    """Return what a design must know of a file; see `dse.networks.onnx.spec.OnnxFacts`.

    Raises:
        DataError: it is no ONNX file, or damaged.
        SettingError: it says what is not supported, or a setting does not fit it.
    """
    program, layers, main, _ = _ready(content, wanted)
    digital = {name: own.reason for name, own in layers.items() if isinstance(own, Digital)}
    norms = sum(isinstance(own, Norm) for own in layers.values())
    on_crossbars = len(layers) - len(digital) - norms
    if not on_crossbars:
        raise SettingError(
            f"{content.name}: no layer goes on crossbars; products with weights, convolutions without groups and "
            "recurrent units do, in floats"
        )
    for reason in dict.fromkeys(digital.values()):
        names = [name for name, own in digital.items() if own == reason]
        _log.warning("%s: stays digital: %s: %s", content.name, ", ".join(names), reason)
    return {
        "input": main.name,
        "sizes": main.sizes,
        "output": program.outputs[0],
        "layers": on_crossbars,
        "digital": tuple(digital),
        "batch_norms": norms,
    }


def _bytes(content: Content) -> bytes:
    if "" not in content.parts:
        raise DataError(f"{content.name} is a folder; give an ONNX file")
    return content.read()[""]


def _ready(content: Content, wanted: Wanted) -> tuple[Program, dict[str, Layer], Port, tuple[Port, ...]]:
    names = wanted.input, wanted.output
    return _compiled(_bytes(content), content.name, names, wanted.constants, wanted.sizes)


def built(content: Content, wanted: Wanted, info: SampleInfo) -> Trained:
    """Return the network of a file, for some samples."""
    program, layers, main, ports = _ready(content, wanted)
    names = {port.name for port in ports}
    others = {name: own for name, own in constants_of(wanted.constants).items() if name in names}
    fit = check_samples(main.sizes or (), sizes_of(wanted.sizes), info.shape, info.given, content.name)
    decision = Decision(wanted.decision, wanted.threshold, wanted.class_axis)
    return Trained(program, layers, (main, ports), fit, others, decision, file=content.name)
