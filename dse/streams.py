"""Random streams: one per purpose, derived from the seed and named by what it is for.

A stream depends on its name alone, so that switching one source of noise on or off shifts no other, and a trial
replays bit for bit wherever it runs.
"""

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def derived_seed(seed: int, *purpose: str | int) -> int:
    """Return a 63-bit seed for a purpose, the same on every machine.

    Args:
        seed: the seed of the trial or of the study.
        purpose: what the stream is for, such as ("write noise", 0).
    """
    text = "\x1f".join([str(seed), *map(str, purpose)])
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(seed: int, *purpose: str | int) -> "torch.Generator":
    """Return a torch generator on the CPU for a purpose; see `derived_seed`."""
    import torch  # noqa: PLC0415  torch takes seconds to import and the command line does without

    return torch.Generator().manual_seed(derived_seed(seed, *purpose))
