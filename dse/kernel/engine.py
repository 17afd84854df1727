"""The loop over mini-batches, and the outputs for samples; twin of `dse.networks.perceptron.plain.PlainRun`."""

from typing import Any

import numpy as np

from dse.kernel.arithmetic import Floats, compiled, f32, float_rows_at, floats_at, sigmoid_of
from dse.kernel.pcm import age, refresh
from dse.kernel.products import accumulate, backward, backward_float, forward, forward_float
from dse.kernel.state import DONE, PERIOD, SINCE_CALIBRATION, SINCE_REFRESH, Record
from dse.kernel.updates import add_gradient, list_by_row, lists_at, update


@compiled
def present(b: Record, sample: int, image: Floats) -> None:
    """Set the inputs of a sample, all but the bias."""
    float_rows_at(b.x, b.batch, b.rows)[sample, :-1] = image


@compiled
def pass_on(b: Record, sample: int) -> Floats:
    """Apply the logistic function to the outputs of a sample and return them."""
    y = float_rows_at(b.y, b.batch, b.cols)[sample]
    for j in range(y.size):
        y[j] = sigmoid_of(y[j])
    return y


@compiled
def output_error(b: Record, sample: int, target: Floats, linear: int) -> Any:
    """Set the error of the output units, and return the sum of their squared distances to what they should be."""
    y, d = float_rows_at(b.y, b.batch, b.cols)[sample], float_rows_at(b.d, b.batch, b.cols)[sample]
    squares = 0.0
    for j in range(y.size):
        difference = y[j] - target[j]
        d[j] = difference if linear else difference * y[j] * (f32(1.0) - y[j])
        squares += f32(difference * difference)
    return squares


@compiled
def error_below(b: Record, below: Record, sample: int) -> None:
    """Set the error of hidden units from what came back through the layer above."""
    errors, cols = floats_at(b.errors, b.rows - 1), below.cols
    y, d = float_rows_at(below.y, below.batch, cols)[sample], float_rows_at(below.d, below.batch, cols)[sample]
    for i in range(cols):
        d[i] = errors[i] * y[i] * (f32(1.0) - y[i])


@compiled
def calibrated(peak: Any, headroom: float, bits: int) -> tuple[float, float]:
    """Return range and step of a converter after a largest product."""
    limit = np.float64(f32(headroom * np.float64(peak)))
    return limit, limit / (2 ** (bits - 1) - 1) if bits > 0 else 1.0


@compiled
def calibrate(s: Record, k: Record) -> None:
    """Set the ranges of the output converters; see `PairArray.calibrate`."""
    if s.peak_forward > f32(0.0):
        s.range_forward, s.step_forward = calibrated(s.peak_forward, k.headroom, k.adc_bits)
    if s.peak_backward > f32(0.0):
        s.range_backward, s.step_backward = calibrated(s.peak_backward, k.headroom, k.adc_back_bits)
    s.peak_forward = s.peak_backward = f32(0.0)


@compiled
def maintain(states: Any, k: Record, seen: int, samples: int, clock: Any) -> None:
    """Refresh and calibrate where it is time."""
    clock[SINCE_REFRESH] += samples
    clock[SINCE_CALIBRATION] += samples
    if k.refresh_every > 0 and clock[SINCE_REFRESH] >= k.refresh_every:
        clock[SINCE_REFRESH] = 0
        for number in range(states.size):
            refresh(states[number], k, f32(seen * k.sample_time_s))
    if k.calibrate_every > 0 and clock[SINCE_CALIBRATION] >= k.calibrate_every:
        clock[SINCE_CALIBRATION] = 0
        for number in range(states.size):
            calibrate(states[number], k)


@compiled
def grow_old(states: Any, k: Record, seen: int, clock: Any) -> None:
    """Evaluate the drift where it is time."""
    period = seen // k.drift_every
    if clock[PERIOD] < 0 or (k.drifts and period != clock[PERIOD]):
        for number in range(states.size):
            age(states[number], k, f32(period * k.drift_every * k.sample_time_s))
    clock[PERIOD] = period


@compiled
def descend(b: Record, samples: int, learning_rate: float) -> None:
    """Add the products of inputs and scaled errors to digital weights and their transpose."""
    rows, cols = b.rows, b.cols
    rate, one = f32(-learning_rate / samples), samples == 1
    d, scaled = float_rows_at(b.d, b.batch, cols), float_rows_at(b.scaled, b.batch, cols)
    for sample in range(samples):
        for j in range(cols):
            scaled[sample, j] = d[sample, j] * rate
    products, touched = list_by_row(b, samples, 0, f32(1.0))
    b.products += products * cols
    b.touched += touched * cols
    starts, who, inputs = lists_at(b)
    sums, weight = floats_at(b.sums, cols), float_rows_at(b.float_weight, rows, cols)
    for i in range(rows):
        first, last = starts[i], starts[i + 1]
        if first == last:
            continue
        if one:
            add_product(weight[i], inputs[first], scaled[0])
        else:
            accumulate(sums, scaled, who[first:last], inputs[first:last], last - first)
            add_product(weight[i], f32(1.0), sums)
    if b.float_transposed != 0:
        mirror(weight, float_rows_at(b.float_transposed, cols, rows - 1), starts)


@compiled
def add_product(row: Floats, v: Any, d: Floats) -> None:
    """Add v d to a row of weights."""
    for j in range(row.size):
        row[j] += v * d[j]


@compiled
def mirror(weight: Floats, transposed: Floats, starts: Any) -> None:
    """Copy the rows that changed into the transpose."""
    cols, rows = transposed.shape
    for i in range(rows):
        if starts[i] < starts[i + 1]:
            for j in range(cols):
                transposed[j, i] = weight[i, j]


@compiled
def see(states: Any, k: Record, buffers: Any, sample: int, image: Floats, training: bool) -> Floats:
    """Pass an image forward through all layers and return the outputs of the last."""
    present(buffers[0], sample, image)
    last = buffers.size - 1
    for number in range(last):
        forward_any(states[number], k, buffers[number], sample, training)
        present(buffers[number + 1], sample, pass_on(buffers[number], sample))
    forward_any(states[last], k, buffers[last], sample, training)
    if k.linear_outputs:
        return float_rows_at(buffers[last].y, buffers[last].batch, buffers[last].cols)[sample]
    return pass_on(buffers[last], sample)


@compiled
def forward_any(s: Record, k: Record, b: Record, sample: int, training: bool) -> None:
    """Take the product of a layer, on crossbars or digital."""
    if b.float_weight != 0:
        forward_float(b, sample)
    else:
        forward(s, k, b, sample, training)


@compiled
def learn(
    states: Any,
    knobs: Any,
    buffers: Any,
    images: Floats,
    targets: Floats,
    batch: int,
    seen: int,
    clock: Any,
    loss: float,
) -> Any:
    """Learn images in mini-batches; see `PlainRun`.

    Args:
        states: records of the layers, empty ones for digital layers.
        knobs: one record, what they share.
        buffers: records of room for the layers.
        images: images in the order of learning, shape (images, pixels).
        targets: what outputs should be for each, shape (images, outputs).
        batch: images of a mini-batch; the last may be smaller.
        seen: images learned before.
        clock: where the run stands; see `state`.
        loss: sum of half the squared errors so far, which runs on so that it has the order of the plain path.

    Returns:
        DONE, DIVERGED or TOO_MANY_PULSES, and the sum of half the squared errors.
    """
    k, layers = knobs[0], states.size
    for start in range(0, len(targets), batch):
        samples = min(batch, len(targets) - start)
        grow_old(states, k, seen, clock)
        for number in range(layers):
            states[number].batch_forward = states[number].batch_backward = 0.0
        squares = 0.0
        for sample in range(samples):
            see(states, k, buffers, sample, images[start + sample], training=True)
            squares += output_error(buffers[layers - 1], sample, targets[start + sample], k.linear_outputs)
        loss += 0.5 * squares
        for number in range(layers - 1, 0, -1):
            for sample in range(samples):
                if buffers[number].float_weight != 0:
                    backward_float(buffers[number], sample)
                else:
                    backward(states[number], k, buffers[number], sample)
                error_below(buffers[number], buffers[number - 1], sample)
        for number in range(layers):
            status = change(states[number], k, buffers[number], samples, f32(seen * k.sample_time_s))
            if status != DONE:
                return status, loss
        seen += samples
        maintain(states, k, seen, samples, clock)
    return DONE, loss


@compiled
def change(s: Record, k: Record, b: Record, samples: int, now_s: Any) -> int:
    """Apply the update of a mini-batch to a layer."""
    if b.float_weight != 0:
        descend(b, samples, k.learning_rate)
        return DONE
    s.activations += samples * s.cols
    s.drive_forward += s.batch_forward
    s.drive_backward += s.batch_backward
    return update(s, k, b, samples, now_s)


@compiled
def step(
    states: Any, knobs: Any, buffers: Any, gradient: Floats, rate: Any, seen: int, samples: int, clock: Any
) -> int:
    """Learn from the gradient of a parameter, shape (rows, cols), after so many samples; see `dse.updates.modules`.

    Args:
        states: one record, the pairs that hold the parameter.
        knobs: one record of settings.
        buffers: one record of room.
        gradient: gradient of the loss.
        rate: the negative of the learning rate.
        seen: samples learned before.
        samples: samples that the gradient is of.
        clock: where the run stands; see `state`.

    Returns:
        DONE, DIVERGED or TOO_MANY_PULSES.
    """
    k = knobs[0]
    status = add_gradient(states[0], k, buffers[0], gradient, rate, f32(seen * k.sample_time_s))
    if status == DONE:
        maintain(states, k, seen + samples, samples, clock)
        grow_old(states, k, seen + samples, clock)
    return status


@compiled
def wait(states: Any, knobs: Any, seen: int, samples: int, clock: Any) -> None:
    """Let some samples pass without an update."""
    if samples > 0:
        maintain(states, knobs[0], seen + samples, samples, clock)
    grow_old(states, knobs[0], seen + samples, clock)


@compiled
def infer(states: Any, knobs: Any, buffers: Any, images: Floats, out: Floats) -> None:
    """Write the outputs for images, shape (images, outputs), with fresh read noise for every one."""
    for place in range(len(images)):
        out[place] = see(states, knobs[0], buffers, 0, images[place], training=False)
