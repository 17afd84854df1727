"""The accumulator chi: nothing is lost, nothing is gained, and the remainder stays below a pulse.

Random tests have fixed seeds and allow z = 5: over seeds, one check in 1.7 million would fail.
"""

import itertools
import math
import struct
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.crossbar.events import Events
from dse.errors import SettingError
from dse.streams import Stream
from dse.updates.accumulator import Accumulator, DivergedError
from dse.updates.spec import AccumulatorSpec

THRESHOLD = 0.1
DYADIC = 0.125
"""A threshold whose places single precision holds exactly."""
Rounding = Literal["nearest", "stochastic"]
modest = settings(derandomize=True, max_examples=60, deadline=None)
WORDS = st.integers(1, 32)
ROUNDINGS = st.sampled_from(["nearest", "stochastic"])
UPDATES = st.lists(st.lists(st.floats(-1.0, 1.0, width=32), min_size=4, max_size=4), min_size=1, max_size=8)


def accumulator(
    bits: int | Literal["float"], rounding: Rounding = "nearest", shape: tuple[int, int] = (1, 4), seed: int = 1
) -> Accumulator:
    spec = AccumulatorSpec(bits=bits, rounding=rounding)
    return Accumulator(spec, shape, THRESHOLD, Stream(seed))


def stored(
    spec: dict[str, Any], shape: tuple[int, int] = (1, 4), threshold: float = DYADIC, seed: int = 1
) -> Accumulator:
    return Accumulator(AccumulatorSpec.parse(spec), shape, threshold, Stream(seed))


def rounded(updates: list[list[float]], bits: int, rounding: Rounding, seed: int = 1) -> list[list[int]]:
    """Return the updates in places of the word, rounded by hand in single precision with the same stream."""
    places = np.float32(2 ** (bits - 1) / THRESHOLD)
    draws = Stream(seed)
    whole: list[list[int]] = []
    for update in updates:
        exact = [np.float32(value) * places for value in update]
        if rounding == "nearest":
            whole.append([round(float(value)) for value in exact])
        else:
            chances = draws.next_uniform(len(update)).numpy()
            whole.append([math.floor(value + chance) for value, chance in zip(exact, chances, strict=True)])
    return whole


@modest
@given(bits=WORDS, rounding=ROUNDINGS, updates=UPDATES)
def test_integer_words_conserve_every_rounded_update_exactly(
    bits: int, rounding: Rounding, updates: list[list[float]]
) -> None:
    chi = accumulator(bits, rounding)
    pulses = torch.zeros(1, 4, dtype=torch.int64)
    for update in updates:
        pulses += chi.add(torch.tensor([update]))
    sums = [sum(column) for column in zip(*rounded(updates, bits, rounding), strict=True)]
    assert (pulses * chi.places + chi.word)[0].tolist() == sums


@modest
@given(bits=WORDS, rounding=ROUNDINGS, updates=UPDATES)
def test_pulses_are_cut_toward_zero_and_the_remainder_stays_below_one(
    bits: int, rounding: Rounding, updates: list[list[float]]
) -> None:
    chi = accumulator(bits, rounding)
    for update, whole in zip(updates, rounded(updates, bits, rounding), strict=True):
        totals = [word + step for word, step in zip(chi.word[0].tolist(), whole, strict=True)]
        pulses = chi.add(torch.tensor([update]))[0].tolist()
        assert pulses == [math.trunc(Fraction(total, chi.places)) for total in totals]
        for word, total in zip(chi.word[0].tolist(), totals, strict=True):
            assert abs(word) < chi.places
            assert word * total >= 0


@modest
@given(updates=UPDATES)
def test_float_words_conserve_the_sum_of_updates_to_rounding(updates: list[list[float]]) -> None:
    chi = accumulator("float")
    pulses = torch.zeros(1, 4, dtype=torch.int64)
    for update in updates:
        pulses += chi.add(torch.tensor([update]))
        assert float(chi.word.abs().max()) < THRESHOLD * (1 + 1e-5)
    kept = pulses.double() * THRESHOLD + chi.word.double()
    assert kept[0].tolist() == pytest.approx([sum(c) for c in zip(*updates, strict=True)], abs=1e-5)


@pytest.mark.parametrize("bits", [8, 32, "float"])
def test_small_updates_gather_until_they_are_worth_a_pulse(bits: int | Literal["float"]) -> None:
    chi = accumulator(bits, shape=(1, 2))
    seen = [chi.add(torch.tensor([[0.04, -0.04]]))[0].tolist() for _ in range(3)]
    assert seen == [[0, 0], [0, 0], [1, -1]]


@pytest.mark.parametrize("bits", [8, 32, "float"])
def test_a_large_update_leaves_as_several_pulses(bits: int | Literal["float"]) -> None:
    assert accumulator(bits).add(torch.tensor([[0.35, -0.35, 0.05, -0.05]]))[0].tolist() == [3, -3, 0, 0]


@pytest.mark.parametrize("bits", [2, 8, 32, "float"])
def test_chi_is_the_word_in_units_of_weight(bits: int) -> None:
    chi = accumulator(bits)
    chi.add(torch.tensor([[0.05, -0.05, 0.25, 0.0]]))
    assert chi.chi[0].tolist() == pytest.approx([0.05, -0.05, 0.05, 0.0], abs=1e-8)


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
def test_one_bit_keeps_nothing(rounding: Rounding) -> None:
    chi = accumulator(1, rounding)
    for _ in range(5):
        pulses = chi.add(torch.tensor([[0.04, -0.04, 0.13, -0.27]]))
        assert torch.count_nonzero(chi.word) == 0
        if rounding == "nearest":
            assert pulses[0].tolist() == [0, 0, 1, -3]


@pytest.mark.parametrize("bits", [1, 8, 32, "float"])
@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
def test_no_update_is_no_pulse(bits: int | Literal["float"], rounding: Rounding) -> None:
    chi = accumulator(bits, rounding)
    for _ in range(100):
        assert torch.count_nonzero(chi.add(torch.zeros(1, 4))) == 0
    assert torch.count_nonzero(chi.word) == 0


@pytest.mark.parametrize("bits", [1, 4, 16])
@pytest.mark.parametrize("fraction", [0.3, -0.3, 0.95])
def test_stochastic_rounding_is_unbiased(bits: int, fraction: float) -> None:
    number = 100_000
    chi = accumulator(bits, "stochastic", (1, number))
    place = THRESHOLD / chi.places
    pulses = chi.add(torch.full((1, number), fraction * place))
    kept = (pulses * chi.places + chi.word).double()
    part = abs(fraction)
    assert abs(float(kept.mean()) - fraction) < 5 * math.sqrt(part * (1 - part) / number)
    assert set(kept.unique().tolist()) <= {math.floor(fraction), math.ceil(fraction)}


def test_nearest_rounding_loses_what_is_below_half_a_place() -> None:
    chi = accumulator(4)
    for _ in range(100):
        chi.add(torch.full((1, 4), 0.49 * THRESHOLD / 8))
    assert torch.count_nonzero(chi.word) == 0


@pytest.mark.parametrize("bits", [1, 8, 32, "float"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e30, -THRESHOLD * 2.0**31])
def test_an_update_beyond_all_bounds_is_a_divergence(bits: int | Literal["float"], value: float) -> None:
    with pytest.raises(DivergedError, match="beyond what the accumulator can take"):
        accumulator(bits).add(torch.tensor([[0.0, value, 0.0, 0.0]]))


@pytest.mark.parametrize("bits", [1, 8, 32])
def test_the_largest_update_that_is_taken_does_not_overflow(bits: int) -> None:
    chi = accumulator(bits)
    update = torch.full((1, 4), THRESHOLD * 2.0**29)
    expected = rounded([update[0].tolist()], bits, "nearest")[0]
    assert (chi.add(update) * chi.places + chi.word)[0].tolist() == expected


def test_adding_leaves_the_update_alone() -> None:
    update = torch.tensor([[0.35, -0.35, 0.05, -0.05]])
    before = update.clone()
    for bits in (8, "float"):
        accumulator(bits).add(update)
    assert torch.equal(update, before)


@pytest.mark.parametrize(
    ("bits", "headroom", "every", "places", "limit"),
    [
        (8, 2, 1, 128, 127),  # pulses leave at every update: no room is needed
        (8, 2, 4, 32, 127),
        (8, 1, 2, 64, 127),
        (8, 7, 2, 1, 127),
        (32, 31, 10, 1, 2**31 - 1),
        (32, 2, 3, 2**29, 2**31 - 1),
        ("float", 2, 1, 1, DYADIC),
        ("float", 2, 3, 1, 4 * DYADIC),
        ("float", 0, 3, 1, DYADIC),
    ],
)
def test_headroom_is_taken_from_the_places_of_the_word(
    bits: int | Literal["float"], headroom: int, every: int, places: int, limit: float
) -> None:
    chi = stored({"bits": bits, "headroom_bits": headroom, "transfer_every": every})
    assert (chi.places, chi.limit) == (places, limit)


@pytest.mark.parametrize(("bits", "headroom"), [(2, 2), (4, 5), (31, 31), (1, 1)])
def test_headroom_as_long_as_the_word_is_refused_where_it_acts(bits: int, headroom: int) -> None:
    with pytest.raises(SettingError, match=f"headroom_bits = {headroom} must be below bits = {bits}"):
        AccumulatorSpec.parse({"bits": bits, "headroom_bits": headroom, "transfer_every": 2})
    assert AccumulatorSpec.parse({"bits": bits, "headroom_bits": headroom}).room_bits == 0


def test_a_word_has_a_place_left_below_the_longest_headroom() -> None:
    assert AccumulatorSpec.parse({"bits": 3, "headroom_bits": 2, "transfer_every": 2}).room_bits == 2
    assert AccumulatorSpec.parse({"bits": "float", "headroom_bits": 31, "transfer_every": 2}).room_bits == 31


@pytest.mark.parametrize(("bits", "place"), [(6, 1 / 8), (9, 1 / 64), ("float", 0.0)])
def test_a_word_at_either_end_keeps_the_limit_and_is_counted(bits: int | Literal["float"], place: float) -> None:
    """Two bits of room: a word of floats ends at 4 thresholds, one of integers a place below."""
    chi = stored({"bits": bits, "headroom_bits": 2, "transfer_every": 4}, (1, 3))
    limit = DYADIC * (4 - place)
    update = torch.tensor([[3 * DYADIC, -3 * DYADIC, 0.0]])
    events = Events()
    assert chi.add(update, events) is None
    assert chi.chi[0].tolist() == [3 * DYADIC, -3 * DYADIC, 0.0]
    assert events == Events()
    for times in (1, 2):
        assert chi.add(update, events) is None
        assert chi.chi[0].tolist() == [limit, -limit, 0.0]
        assert events == Events(chi_saturated=2 * times)
    pulses = chi.add(update, events)
    assert pulses is not None
    whole = math.trunc(4 - place)
    assert pulses[0].tolist() == [whole, -whole, 0]
    assert chi.chi[0].tolist() == [limit - whole * DYADIC, whole * DYADIC - limit, 0.0]
    assert events == Events(chi_saturated=6, chi_reads=3, chi_writes=2)


def test_a_word_exactly_at_its_end_has_lost_nothing() -> None:
    chi = stored({"bits": 6, "headroom_bits": 2, "transfer_every": 3}, (1, 2))
    events = Events()
    chi.add(torch.tensor([[31.0, -31.0]]) * DYADIC / 8, events)
    assert chi.word[0].tolist() == [31, -31]
    assert events.chi_saturated == 0
    chi.add(torch.tensor([[1.0, -1.0]]) * DYADIC / 8, events)
    assert chi.word[0].tolist() == [31, -31]
    assert events.chi_saturated == 2


@pytest.mark.parametrize("bits", [8, "float"])
@pytest.mark.parametrize(("most", "cells"), [(1, 1), (2, 1), (1, 3)])
def test_pulses_beyond_the_bound_stay_in_the_word_and_leave_later(
    bits: int | Literal["float"], most: int, cells: int
) -> None:
    spec = AccumulatorSpec.parse({"bits": bits, "max_pulses": most, "headroom_bits": 3})
    chi, events = Accumulator(spec, (1, 3), DYADIC, Stream(1), cells), Events()
    update, bound = torch.tensor([[5.5, -4.25, 0.75]]) * DYADIC, most * cells
    left = [5, 4, 0]
    while any(left):
        pulses = chi.add(update, events)
        assert pulses is not None
        expected = [min(own, bound) for own in left]
        assert pulses[0].tolist() == [expected[0], -expected[1], 0]
        left = [own - out for own, out in zip(left, expected, strict=True)]
        assert chi.chi[0].tolist() == [(left[0] + 0.5) * DYADIC, -(left[1] + 0.25) * DYADIC, 0.75 * DYADIC]
        update = torch.zeros(1, 3)
    assert events == Events()


def test_what_a_bound_leaves_saturates_at_the_end_of_the_word() -> None:
    """One bit of room: a word of 6 bits ends a place below two thresholds of 16 places."""
    chi, events = stored({"bits": 6, "max_pulses": 1, "headroom_bits": 1}, (1, 2)), Events()
    pulses = chi.add(torch.tensor([[10.0, -1.5]]) * DYADIC, events)
    assert pulses is not None
    assert pulses[0].tolist() == [1, -1]
    assert chi.word[0].tolist() == [31, -8]
    assert events == Events(chi_saturated=1)


@modest
@given(
    bits=st.integers(6, 32),
    rounding=ROUNDINGS,
    every=st.integers(2, 4),
    updates=st.lists(
        st.lists(st.floats(-0.171875, 0.171875, width=32), min_size=4, max_size=4), min_size=1, max_size=9
    ),
)
def test_late_transfers_conserve_every_rounded_update_exactly(
    bits: int, rounding: Rounding, every: int, updates: list[list[float]]
) -> None:
    """At most 4 updates of 1.375 thresholds and a remainder: less than the 8 thresholds of three bits of room."""
    chi = stored({"bits": bits, "rounding": rounding, "headroom_bits": 3, "transfer_every": every})
    draws, scale = Stream(1), np.float32(2 ** (bits - 4) / DYADIC)
    events, total, taken = Events(), [0] * 4, [0] * 4
    for number, update in enumerate(updates, 1):
        exact = [np.float32(value) * scale for value in update]
        if rounding == "nearest":
            steps = [round(float(value)) for value in exact]
        else:
            chances = draws.next_uniform(4).numpy()
            steps = [math.floor(value + chance) for value, chance in zip(exact, chances, strict=True)]
        total = [a + b for a, b in zip(total, steps, strict=True)]
        pulses = chi.add(torch.tensor([update]), events)
        assert (pulses is None) == (number % every != 0)
        if pulses is not None:
            held = [a - b for a, b in zip(total, taken, strict=True)]
            assert pulses[0].tolist() == [math.trunc(Fraction(value, chi.places)) for value in held]
            taken = [a + chi.places * b for a, b in zip(taken, pulses[0].tolist(), strict=True)]
        assert chi.word[0].tolist() == [a - b for a, b in zip(total, taken, strict=True)]
    assert chi.updates == len(updates)
    assert events.chi_saturated == 0


@pytest.mark.parametrize("every", [2, 3, 7])
def test_a_late_transfer_equals_the_transfer_of_the_sum_at_once(every: int) -> None:
    """A word of 12 bits with 3 of room has the places of one of 9 bits without."""
    late = stored({"bits": 12, "headroom_bits": 3, "transfer_every": every}, (5, 4))
    at_once = stored({"bits": 9}, (5, 4))
    assert late.places == at_once.places == 256
    draws = torch.Generator().manual_seed(4)
    for _ in range(20):
        steps = torch.randint(-200, 201, (every, 5, 4), generator=draws) * (DYADIC / 256)
        events = Events()
        answers = [late.add(step, events) for step in steps]
        assert [answer is None for answer in answers] == [True] * (every - 1) + [False]
        assert events.chi_saturated == 0
        assert torch.equal(answers[-1], at_once.add(steps.sum(dim=0)))
        assert torch.equal(late.word, at_once.word)
        assert events.chi_reads == 20
        assert events.chi_writes == int(torch.count_nonzero(answers[-1]))


@modest
@given(
    every=st.integers(2, 4),
    updates=st.lists(
        st.lists(st.floats(-0.171875, 0.171875, width=32), min_size=4, max_size=4), min_size=1, max_size=9
    ),
)
def test_late_transfers_of_floats_conserve_the_sum_to_rounding(every: int, updates: list[list[float]]) -> None:
    chi = stored({"bits": "float", "headroom_bits": 3, "transfer_every": every})
    events, pulses = Events(), torch.zeros(1, 4, dtype=torch.int64)
    for update in updates:
        left = chi.add(torch.tensor([update]), events)
        if left is not None:
            pulses += left
            assert float(chi.word.abs().max()) < DYADIC * (1 + 1e-5)
    kept = pulses.double() * DYADIC + chi.word.double()
    assert kept[0].tolist() == pytest.approx([sum(c) for c in zip(*updates, strict=True)], abs=1e-5)
    assert events.chi_saturated == 0


def pattern_of(word: float, bits: int | Literal["float"]) -> str:
    """Return the bits that a memory holds, lowest first: two's complement, or single precision."""
    if bits == "float":
        return f"{struct.unpack('<I', struct.pack('<f', word))[0]:032b}"[::-1]
    return f"{int(word) % 2**bits:0{bits}b}"[::-1]


def flips_between(words: list[list[float]], bits: int | Literal["float"]) -> list[list[int]]:
    """Return how often each bit of each word changed along a history of words, counted one by one."""
    counts: list[list[int]] = []
    for history in zip(*words, strict=True):
        patterns = [pattern_of(word, bits) for word in history]
        counts.append([sum(a[n] != b[n] for a, b in itertools.pairwise(patterns)) for n in range(len(patterns[0]))])
    return counts


@pytest.mark.parametrize("bits", [1, 2, 7, 31, 32, "float"])
@pytest.mark.parametrize("rounding", ["nearest", "stochastic", "toward_zero"])
def test_changed_bits_of_words_in_pcm_are_counted_one_by_one(bits: int | Literal["float"], rounding: str) -> None:
    chi = stored({"bits": bits, "storage": "pcm", "rounding": rounding}, (1, 6), THRESHOLD)
    draws = torch.Generator().manual_seed(8)
    words, events = [chi.word[0].tolist()], Events()
    for _ in range(60):
        chi.add(0.2 * torch.rand((1, 6), generator=draws) - 0.1, events)
        words.append(chi.word[0].tolist())
    expected = flips_between(words, bits)
    assert chi.flips is not None
    assert chi.flips.shape == (1, 6, 32 if bits == "float" else bits)
    assert chi.flips[0].tolist() == expected
    assert events == Events(chi_flips=sum(map(sum, expected)))
    assert (events.chi_flips > 0) == (bits != 1)  # one bit keeps nothing


@pytest.mark.parametrize("bits", [8, "float"])
def test_a_late_transfer_writes_a_word_twice(bits: int | Literal["float"]) -> None:
    """The sum is stored, then what remains of it; all words are exact, so that the first can be had from the second."""
    chi = stored({"bits": bits, "storage": "pcm", "transfer_every": 3, "headroom_bits": 2}, (1, 6))
    draws = torch.Generator().manual_seed(9)
    words, events = [chi.word[0].tolist()], Events()
    for _ in range(60):
        pulses = chi.add(torch.randint(-30, 31, (1, 6), generator=draws) * (DYADIC / 32), events)
        rest = chi.word[0].tolist()
        if pulses is not None:
            worth = DYADIC if bits == "float" else chi.places
            words.append([r + p * worth for r, p in zip(rest, pulses[0].tolist(), strict=True)])
        words.append(rest)
    assert events.chi_saturated == 0
    assert chi.flips is not None
    assert chi.flips[0].tolist() == flips_between(words, bits)
    assert events.chi_flips == int(chi.flips.sum()) > 0


def test_the_sign_of_a_small_word_flips_all_higher_bits_in_twos_complement() -> None:
    chi = stored({"bits": 5, "storage": "pcm"}, (1, 1))
    chi.add(torch.tensor([[DYADIC / 16]]))  # 00001
    chi.add(torch.tensor([[-2 * DYADIC / 16]]))  # 11111
    assert chi.flips is not None
    assert chi.flips[0, 0].tolist() == [1, 1, 1, 1, 1]


@pytest.mark.parametrize("bits", [8, "float"])
@pytest.mark.parametrize("every", [1, 3])
def test_storage_that_does_not_wear_counts_no_flips_and_changes_no_word(
    bits: int | Literal["float"], every: int
) -> None:
    runs = {
        storage: stored({"bits": bits, "storage": storage, "transfer_every": every}, (1, 6))
        for storage in ("sram", "dram", "pcm")
    }
    counts = {storage: Events() for storage in runs}
    draws = torch.Generator().manual_seed(10)
    for _ in range(10):
        update = 0.3 * torch.rand((1, 6), generator=draws) - 0.15
        pulses = [chi.add(update, counts[storage]) for storage, chi in runs.items()]
        assert (pulses[0] is None) == (pulses[2] is None)
        if pulses[0] is not None:
            assert torch.equal(pulses[0], pulses[1])
            assert torch.equal(pulses[0], pulses[2])
    assert torch.equal(runs["sram"].word, runs["pcm"].word)
    assert torch.equal(runs["dram"].word, runs["pcm"].word)
    assert runs["sram"].flips is None
    assert runs["dram"].flips is None
    assert counts["sram"] == counts["dram"]
    assert counts["sram"].chi_flips == 0
    assert counts["pcm"].chi_flips > 0


@pytest.mark.parametrize(
    ("rounding", "mean", "variance"),
    [("nearest", 0.0, 1 / 12), ("stochastic", 0.0, 1 / 6), ("toward_zero", -0.5, 1 / 12)],
)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_error_of_a_rounding_has_its_closed_form(rounding: str, mean: float, variance: float, sign: float) -> None:
    """Updates evenly spread over four places: the error along the update is uniform where it follows from the update.

    Stochastic rounding of a fraction f has the variance f (1 - f), 1/6 on the average. z = 5: over seeds, one of these
    six checks in 1.7 million would fail.
    """
    number = 100_000
    chi = stored({"bits": 16, "rounding": rounding}, (1, number))
    places = sign * 4.0 * torch.rand((1, number), generator=torch.Generator().manual_seed(11))
    chi.add(places * (DYADIC / chi.places))  # exact: a power of two
    along = sign * (chi.word.double() - places.double())
    assert abs(float(along.mean()) - mean) < 5 * math.sqrt(variance / number)
    assert float(along.abs().max()) <= (0.5 if rounding == "nearest" else 1.0)


@pytest.mark.parametrize("fraction", [0.05, 0.999, -0.7])
def test_rounding_toward_zero_loses_every_fraction_of_a_place(fraction: float) -> None:
    chi = stored({"bits": 8, "rounding": "toward_zero"})
    for _ in range(100):
        chi.add(torch.full((1, 4), fraction * DYADIC / 128))
    assert torch.count_nonzero(chi.word) == 0
    chi.add(torch.tensor([[2.9, -2.9, 1.0, -1.0]]) * (DYADIC / 128))
    assert chi.word[0].tolist() == [2, -2, 1, -1]


def test_many_late_transfers_of_stochastic_words_stay_unbiased() -> None:
    """20 updates of 0.3 places: mean 6, variance 20 * 0.3 * 0.7; z = 5, one seed in 1.7 million would fail."""
    number = 100_000
    chi = stored({"bits": 8, "rounding": "stochastic", "transfer_every": 5}, (1, number))
    kept = torch.zeros(1, number, dtype=torch.int64)
    for _ in range(20):
        pulses = chi.add(torch.full((1, number), 0.3 * DYADIC / chi.places))
        if pulses is not None:
            kept += pulses * chi.places
    kept += chi.word
    assert abs(float(kept.double().mean()) - 6.0) < 5 * math.sqrt(20 * 0.3 * 0.7 / number)
    assert abs(float(kept.double().var()) / (20 * 0.3 * 0.7) - 1) < 5 * math.sqrt(2 / number)
