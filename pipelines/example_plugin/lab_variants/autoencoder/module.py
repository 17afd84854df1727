"""An autoencoder: its modules."""

from torch import nn

from dse.networks.parts import started


def autoencoder(pixels: int, code: int, *, seed: int) -> nn.Module:
    """Return the network with initial weights."""
    return started(
        lambda: nn.Sequential(nn.Linear(pixels, code), nn.Sigmoid(), nn.Linear(code, pixels)),
        seed=seed,
    )
