"""Any torch module learns on pairs of cells: an optimiser keeps parameters in cells and moves them by whole pulses.

    descent = MixedPrecisionSgd(network, hardware, lr=0.1, seed=1)
    loss(network(x), target).backward()
    descent.step(samples=len(x))

Each weight of two or more dimensions becomes an array of differential pairs with an accumulator chi: its values are
the weights (G+ - G-) / beta, which torch's own products see, and its gradient goes into chi, leaves as SET pulses and
touches only the cells where a pulse falls. Other parameters (biases, normalisation) are digital. An optimiser may stand
between gradients and chi, and another one moves the digital parameters; both are plain descent by default. Converters
and the noise of products do not act here; reads for refresh have their noise.
"""

import warnings
from collections.abc import Callable, Iterable
from typing import Any, NoReturn, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.graph import increment_version
from torch.optim import Optimizer

from dse.errors import SettingError
from dse.pausing import State, UnlikeStateError, by_number, gathered, hand_out, taken
from dse.updates import accelerated
from dse.updates.engines import engine_of
from dse.updates.layers import CrossbarLayer, Hardware
from dse.updates.optimisers import AbstractOptimiser, Sgd
from dse.updates.optimisers.memory import Memory
from dse.updates.pace import Pace

PLAIN = Sgd()
"""Plain descent."""
Choose = Callable[[str, Tensor], Hardware | None]
"""(name of a parameter, its values) -> the hardware that holds it, or None for a digital one."""


class CrossbarParameter:
    """A parameter on differential pairs; its tensor shows the weights that products see.

    Attributes:
        name: its name in the module.
        layer: pairs, accumulator, events; brought up to date by `write_back`. Rows are the first dimension of the
            parameter, columns all others.

    Args:
        name: its name.
        parameter: float32, two or more dimensions; it starts in the pairs within their window. PCM is where it is, all
            else is on the CPU: where it is elsewhere, or its memory has another order, it shows a copy.
        hardware: cell, array, accumulator, refresh.
        pace: learning rate and time.
        seed: seed of the random streams.
        compiled: take compiled code where there is some; the result is the same.
        number: number of the parameter, which separates its streams from those of the others.
        optimiser: what turns its gradients into what enters chi.
    """

    def __init__(
        self,
        name: str,
        parameter: Tensor,
        hardware: Hardware,
        pace: Pace,
        *,
        seed: int,
        number: int,
        compiled: bool = True,
        optimiser: AbstractOptimiser = PLAIN,
    ) -> None:
        if parameter.dtype != torch.float32:
            raise SettingError(f"parameter {name} is {parameter.dtype}; pairs hold float32")
        if hardware.accumulator.operand_bits != "float":
            raise SettingError(
                f"accumulator.operand_bits = {hardware.accumulator.operand_bits} cannot act on parameter {name}: its "
                'gradient is formed by torch in floats; give "float"'
            )
        rows = parameter.shape[0]
        self.name, self._parameter = name, parameter
        inputs = parameter.numel() // rows
        self.layer = CrossbarLayer(rows, inputs, hardware, seed=seed, layer=number, inputs_first=False)
        # Compiled code and kernels write into the memory of the parameter where they can, else into a copy.
        stays = compiled and accelerated.takes(self.layer, parameter)
        self._held = (parameter.detach() if stays else parameter.detach().cpu()).contiguous()
        weight = self._held.view(rows, -1)
        beyond = self.layer.array.start_from(weight.cpu(), hardware.array.initial_mean_us)
        if beyond > 0.0:
            warnings.warn(
                f"parameter {name}: {100 * beyond:.2g} % of the weights exceed what a pair can hold and start at its "
                "limit; lower array.conductance_per_weight_us, or array.conductance_per_std_us of a network",
                stacklevel=3,
            )
        self._memory = Memory(optimiser, weight)
        self._address = parameter.data_ptr()
        self._engine = engine_of(self.layer, weight, pace, compiled=compiled)
        self._note_change()

    def _note_change(self) -> None:
        """Show the weights in the parameter, tell autograd that it changed, and remember its version."""
        if self._held.data_ptr() == self._address:
            increment_version(self._parameter)
        else:
            with torch.no_grad():
                self._parameter.copy_(self._held)
        self._version = self._parameter._version  # noqa: SLF001  torch has no other name for it

    def step(self, learning_rate: float, seen: int, samples: int) -> None:
        """Learn from the gradient.

        Raises:
            DivergedError: an update left the range of numbers.
            SettingError: the module was moved or copied after the optimiser was made.
        """
        if self._parameter.data_ptr() != self._address:
            raise SettingError(f"parameter {self.name} has moved in memory; make the optimiser after moving the module")
        if self._parameter._version != self._version:  # noqa: SLF001
            raise SettingError(
                f"parameter {self.name} was changed by others than this optimiser, and its cells do not follow; load "
                "values before making the optimiser, or load the state of the optimiser too"
            )
        gradient = self._parameter.grad
        if gradient is None:
            self._engine.wait(seen, samples)
        else:
            flat = gradient.detach().to(self._held.device, torch.float32).contiguous().view(self.layer.rows, -1)
            words = self._memory.optimiser.words * flat.numel()
            self.layer.events.weight_reads += words
            self.layer.events.weight_writes += words
            self._engine.step(self._memory.direction(flat), learning_rate, seen, samples)
        self._note_change()

    def write_back(self) -> None:
        """Bring accumulators, events and `sensed` of `layer` up to date; its cells always are on a CPU."""
        self._engine.write_back()

    def read_variance(self) -> Tensor | None:
        """Return the variance of one read of each weight now, of the shape of the parameter; None for quiet reads."""
        variance = self._engine.read_variance()
        return None if variance is None else variance.view(self._parameter.shape)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return everything that training changes; see `dse.pausing.Pausable`."""
        return {**self._engine.state(), **gathered({"memory": self._memory})}

    def restore(self, state: State) -> None:
        """Go back to a state, compiled or not, and show its weights; see `dse.pausing.Pausable`."""
        self._engine.restore(state)
        hand_out({"memory": self._memory}, state)
        self._note_change()


class MixedPrecisionSgd(Optimizer):
    """Gradient descent of any torch module on pairs of cells with an accumulator each (Nandakumar et al. 2020).

    Schedulers of the learning rate work as with other optimisers. An accumulator word is counted as read, added to and
    written once a step.

    Args:
        module: the network.
        hardware: of every weight of two or more dimensions; or a function of name and values that returns the hardware
            of a parameter, None for a digital one. Layers differ in the range of their weights, and
            `ArraySpec.conductance_per_weight_us` should follow it.
        lr: learning rate.
        seed: seed of the random streams.
        sample_time_s: simulated time of one sample, s.
        drift_every: samples between two evaluations of the drift.
        optimiser: what turns gradients into what enters the accumulators, such as `Sgd(momentum=0.9)`.
        digital: the same for digital parameters.
        digital_share: learning rate of digital parameters in units of that of the others, when the optimiser is made.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        hardware: Hardware | Choose,
        *,
        lr: float,
        seed: int,
        sample_time_s: float = 0.01,
        drift_every: int = 1000,
        optimiser: AbstractOptimiser = PLAIN,
        digital: AbstractOptimiser = PLAIN,
        digital_share: float = 1.0,
    ) -> None:
        choose: Choose = _on_matrices(hardware) if isinstance(hardware, Hardware) else hardware
        self.parameters_on_crossbars: list[CrossbarParameter] = []
        others: list[Tensor] = []
        analog: list[Tensor] = []
        for number, (name, parameter) in enumerate(module.named_parameters()):
            own = choose(name, parameter.detach()) if parameter.requires_grad else None
            if own is None:
                others.append(parameter)
                continue
            pace = Pace(lr, sample_time_s, drift_every, own.refresh.every_samples)
            held = CrossbarParameter(name, parameter, own, pace, seed=seed, number=number, optimiser=optimiser)
            self.parameters_on_crossbars.append(held)
            analog.append(parameter)
        if not analog:
            raise SettingError(
                "no parameter of the module goes on crossbars; give it a weight of two or more dimensions"
            )
        own_groups = [{"params": others, "lr": lr * digital_share}] if others else []
        groups: Iterable[dict[str, Any]] = [{"params": analog}, *own_groups]
        self._seen = 0
        self._digital, self._memories = digital, list[Memory]()
        super().__init__(groups, {"lr": lr})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add digital parameters, as for other optimisers; those on crossbars are chosen when the optimiser is made."""
        super().add_param_group(param_group)
        if len(self.param_groups) > 1:
            self._memories += [Memory(self._digital, own) for own in self.param_groups[-1]["params"]]

    @overload
    def step(self, closure: None = None, *, samples: int = 1) -> None: ...
    @overload
    def step(self, closure: Callable[[], float], *, samples: int = 1) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None, *, samples: int = 1) -> float | None:
        """Learn from the gradients of all parameters.

        Args:
            closure: as for other optimisers.
            samples: samples of the mini-batch, by which simulated time and refresh go.

        Raises:
            DivergedError: an update left the range of numbers.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        analog, *digital = self.param_groups
        for parameter in self.parameters_on_crossbars:
            parameter.step(float(analog["lr"]), self._seen, samples)
        memories = iter(self._memories)
        for group in digital:
            for parameter, memory in zip(group["params"], memories, strict=False):
                if parameter.grad is not None:
                    parameter.add_(memory.direction(parameter.grad), alpha=-float(group["lr"]))
        self._seen += samples
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Return the state as other optimisers do, with cells, accumulators, wear and simulated time."""
        saved = {
            parameter.name: {name: torch.from_numpy(array) for name, array in parameter.state().items()}
            for parameter in self.parameters_on_crossbars
        }
        memories = [{name: torch.from_numpy(a) for name, a in own.state().items()} for own in self._memories]
        return {**super().state_dict(), "crossbars": saved, "digital": memories, "seen": self._seen}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go back to a state that `state_dict` returned; the parameters on crossbars follow.

        Raises:
            SettingError: it is that of another module, hardware or seed.
        """
        saved = state_dict.get("crossbars")
        own = [parameter.name for parameter in self.parameters_on_crossbars]
        if saved is None or list(saved) != own:
            raise SettingError(f"the state has crossbars {list(saved or ())}; this optimiser has {own}")
        words = state_dict.get("digital", [])
        if len(words) != len(self._memories):
            raise SettingError(
                f"the state has {len(words)} digital parameters; this optimiser has {len(self._memories)}. Load one "
                "that was saved in this version, of the same module"
            )
        extra = ("crossbars", "digital", "seen")
        super().load_state_dict({key: value for key, value in state_dict.items() if key not in extra})
        for number, (memory, state) in enumerate(zip(self._memories, words, strict=True)):
            _restore(f"digital parameter {number}", memory, state)
        for parameter in self.parameters_on_crossbars:
            _restore(f"parameter {parameter.name}", parameter, saved[parameter.name])
        self._seen = int(state_dict["seen"])

    def pause(self) -> dict[str, NDArray[Any]]:
        """Return the state of what is on crossbars, and the samples seen; see `dse.pausing.Pausable`.

        `state` of an optimiser is something else.
        """
        return {"seen": np.array(self._seen), **gathered(self._parts())}

    def go_on(self, state: State) -> None:
        """Go back to what `pause` returned."""
        self._seen = int(taken(state, "seen", ()))
        hand_out(self._parts(), state)

    def _parts(self) -> dict[str, Any]:
        crossbars = {parameter.name: parameter for parameter in self.parameters_on_crossbars}
        return {"crossbars": crossbars, "digital": by_number(self._memories)}

    def __deepcopy__(self, memo: dict[int, Any]) -> NoReturn:
        """Refuse: a copy would move cells whose weights the module of the original shows."""
        raise SettingError(
            "an optimiser of crossbars cannot be copied; make another one and load the state of this one"
        )

    def write_back(self) -> None:
        """Bring accumulators and events of all `parameters_on_crossbars` up to date."""
        for parameter in self.parameters_on_crossbars:
            parameter.write_back()


def _restore(name: str, part: CrossbarParameter | Memory, saved: dict[str, Tensor]) -> None:
    try:
        part.restore({key: tensor.numpy() for key, tensor in saved.items()})
    except UnlikeStateError as error:
        raise SettingError(
            f"{name}: the saved state is of another optimiser, or of another shape, hardware or seed: {error}"
        ) from None


def _on_matrices(hardware: Hardware) -> Choose:
    return lambda _, values: hardware if values.dim() >= 2 else None
