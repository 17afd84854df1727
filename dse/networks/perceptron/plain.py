"""Training of a multilayer perceptron on half the squared error, on any kind of layer.

    forward   y_l = f(x_l W_l),  x_(l+1) = [y_l, 1]        f the logistic function; none at outputs that are numbers
    backward  d_L = (y_L - target) f',   d_l = (d_(l+1) W_(l+1)^T) f'
    update    W_l <- W_l - learning_rate * mean over the mini-batch of x_l^T d_l

`PlainRun` is the plain path: every step is a few tensor operations that read like the formulas. The compiled path
(`dse.updates.fast`) is its twin and gives the same result to the last bit.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dse.data.images import Split
from dse.kernel.arithmetic import Floats, ordered_sum, sigmoid
from dse.pausing import State, gathered, hand_out
from dse.updates.fast import Lessons
from dse.updates.layers import CrossbarLayer, Layer
from dse.updates.pace import Interval, Pace

EVALUATION_BATCH = 1000


class Run(Protocol):
    """A way to learn."""

    def learn(self, order: Tensor, seen: int) -> float:
        """Learn images in an order (int64 indices), having seen some; return the sum of half the squared errors."""
        ...

    def outputs(self, split: Split, now_s: float) -> Floats:
        """Return the outputs for samples at a time, with fresh read noise for every one, shape (samples, outputs)."""
        ...

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what is not in the layers; see `dse.pausing.Pausable`."""
        ...

    def restore(self, state: State, /) -> None:
        """Go on from a state, once the layers are restored; see `dse.pausing.Pausable`."""
        ...


class PlainRun:
    """The plain path; `fast.runner` is its compiled twin."""

    def __init__(self, layers: Sequence[Layer], lessons: Lessons, batch_size: int, pace: Pace) -> None:
        self._layers, self._batch_size, self._pace, self._lessons = layers, batch_size, pace, lessons
        self._refresh, self._calibration = Interval(pace.maintain_every), Interval(pace.calibrate_every)

    def learn(self, order: Tensor, seen: int) -> float:
        """Learn images in mini-batches, the last of which may be smaller; see `Run`."""
        loss = 0.0
        for chosen in torch.split(order, self._batch_size):
            x, target = self._lessons.split.floats(chosen), self._lessons.targets[chosen]
            loss += self._step(_with_bias(x), target, seen)
            seen += len(chosen)
            self._maintain(seen, len(chosen))
        return loss

    def outputs(self, split: Split, now_s: float) -> Floats:
        """Return the outputs for samples; see `Run`."""
        for layer in self._layers:
            layer.sense(now_s)
        parts = torch.split(torch.arange(len(split)), EVALUATION_BATCH)
        found = [self._forward(_with_bias(split.floats(chosen)), training=False)[-1] for chosen in parts]
        return torch.cat(found).numpy()

    def _parts(self) -> dict[str, Any]:
        return {"refresh": self._refresh, "calibration": self._calibration}

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the samples since refresh and calibration; see `Run`."""
        return gathered(self._parts())

    def restore(self, state: State) -> None:
        """Go back to a state; see `Run`. Layers are sensed before they are used."""
        hand_out(self._parts(), state)

    def _maintain(self, seen: int, samples: int) -> None:
        """Transfer between pairs, refresh and calibrate where it is time."""
        for layer in self._layers:
            if isinstance(layer, CrossbarLayer):
                layer.let_pass(samples, seen * self._pace.sample_time_s)
        if self._refresh.is_due(samples):
            for layer in self._layers:
                layer.maintain(seen * self._pace.sample_time_s)
        if self._calibration.is_due(samples):
            for layer in self._layers:
                layer.calibrate()

    def _step(self, x: Tensor, target: Tensor, seen: int) -> float:
        """Learn one mini-batch and return the sum over its images of half the squared error."""
        layers, pace = self._layers, self._pace
        for layer in layers:
            layer.sense(seen // pace.drift_every * pace.drift_every * pace.sample_time_s)
        signals = self._forward(x, training=True)
        output = signals[-1]
        d = output - target if self._lessons.linear else (output - target) * output * (1 - output)
        errors = [d]
        for layer, signal in zip(reversed(layers[1:]), reversed(signals[1:-1]), strict=True):
            y = signal[:, :-1]
            d = layer.backward(d) * y * (1 - y)
            errors.append(d)
        for layer, signal, error in zip(layers, signals, reversed(errors), strict=False):
            layer.events.activations += error.numel()
            layer.update(signal, error, pace.learning_rate, seen * pace.sample_time_s)
        squares = ((output - target) ** 2).numpy()
        return 0.5 * ordered_sum(np.array([ordered_sum(sample) for sample in squares]))

    def _forward(self, x: Tensor, *, training: bool) -> list[Tensor]:
        """Return the input of every layer (bias appended) and, last, the output of the network."""
        signals = [x]
        for layer in self._layers[:-1]:
            signals.append(_with_bias(_sigmoid(layer.forward(signals[-1], training=training))))
        output = self._layers[-1].forward(signals[-1], training=training)
        return [*signals, output if self._lessons.linear else _sigmoid(output)]


def _sigmoid(x: Tensor) -> Tensor:
    return torch.from_numpy(sigmoid(x.numpy()))


def _with_bias(x: Tensor) -> Tensor:
    return torch.cat([x, torch.ones(x.shape[0], 1)], dim=1)
