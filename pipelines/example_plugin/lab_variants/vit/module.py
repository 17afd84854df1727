"""A small vision transformer: its modules. Attention, normalisation and positions are digital."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from dse.data.base import ImageInfo
from dse.networks.parts import started
from dse.streams import stream


class Block(nn.Module):
    """Self-attention with one head and two linear layers; each normalises its input and is added to it."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(features), nn.LayerNorm(features)])
        self.query, self.key, self.value = (nn.Linear(features, features) for _ in range(3))
        self.mlp = nn.Sequential(nn.Linear(features, 2 * features), nn.GELU(), nn.Linear(2 * features, features))

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens of the same shape, (samples, tokens, features)."""
        y = self.norms[0](x)
        x = x + functional.scaled_dot_product_attention(self.query(y), self.key(y), self.value(y))
        return x + self.mlp(self.norms[1](x))


class VisionTransformer(nn.Module):
    """Patches as tokens with positions, blocks, the mean over the tokens, a linear layer."""

    def __init__(self, info: ImageInfo, *, features: int, patch: int, depth: int) -> None:
        super().__init__()
        channels, height, width = info.shape
        self.patches = nn.Conv2d(channels, features, patch, patch)
        # In one dimension, as biases are: a matrix that is no layer would be reported as left digital.
        self.positions = nn.Parameter(torch.zeros((height // patch) * (width // patch) * features))
        self.blocks = nn.Sequential(*(Block(features) for _ in range(depth)))
        self.read_out = nn.Linear(features, info.classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return a logit for each class, shape (samples, classes), for images (samples, channels, height, width)."""
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        tokens = tokens + self.positions.view(tokens.shape[1:])
        return self.read_out(self.blocks(tokens).mean(dim=1))


def vit(info: ImageInfo, *, features: int, patch: int, depth: int, seed: int) -> VisionTransformer:
    """Return the network with initial weights, all of them from streams of the seed."""
    network = started(lambda: VisionTransformer(info, features=features, patch=patch, depth=depth), seed=seed)
    positions = network.positions
    positions.data = 0.02 * stream(seed, "initial positions").next_normal(positions.numel())[0]
    return network
