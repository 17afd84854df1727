"""Products of a matrix with many samples, converters and read noise included."""

from typing import Any

import numpy as np

from dse.kernel.arithmetic import Floats, compiled, fill_normals
from dse.kernel.products import accumulate, add_noise, convert, find, quantise, square, take


@compiled
def products(
    x: Floats, weight: Floats, variance: Floats, dac_step: Any, adc_range: Any, adc_step: Any, noise: Any, y: Floats
) -> None:
    """Set y to ADC(DAC(x) W).

    Args:
        x: inputs in [0, 1], shape (samples, rows).
        weight: shape (rows, cols).
        variance: variance of one read of each weight, shape (rows, cols); empty without noise at the outputs.
        dac_step: step of the input converters; 0 for ideal ones.
        adc_range: range of the output converters.
        adc_step: step of the output converters; 0 for ideal ones.
        noise: key of the stream of reads and number of its first vector, uint64.
        y: receives the products, shape (samples, cols).
    """
    rows, cols = weight.shape
    places, values = np.empty(rows, np.int32), np.empty(rows, np.float32)
    squares, spread, draw = np.empty(rows, np.float32), np.empty(cols, np.float32), np.empty(cols, np.float32)
    for sample in range(x.shape[0]):
        active = find(x[sample], places)
        take(x[sample], places, values, active)
        if dac_step > 0:
            quantise(values, active, dac_step)
        accumulate(y[sample], weight, places, values, active)
        if variance.size > 0:
            square(values, squares, active)
            accumulate(spread, variance, places, squares, active)
            fill_normals(noise[0], (np.int64(noise[1]) + sample) * cols, draw)
            add_noise(y[sample], spread, draw)
        if adc_step > 0:
            convert(y[sample], adc_range, adc_step)


@compiled
def right(y: Floats, labels: Any) -> int:
    """Return how many samples have their largest output, the first of equal ones, at their class."""
    count = 0
    for sample in range(labels.size):
        count += np.argmax(y[sample]) == labels[sample]
    return count
