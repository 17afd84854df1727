"""The loop over mini-batches, and the recognition of images; the twin of `dse.training.loop.PlainRun`."""

from typing import Any

import numpy as np

from dse.compiled import Floats, borrowed, compiled, f32, sigmoid_of
from dse.training.kernel.cells import age, refresh
from dse.training.kernel.chi import list_by_row, update
from dse.training.kernel.products import accumulate, backward, backward_float, forward, forward_float
from dse.training.kernel.state import (
    ACTIVATIONS,
    DONE,
    PERIOD,
    SINCE_CALIBRATION,
    SINCE_REFRESH,
    Buffers,
    Ints,
    Knobs,
    State,
)


@compiled
def activate(y: Floats) -> None:
    """Apply the logistic function in place."""
    for j in range(y.size):
        y[j] = sigmoid_of(y[j])


@compiled
def output_error(y: Floats, d: Floats, label: int) -> float:
    """Set the error of the output units for a class, and return the sum of their squared distances to it."""
    squares = 0.0
    for j in range(y.size):
        difference = y[j] - (f32(1.0) if j == label else f32(0.0))
        d[j] = difference * y[j] * (f32(1.0) - y[j])
        squares += f32(difference * difference)
    return squares


@compiled
def error_below(errors: Floats, y: Floats, d: Floats) -> None:
    """Set the error of hidden units from what came back through the layer above."""
    for i in range(d.size):
        d[i] = errors[i] * y[i] * (f32(1.0) - y[i])


@compiled
def calibrate(s: State, k: Knobs) -> None:
    """Set the ranges of the output converters; see `PairArray.calibrate`."""
    for way in range(2):
        bits = k.adc_bits if way == 0 else k.adc_back_bits
        if s.peaks[way] > f32(0.0):
            limit = k.headroom * np.float64(s.peaks[way])
            s.ranges[2 * way] = limit
            s.ranges[2 * way + 1] = limit / (2 ** (bits - 1) - 1) if bits > 0 else 1.0
        s.peaks[way] = f32(0.0)


@compiled
def maintain(states: Any, k: Knobs, seen: int, samples: int, image_time_s: float, clock: Ints) -> None:
    """Refresh and calibrate where it is time."""
    clock[SINCE_REFRESH] += samples
    clock[SINCE_CALIBRATION] += samples
    if k.refresh_every > 0 and clock[SINCE_REFRESH] >= k.refresh_every:
        clock[SINCE_REFRESH] = 0
        for number in range(len(states)):
            refresh(states[number], k, f32(seen * image_time_s))
    if k.calibrated and clock[SINCE_CALIBRATION] >= k.calibrate_every:
        clock[SINCE_CALIBRATION] = 0
        for number in range(len(states)):
            calibrate(states[number], k)


@compiled
def learn(
    states: Any,
    k: Knobs,
    buffers: Any,
    images: Floats,
    labels: Ints,
    batch: int,
    seen: int,
    image_time_s: float,
    drift_every: int,
    clock: Ints,
) -> tuple[int, float]:
    """Learn images in mini-batches; see `PlainRun`.

    Args:
        states: a `State` for each layer.
        k: what they share.
        buffers: `Buffers` for each layer.
        images: images in the order of learning, shape (images, pixels).
        labels: their classes.
        batch: images of a mini-batch; the last may be smaller.
        seen: images learned before.
        image_time_s: simulated time of one image, s.
        drift_every: images between two evaluations of the drift.
        clock: where the run stands; see `state`.

    Returns:
        DONE, DIVERGED or TOO_MANY_PULSES, and the sum of half the squared errors.
    """
    states, buffers = borrowed(states), borrowed(buffers)
    layers, loss = len(states), 0.0
    for start in range(0, labels.size, batch):
        samples = min(batch, labels.size - start)
        period = seen // drift_every
        if clock[PERIOD] < 0 or (k.drifts and period != clock[PERIOD]):
            for number in range(layers):
                age(states[number], k, f32(period * drift_every * image_time_s))
        clock[PERIOD] = period
        squares = 0.0
        for number in range(layers):
            states[number].drive[2:] = 0.0
        for sample in range(samples):
            buffers[0].x[sample, :-1] = images[start + sample]
            for number in range(layers):
                forward(states[number], k, buffers[number], sample, True)
                activate(buffers[number].y[sample])
                if number + 1 < layers:
                    buffers[number + 1].x[sample, :-1] = buffers[number].y[sample]
            last = buffers[layers - 1]
            squares += output_error(last.y[sample], last.d[sample], labels[start + sample])
        loss += 0.5 * squares
        for number in range(layers - 1, 0, -1):
            b, below = buffers[number], buffers[number - 1]
            for sample in range(samples):
                backward(states[number], k, b, sample)
                error_below(b.errors, below.y[sample], below.d[sample])
        for number in range(layers):
            s, b = states[number], buffers[number]
            s.counts[ACTIVATIONS] += samples * b.y.shape[1]
            s.drive[0] += s.drive[2]
            s.drive[1] += s.drive[3]
            status = update(s, k, b, samples, f32(seen * image_time_s))
            if status != DONE:
                return status, loss
        seen += samples
        maintain(states, k, seen, samples, image_time_s, clock)
    return DONE, loss


@compiled
def learn_floats(
    weights: Any,
    transposed: Any,
    buffers: Any,
    images: Floats,
    labels: Ints,
    batch: int,
    learning_rate: float,
    products: Ints,
) -> float:
    """Learn images in mini-batches in digital floats, and return the sum of half the squared errors.

    Args:
        weights: matrices of the layers, shape (rows, cols).
        transposed: their transposes without the bias row, shape (cols, rows - 1); not kept for the first layer.
        buffers: as for `learn`.
        images: as for `learn`.
        labels: as for `learn`.
        batch: as for `learn`.
        learning_rate: the learning rate.
        products: for each layer, count of the products of its updates; added to.
    """
    weights, transposed, buffers = borrowed(weights), borrowed(transposed), borrowed(buffers)
    layers, loss = len(weights), 0.0
    for start in range(0, labels.size, batch):
        samples = min(batch, labels.size - start)
        squares = 0.0
        for sample in range(samples):
            buffers[0].x[sample, :-1] = images[start + sample]
            for number in range(layers):
                forward_float(weights[number], buffers[number], sample)
                activate(buffers[number].y[sample])
                if number + 1 < layers:
                    buffers[number + 1].x[sample, :-1] = buffers[number].y[sample]
            last = buffers[layers - 1]
            squares += output_error(last.y[sample], last.d[sample], labels[start + sample])
        loss += 0.5 * squares
        for number in range(layers - 1, 0, -1):
            b, below = buffers[number], buffers[number - 1]
            for sample in range(samples):
                backward_float(transposed[number], b, sample)
                error_below(b.errors, below.y[sample], below.d[sample])
        rate = f32(-learning_rate / samples)
        for number in range(layers):
            b = buffers[number]
            for sample in range(samples):
                for j in range(b.scaled.shape[1]):
                    b.scaled[sample, j] = b.d[sample, j] * rate
            products[number] += descend(weights[number], transposed[number], b, samples)
    return loss


@compiled
def descend(weight: Floats, transposed: Floats, b: Buffers, samples: int) -> int:
    """Add the products of inputs and scaled errors to weights and their transpose; return how many there are."""
    cols, below = weight.shape[1], transposed.shape[1]
    if samples == 1:
        x, d = b.x[0], b.scaled[0]
        for n in range(b.active[0]):
            v, row = x[b.rows[0, n]], weight[b.rows[0, n]]
            for j in range(cols):
                row[j] += v * d[j]
        if below > 0:
            for j in range(cols):
                row, e = transposed[j], d[j]
                for i in range(below):
                    row[i] += x[i] * e
        return b.active[0] * cols
    products = list_by_row(b, samples, 0, f32(1.0))
    for i in range(weight.shape[0]):
        first, last = b.starts[i], b.starts[i + 1]
        if first == last:
            continue
        accumulate(b.sums, b.scaled, b.who[first:last], b.inputs[first:last], last - first)
        row = weight[i]
        for j in range(cols):
            row[j] += b.sums[j]
        if i < below:
            for j in range(cols):
                transposed[j, i] = row[j]
    return products * cols


@compiled
def recognise(states: Any, k: Knobs, buffers: Any, images: Floats, labels: Ints) -> int:
    """Return how many images a network on crossbars recognises, with fresh read noise for every one."""
    states, buffers = borrowed(states), borrowed(buffers)
    right = 0
    for place in range(labels.size):
        buffers[0].x[0, :-1] = images[place]
        for number in range(len(states)):
            forward(states[number], k, buffers[number], 0, False)
            activate(buffers[number].y[0])
            if number + 1 < len(states):
                buffers[number + 1].x[0, :-1] = buffers[number].y[0]
        right += np.argmax(buffers[len(states) - 1].y[0]) == labels[place]
    return right


@compiled
def recognise_floats(weights: Any, buffers: Any, images: Floats, labels: Ints) -> int:
    """Return how many images a digital network recognises."""
    weights, buffers = borrowed(weights), borrowed(buffers)
    right = 0
    for place in range(labels.size):
        buffers[0].x[0, :-1] = images[place]
        for number in range(len(weights)):
            forward_float(weights[number], buffers[number], 0)
            activate(buffers[number].y[0])
            if number + 1 < len(weights):
                buffers[number + 1].x[0, :-1] = buffers[number].y[0]
        right += np.argmax(buffers[len(weights) - 1].y[0]) == labels[place]
    return right
