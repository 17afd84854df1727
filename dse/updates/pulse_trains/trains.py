"""Pulses of updates: trains that meet in the cells, and gradients rounded to whole pulses.

Rows and columns of an array are driven by random trains of `longest` slots, and a cell takes a pulse in every slot in
which both its lines have one (Gokmen and Vlasov, Front. Neurosci. 10:333, 2016). With x_i the inputs, d_j the errors
and k the pulses that a product of 1 is worth,

    P(row i has a pulse)     p_i = sqrt(k / longest) * |x_i| * m
    P(column j has a pulse)  q_j = sqrt(k / longest) * |d_j| / m        m = sqrt(max |d| / max |x|)

so that the mean of the pulses is k |x_i d_j|, with the sign of -x_i d_j, where neither probability exceeds 1; beyond,
what is wanted is lost. m makes the largest of both equal ("update management", Gokmen, Onen and Haensch, Front.
Neurosci. 11:538, 2017).

Torch modules give the gradient of a mini-batch and no vectors: it is rounded, at random, to the next whole number of
pulses below or above. The mean is the same, the variance smaller.
"""

import math

import torch
from torch import Tensor

from dse.errors import DivergedError
from dse.streams import Stream


def meeting(x: Tensor, d: Tensor, pulses_per_product: float, longest: int, draws: Stream) -> Tensor:
    """Return the pulses of one sample by trains that meet.

    Args:
        x: inputs, shape (rows,).
        d: errors, shape (cols,).
        pulses_per_product: pulses that x_i d_j = 1 is worth.
        longest: slots of a train.
        draws: stream of the trains.

    Returns:
        Signed pulses with the sign of -x_i d_j, int64, shape (rows, cols).

    Raises:
        DivergedError: an error or an input is not finite.
    """
    rows, cols = len(x), len(d)
    draw = draws.next_uniform(longest * (rows + cols)).reshape(longest, rows + cols)
    height, size = x.abs(), d.abs()
    largest = float(height.max()), float(size.max())
    if not all(map(math.isfinite, largest)):
        raise DivergedError("an update is no longer finite")
    if min(largest) <= 0.0:
        return torch.zeros(rows, cols, dtype=torch.int64)
    gain, balance = math.sqrt(pulses_per_product / longest), math.sqrt(largest[1] / largest[0])
    on_rows = (draw[:, :rows] < height * (gain * balance)).to(torch.float32)
    on_columns = (draw[:, rows:] < size * (gain / balance)).to(torch.float32)
    # Sums of zeros and ones are exact in any order.
    return (on_rows.T @ on_columns * (x.sign()[:, None] * -d.sign())).to(torch.int64)


def rounded(wanted: Tensor, draws: Stream, *, longest: int) -> Tensor:
    """Return wanted pulses as whole numbers whose mean they are.

    Args:
        wanted: signed pulses, any shape.
        draws: stream of the rounding.
        longest: most pulses of a cell.
    """
    draw = draws.next_uniform(wanted.numel()).reshape(wanted.shape)
    return (wanted + draw).floor().clamp(-longest, longest).to(torch.int64)
