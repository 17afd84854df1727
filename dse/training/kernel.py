"""The compiled path: a run of images, one at a time, through a perceptron on crossbars, without leaving compiled code.

It does what `dse.training.loop` does with `CrossbarLayer` for mini-batches of one image, in the same order and with the
same random numbers, so that the two agree to the last bit. What makes it fast: only rows with an input other than zero
are read and updated, only cells whose accumulator crosses the threshold are touched, and read noise is drawn at the
outputs.

Arrays of a layer are (rows, cols), C order; cells have a leading axis of 2 for G+ and G-.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dse.compiled import (
    LARGEST_NORMAL,
    Floats,
    compiled,
    exp_of,
    f32,
    i32,
    inlined,
    log_of,
    normal_of,
    sigmoid_of,
    u64,
    uniform_of,
)  # fmt: skip

Ints = NDArray[np.int64]


class State(NamedTuple):
    """The state of a layer; cells and counters are shared with the tensors of the plain path.

    `left` is what drift has left of each conductance, as a factor; `word` the accumulator, float32 or int32; `response`
    the mean conductance after 0, 1, ... pulses above that after RESET, uS.
    """

    weight: Floats
    variance: Floats
    word: Any
    left: Floats
    g_us: Floats
    history: Floats
    pulsed_at_s: Floats
    set_pulses: Ints
    reset_pulses: Ints
    gain: Floats
    exponent: Floats
    stuck: Any
    response: Floats
    keys: NDArray[np.uint64]
    counts: Ints
    drive: NDArray[np.float64]


class Knobs(NamedTuple):
    """What all layers share, as numbers of the width that the plain path computes with."""

    beta: Any
    beta_squared: Any
    g_min: Any
    g_max: Any
    mean_slope: Any
    mean_offset: Any
    mean_history: Any
    std_slope: Any
    std_offset: Any
    std_history: Any
    write_scale: Any
    fade: Any
    drifts: bool
    drift_reference: Any
    linear: bool
    read_slope: Any
    read_offset: Any
    read_scale: Any
    reads_are_noisy: bool
    reset_mean: Any
    reset_std: Any
    reset_min: Any
    dac_bits: int
    dac_step: Any
    dac_signed_step: Any
    adc_bits: int
    adc_range: Any
    adc_step: Any
    adc_back_range: Any
    adc_back_step: Any
    operand_bits: int
    operand_step: Any
    operand_signed_step: Any
    chi_bits: int
    places: int
    chi_scale: Any
    threshold: Any
    stochastic: bool
    toward_zero: bool
    refresh_every: int
    refresh_threshold: Any
    refresh_difference: Any
    learning_rate: Any
    max_pulses: int


class Rule(NamedTuple):
    """What an addition to an accumulator needs to know."""

    bits: int
    places: int
    scale: Any
    threshold: Any
    stochastic: bool
    toward_zero: bool


class Buffers(NamedTuple):
    """Room for what passes through a layer; `active` holds the number of inputs that are not zero."""

    x: Floats
    driven: Floats
    rows: Ints
    active: Ints
    y: Floats
    spread: Floats
    d: Floats
    errors: Floats
    scaled: Floats


# Streams of a layer, in the order of `State.keys`.
WRITE, FORWARD, BACKWARD, REFRESH, RESET, CHI = range(6)
# Counts of a layer, in the order of `State.counts`.
(
    MVM_FORWARD, MVM_BACKWARD, LINES_FORWARD, LINES_BACKWARD, DAC_FORWARD, DAC_BACKWARD, ADC_FORWARD, ADC_BACKWARD,
    CUT_FORWARD, CUT_BACKWARD, SET_UPDATE, SET_REFRESH, RESETS, REFRESH_READS, REFRESHED, PRODUCTS, ACTIVATIONS,
    FORWARD_EVENTS, BACKWARD_EVENTS, REFRESH_EVENTS, CHI_EVENTS,
) = range(21)  # fmt: skip
COUNTS = 21
DONE, DIVERGED, TOO_MANY_PULSES = 0, 1, 2
REACH = f32(LARGEST_NORMAL)


@inlined
def quantised(x: Any, low: Any, high: Any, step: Any) -> Any:
    """Return x cut to a range and rounded to a multiple of step."""
    return np.rint(min(max(x, low), high) / step) * step


@inlined
def read_deviation(g: Any, k: Knobs) -> Any:
    """Return the deviation of one read at a conductance, uS."""
    return (g * k.read_slope + k.read_offset) * k.read_scale


@compiled
def renew(s: State, k: Knobs, pair: int) -> None:
    """Compute weight and read noise of a pair from its conductances."""
    pairs = s.weight.size
    g, left = s.g_us.reshape(-1), s.left.reshape(-1)
    plus, minus = g[pair] * left[pair], g[pair + pairs] * left[pair + pairs]
    s.weight.reshape(-1)[pair] = (plus - minus) / k.beta
    if k.reads_are_noisy:
        a, b = read_deviation(plus, k), read_deviation(minus, k)
        s.variance.reshape(-1)[pair] = (a * a + b * b) / k.beta_squared


@compiled
def age(s: State, k: Knobs, now_s: Any) -> None:
    """Let all cells drift to a time and compute all weights."""
    left, pulsed = s.left.reshape(-1), s.pulsed_at_s.reshape(-1)
    if k.drifts and now_s > k.drift_reference:
        exponent = s.exponent.reshape(-1)
        for cell in range(left.size):
            time = max(now_s - pulsed[cell], k.drift_reference) / k.drift_reference
            left[cell] = exp_of(-exponent[cell] * log_of(time))
    pairs = s.weight.size
    g, weight, variance = s.g_us.reshape(-1), s.weight.reshape(-1), s.variance.reshape(-1)
    for pair in range(pairs):
        plus, minus = g[pair] * left[pair], g[pair + pairs] * left[pair + pairs]
        weight[pair] = (plus - minus) / k.beta
        a, b = read_deviation(plus, k), read_deviation(minus, k)
        variance[pair] = (a * a + b * b) / k.beta_squared


@compiled
def pulse(s: State, k: Knobs, cell: int, count: int, now_s: Any) -> None:
    """Apply SET pulses to a cell; see `PcmCells.set_pulse`."""
    g, history, life = s.g_us.reshape(-1), s.history.reshape(-1), s.set_pulses.reshape(-1)
    first = life[cell]
    life[cell] += count
    s.pulsed_at_s.reshape(-1)[cell] = now_s
    s.left.reshape(-1)[cell] = f32(1.0)
    level, gain = g[cell], s.gain.reshape(-1)[cell]
    if k.linear:
        step = k.mean_offset * gain
        level = min(max(level + step, k.g_min), k.g_max)
        g[cell] = min(level + f32(count - 1) * step, k.g_max)
        return
    p = history[cell]
    for n in range(count):
        p = p * k.fade
        step = k.mean_slope * level + (k.mean_offset + k.mean_history * p)
        if k.write_scale > f32(0.0):
            sigma = k.std_slope * level + (k.std_offset + k.std_history * p)
            step = step + (k.write_scale * sigma) * normal_of(s.keys[WRITE], u64((first + n) * g.size + cell))
        level = min(max(level + step * gain, k.g_min), k.g_max)
    g[cell] = level
    history[cell] = p


@compiled
def reset(s: State, k: Knobs, cell: int, now_s: Any) -> None:
    """Apply a RESET pulse to a cell; see `PcmCells.reset`."""
    g, life = s.g_us.reshape(-1), s.reset_pulses.reshape(-1)
    life[cell] += 1
    noise = normal_of(s.keys[RESET], u64(life[cell] * g.size + cell))
    if not s.stuck.reshape(-1)[cell]:
        g[cell] = max(k.reset_mean + k.reset_std * noise, k.reset_min)
    s.history.reshape(-1)[cell] = f32(1.0)
    s.pulsed_at_s.reshape(-1)[cell] = now_s
    s.left.reshape(-1)[cell] = f32(1.0)


@compiled
def refresh(s: State, k: Knobs, now_s: Any) -> None:
    """Look for pairs near saturation and write them anew; see `PairArray.refresh`.

    A cell whose conductance could not reach the threshold with the largest of all normal numbers draws none.
    """
    pairs = s.weight.size
    g, left, keys = s.g_us.reshape(-1), s.left.reshape(-1), s.keys
    first = s.counts[REFRESH_EVENTS] * g.size
    s.counts[REFRESH_EVENTS] += k.reads_are_noisy
    s.counts[REFRESH_READS] += g.size
    for pair in range(pairs):
        plus, minus = g[pair] * left[pair], g[pair + pairs] * left[pair + pairs]
        if k.reads_are_noisy:
            a, b = read_deviation(plus, k), read_deviation(minus, k)
            reach = max(plus + REACH * a, minus + REACH * b)
            if reach > k.refresh_threshold:
                plus = plus + a * normal_of(keys[REFRESH], u64(first + pair))
                minus = minus + b * normal_of(keys[REFRESH], u64(first + pair + pairs))
        if max(plus, minus) <= k.refresh_threshold:
            continue
        difference = plus - minus
        wanted = abs(difference)
        if not wanted < k.refresh_difference:
            continue
        s.counts[REFRESHED] += 1
        s.counts[RESETS] += 2
        reset(s, k, pair, now_s)
        reset(s, k, pair + pairs, now_s)
        count, best = 0, abs(wanted - s.response[0])
        for n in range(1, s.response.size):
            distance = abs(wanted - s.response[n])
            if distance < best:
                count, best = n, distance
        if count > 0:
            s.counts[SET_REFRESH] += count
            pulse(s, k, pair + pairs if difference < f32(0.0) else pair, count, now_s)
        renew(s, k, pair)


@compiled
def forward(s: State, k: Knobs, x: Floats, driven: Floats, index: Ints, y: Floats, spread: Floats) -> int:
    """Compute y = ADC(DAC(x) W), note the rows whose input is not zero, and return their number; shape (rows,)."""
    rows, cols = s.weight.shape
    y[:] = f32(0.0)
    spread[:] = f32(0.0)
    active, lines, total = 0, 0, 0.0
    for i in range(rows):
        if x[i] == f32(0.0):
            continue
        index[active] = i
        active += 1
        v = quantised(x[i], f32(0.0), f32(1.0), k.dac_step) if k.dac_bits > 0 else x[i]
        driven[i] = v
        if v == f32(0.0):
            continue
        lines += 1
        total += v
        row = s.weight[i]
        for j in range(cols):
            y[j] += v * row[j]
        if k.reads_are_noisy:
            row = s.variance[i]
            square = v * v
            for j in range(cols):
                spread[j] += square * row[j]
    s.counts[MVM_FORWARD] += 1
    s.counts[LINES_FORWARD] += lines
    s.drive[0] += total
    s.counts[DAC_FORWARD] += rows
    s.counts[ADC_FORWARD] += cols
    if k.reads_are_noisy:
        first = s.counts[FORWARD_EVENTS] * cols
        s.counts[FORWARD_EVENTS] += 1
        for j in range(cols):
            y[j] = y[j] + np.sqrt(spread[j]) * normal_of(s.keys[FORWARD], u64(first + j))
    if k.adc_bits > 0:
        cut = 0
        for j in range(cols):
            cut += abs(y[j]) > k.adc_range
            y[j] = quantised(y[j], -k.adc_range, k.adc_range, k.adc_step)
        s.counts[CUT_FORWARD] += cut
    return active


@compiled
def largest_of(d: Floats) -> Any:
    """Return the largest magnitude, not below 1e-30."""
    scale = f32(1e-30)
    for j in range(d.size):
        scale = max(scale, abs(d[j]))
    return scale


@compiled
def backward(s: State, k: Knobs, d: Floats, driven: Floats, e: Floats) -> None:
    """Compute e = ADC(DAC(d / scale) W^T) scale without the bias row; d of shape (cols,), e of shape (rows - 1,)."""
    rows, cols = s.weight.shape
    scale = largest_of(d)
    lines, total = 0, 0.0
    for j in range(cols):
        v = d[j] / scale
        driven[j] = quantised(v, f32(-1.0), f32(1.0), k.dac_signed_step) if k.dac_bits > 0 else v
        lines += driven[j] != f32(0.0)
        total += abs(driven[j])
    first = s.counts[BACKWARD_EVENTS] * (rows - 1)
    cut = 0
    for i in range(rows - 1):
        y = f32(0.0)
        row = s.weight[i]
        for j in range(cols):
            y += driven[j] * row[j]
        if k.reads_are_noisy:
            spread = f32(0.0)
            row = s.variance[i]
            for j in range(cols):
                spread += (driven[j] * driven[j]) * row[j]
            y = y + np.sqrt(spread) * normal_of(s.keys[BACKWARD], u64(first + i))
        if k.adc_bits > 0:
            cut += abs(y) > k.adc_back_range
            y = quantised(y, -k.adc_back_range, k.adc_back_range, k.adc_back_step)
        e[i] = y * scale
    s.counts[BACKWARD_EVENTS] += k.reads_are_noisy
    s.counts[MVM_BACKWARD] += 1
    s.counts[LINES_BACKWARD] += lines
    s.drive[1] += total
    s.counts[DAC_BACKWARD] += cols
    s.counts[ADC_BACKWARD] += rows - 1
    s.counts[CUT_BACKWARD] += cut


@compiled
def add_float(row: Floats, v: Any, d: Floats, threshold: Any) -> Any:
    """Add v d to a row of float accumulators and return how many crossed the threshold."""
    crossed = i32(0)
    for j in range(row.size):
        total = row[j] + v * d[j]
        row[j] = total
        crossed = i32(crossed + i32(abs(total) >= threshold))
    return crossed


@compiled
def add_narrow(row: Any, v: Any, d: Floats, scale: Any, places: int) -> Any:
    """Add v d, rounded to the nearest place, to a row of int32 accumulators, where no sum can leave 32 bits."""
    crossed = i32(0)
    limit = i32(places)
    for j in range(row.size):
        total = i32(row[j] + i32(np.rint((v * d[j]) * scale)))
        row[j] = total
        crossed = i32(crossed + i32(abs(total) >= limit))
    return crossed


@compiled
def transfer(s: State, k: Knobs, cell: int, pulses: Any, now_s: Any) -> bool:
    """Apply the pulses that left an accumulator, and return whether their number is one that a cell can take."""
    count = abs(pulses)
    if count > k.max_pulses:
        return False
    pairs = s.weight.size
    s.counts[SET_UPDATE] += count
    pulse(s, k, cell + pairs if pulses < 0 else cell, count, now_s)
    renew(s, k, cell)
    return True


@compiled
def add_wide(row: Any, v: Any, d: Floats, rule: Rule, key: Any, draw: int, start: int, total_of: Ints) -> int:
    """Add v d, rounded as the design says, to int32 accumulators from `start` on, with sums of 64 bits.

    Stops where a sum crosses the threshold: returns its place and leaves the sum in `total_of`; the length of the row
    where none does.
    """
    scale, places, stochastic, toward_zero = rule.scale, rule.places, rule.stochastic, rule.toward_zero
    for j in range(start, row.size):
        exact = (v * d[j]) * scale
        if stochastic:
            exact = np.floor(exact + uniform_of(key, u64(draw + j)))
        elif toward_zero:
            exact = np.trunc(exact)
        else:
            exact = np.rint(exact)
        total = np.int64(row[j]) + np.int64(exact)
        if abs(total) >= places:
            total_of[0] = total
            return j
        row[j] = i32(total)
    return row.size


@compiled
def settle(s: State, k: Knobs, i: int, j: int, total: Any, now_s: Any) -> bool:
    """Apply the whole pulses in the sum of an integer accumulator and store the rest; False if they are too many."""
    q = abs(total) // k.places
    q = -q if total < 0 else q
    s.word[i, j] = total - q * k.places
    return transfer(s, k, i * s.word.shape[1] + j, q, now_s)


@inlined
def add_row(row: Any, v: Any, d: Floats, rule: Rule, narrow: Any, key: Any, draw: int, total_of: Ints) -> int:
    """Add v d to a row of accumulators and return its length, or a smaller number where a sum crosses the threshold.

    It takes what it needs one by one: handing a `State` or `Knobs` over costs more than the work on a row.
    """
    if rule.bits == 0:
        return 0 if add_float(row, v, d, rule.threshold) > 0 else row.size
    if narrow:
        return 0 if add_narrow(row, v, d, rule.scale, rule.places) > 0 else row.size
    return add_wide(row, v, d, rule, key, draw, 0, total_of)


@inlined
def rule_of(k: Knobs) -> Rule:
    """Return what an addition to an accumulator needs to know."""
    return Rule(k.chi_bits, k.places, k.chi_scale, k.threshold, k.stochastic, k.toward_zero)


@compiled
def resolve(
    s: State, k: Knobs, i: int, j: int, v: Any, d: Floats, narrow: Any, draw: int, total_of: Ints, now_s: Any
) -> bool:
    """Apply the pulses that leave a row of accumulators, the first at j; False if they are too many for a cell."""
    if k.chi_bits == 0 or narrow:
        return cross(s, k, i, now_s)
    row = s.word[i]
    while j < row.size:
        if not settle(s, k, i, j, total_of[0], now_s):
            return False
        j = add_wide(row, v, d, rule_of(k), s.keys[CHI], draw, j + 1, total_of)
    return True


@compiled
def cross(s: State, k: Knobs, i: int, now_s: Any) -> bool:
    """Take the whole pulses out of a row of accumulators and apply them; False where they are too many for a cell."""
    row = s.word[i]
    for j in range(row.size):
        if k.chi_bits == 0:
            if abs(row[j]) >= k.threshold:
                p = np.trunc(row[j] / k.threshold)
                row[j] = row[j] - p * k.threshold
                if not transfer(s, k, i * row.size + j, np.int64(p), now_s):
                    return False
        elif abs(row[j]) >= k.places and not settle(s, k, i, j, np.int64(row[j]), now_s):
            return False
    return True


@compiled
def add_updates(s: State, k: Knobs, updates: Floats, now_s: Any) -> int:
    """Add updates of all weights, shape (rows, cols), to the accumulators, and apply the pulses that leave them."""
    largest, finite = f32(0.0), True
    for value in updates.reshape(-1):
        finite = finite and value - value == f32(0.0)
        largest = max(largest, abs(value))
    if not finite or largest > k.threshold * f32(2.0**30):
        return DIVERGED
    chance = s.counts[CHI_EVENTS] * updates.size
    s.counts[CHI_EVENTS] += k.stochastic
    narrow = k.chi_bits > 0 and not k.stochastic and not k.toward_zero and k.chi_bits <= 30
    narrow = narrow and largest * k.chi_scale < f32(2.0**29)
    total_of = np.zeros(1, np.int64)
    rows, cols = updates.shape
    word, key, rule, one = s.word, s.keys[CHI], rule_of(k), f32(1.0)
    for i in range(rows):
        draw = chance + i * cols
        j = add_row(word[i], one, updates[i], rule, narrow, key, draw, total_of)
        if j < cols and not resolve(s, k, i, j, one, updates[i], narrow, draw, total_of, now_s):
            return TOO_MANY_PULSES
    return DONE


@compiled
def update(s: State, k: Knobs, x: Floats, index: Ints, active: int, d: Floats, scaled: Floats, now_s: Any) -> int:
    """Add -learning_rate x d^T to the accumulators and apply the pulses that leave them; see `CrossbarLayer.update`."""
    cols = d.size
    scale = largest_of(d)
    largest = f32(0.0)
    for j in range(cols):
        v = d[j]
        if k.operand_bits > 0:
            v = quantised(v / scale, f32(-1.0), f32(1.0), k.operand_signed_step) * scale
        scaled[j] = v * k.learning_rate
        largest = max(largest, abs(scaled[j]))
    if not largest <= k.threshold * f32(2.0**30):
        return DIVERGED
    products = 0
    word, key, rule = s.word, s.keys[CHI], rule_of(k)
    chi_bits, threshold, chi_scale, places = k.chi_bits, k.threshold, k.chi_scale, k.places
    total_of = np.zeros(1, np.int64)
    chance = s.counts[CHI_EVENTS] * s.weight.size
    s.counts[CHI_EVENTS] += k.stochastic
    narrow = (
        k.chi_bits > 0
        and not k.stochastic
        and not k.toward_zero
        and k.chi_bits <= 30
        and largest * k.chi_scale < f32(2.0**29)
    )
    for n in range(active):
        i = index[n]
        v = x[i]
        if k.operand_bits > 0:
            v = quantised(v, f32(0.0), f32(1.0), k.operand_step)
            if v == f32(0.0):
                continue
        products += cols
        draw = chance + i * cols
        row = word[i]
        if chi_bits == 0:
            j = 0 if add_float(row, v, scaled, threshold) > 0 else cols
        elif narrow:
            j = 0 if add_narrow(row, v, scaled, chi_scale, places) > 0 else cols
        else:
            j = add_wide(row, v, scaled, rule, key, draw, 0, total_of)
        if j < cols and not resolve(s, k, i, j, v, scaled, narrow, draw, total_of, now_s):
            return TOO_MANY_PULSES
    s.counts[PRODUCTS] += products
    return DONE


@compiled
def output_error(b: Buffers, label: Any) -> Any:
    """Set the error of the output units for a class, and return the sum of their squared distances to it."""
    squares = 0.0
    for j in range(b.y.size):
        difference = b.y[j] - (f32(1.0) if j == label else f32(0.0))
        b.d[j] = difference * b.y[j] * (f32(1.0) - b.y[j])
        squares += f32(difference * difference)
    return squares


@compiled
def train_images(
    states: Any,
    k: Knobs,
    buffers: Any,
    order: Ints,
    images: Floats,
    labels: Ints,
    seen: int,
    image_time_s: float,
    drift_every: int,
) -> tuple[int, float]:
    """Learn images one at a time; see `dse.training.loop._step`.

    Args:
        states: a `State` for each layer.
        k: what they share.
        buffers: for each layer (x, driven, index, y, spread, d, errors, scaled).
        order: which images to learn, in this order.
        images: all images, shape (images, pixels).
        labels: their classes.
        seen: images learned before.
        image_time_s: simulated time of one image, s.
        drift_every: images between two evaluations of the drift.

    Returns:
        DONE, DIVERGED or TOO_MANY_PULSES, and the sum of half the squared errors.
    """
    layers = len(states)
    loss = 0.0
    for place in range(order.size):
        if place == 0 or (k.drifts and seen % drift_every == 0):
            for number in range(layers):
                age(states[number], k, f32((seen // drift_every) * drift_every * image_time_s))
        now_s = f32(seen * image_time_s)
        first = buffers[0]
        first.x[:-1] = images[order[place]]
        for number in range(layers):
            s, b = states[number], buffers[number]
            b.active[0] = forward(s, k, b.x, b.driven, b.rows, b.y, b.spread)
            for j in range(b.y.size):
                b.y[j] = sigmoid_of(b.y[j])
            if number + 1 < layers:
                buffers[number + 1].x[:-1] = b.y
        loss += 0.5 * output_error(buffers[layers - 1], labels[order[place]])
        for number in range(layers - 1, 0, -1):
            s, b, below = states[number], buffers[number], buffers[number - 1]
            backward(s, k, b.d, b.scaled, b.errors)
            for i in range(below.d.size):
                below.d[i] = b.errors[i] * below.y[i] * (f32(1.0) - below.y[i])
        for number in range(layers):
            s, b = states[number], buffers[number]
            s.counts[ACTIVATIONS] += b.d.size
            status = update(s, k, b.x, b.rows, b.active[0], b.d, b.scaled, now_s)
            if status != DONE:
                return status, loss
        seen += 1
        if k.refresh_every > 0 and seen % k.refresh_every == 0:
            for number in range(layers):
                refresh(states[number], k, f32(seen * image_time_s))
    return DONE, loss


@compiled
def train_floats(
    weights: Any, buffers: Any, order: Ints, images: Floats, labels: Ints, learning_rate: Any, products: Ints
) -> float:
    """Learn images one at a time in digital floats, and return the sum of half the squared errors.

    Args:
        weights: matrices of the layers, shape (rows, cols).
        buffers: as for `train_images`.
        order: which images to learn, in this order.
        images: all images, shape (images, pixels).
        labels: their classes.
        learning_rate: the negative of the learning rate.
        products: for each layer, count of the products of its updates; added to.
    """
    layers = len(weights)
    loss = 0.0
    for place in range(order.size):
        buffers[0].x[:-1] = images[order[place]]
        for number in range(layers):
            weight, b = weights[number], buffers[number]
            b.y[:] = f32(0.0)
            active = 0
            for i in range(weight.shape[0]):
                v = b.x[i]
                if v != f32(0.0):
                    b.rows[active] = i
                    active += 1
                    row = weight[i]
                    for j in range(b.y.size):
                        b.y[j] += v * row[j]
            b.active[0] = active
            for j in range(b.y.size):
                b.y[j] = sigmoid_of(b.y[j])
            if number + 1 < layers:
                buffers[number + 1].x[:-1] = b.y
        loss += 0.5 * output_error(buffers[layers - 1], labels[order[place]])
        for number in range(layers - 1, 0, -1):
            weight, b, below = weights[number], buffers[number], buffers[number - 1]
            for i in range(below.d.size):
                e = f32(0.0)
                row = weight[i]
                for j in range(b.d.size):
                    e += b.d[j] * row[j]
                below.d[i] = e * below.y[i] * (f32(1.0) - below.y[i])
        for number in range(layers):
            weight, b = weights[number], buffers[number]
            for j in range(b.d.size):
                b.scaled[j] = b.d[j] * learning_rate
            for n in range(b.active[0]):
                v = b.x[b.rows[n]]
                row = weight[b.rows[n]]
                for j in range(row.size):
                    row[j] += v * b.scaled[j]
            products[number] += b.active[0] * b.d.size
    return loss
