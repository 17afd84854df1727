"""What a network of torch modules goes on from after a pause."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from dse.crossbar.analog import analog_layers
from dse.pausing import State, UnlikeStateError, array_of, gathered, hand_out, taken, tensor


class NetworkState:
    """A network: its parameters, buffers and the extra state of its modules, and what its layers count.

    What a module of a network has beside these, it gives as torch's `get_extra_state`, a tensor, or has not.

    Args:
        network: the network, its layers on crossbars.
        in_cells: whether cells hold the weights of these, which then are no part of its state.
    """

    def __init__(self, network: nn.Module, *, in_cells: bool) -> None:
        self._network, self._layers = network, dict(analog_layers(network))
        self._shown = {f"{name}.weight" for name in self._layers} if in_cells else set[str]()

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the state; see `dse.pausing.Pausable`."""
        own = {f"values/{name}": array_of(values) for name, values in self._tensors().items()}
        return {**own, **gathered({"layers": self._layers})}

    def restore(self, state: State) -> None:
        """Go back to a state, in the memory that there is; see `dse.pausing.Pausable`."""
        hand_out({"layers": self._layers}, state)
        values = {name: tensor(taken(state, f"values/{name}")) for name in self._tensors()}
        try:
            self._network.load_state_dict(values, strict=False)
        except RuntimeError as error:
            raise UnlikeStateError(str(error)) from None

    def _tensors(self) -> dict[str, torch.Tensor]:
        return {name: values for name, values in self._network.state_dict().items() if name not in self._shown}
