"""Where the settings of a design stand in its rows of the tables, as kernels name them; see `layout`."""

# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false, reportOperatorIssue=false
# What is in a kernel has the types of Triton, which annotations cannot say.

import triton.language as tl

from dse.kernel.accelerator.layout import COUNTS, INTEGERS, KEYS, NUMBERS

(
    BETA, BETA_SQUARED, G_MIN, G_MAX, MEAN_SLOPE, MEAN_OFFSET, MEAN_HISTORY, STD_SLOPE, STD_OFFSET, STD_HISTORY,
    WRITE_SCALE, FADE, DRIFT_REFERENCE, READ_SLOPE, READ_OFFSET, READ_SCALE, RESET_MEAN, RESET_STD, RESET_MIN,
    CHI_SCALE, THRESHOLD, FLOAT_LIMIT, LARGEST_UPDATE, REFRESH_THRESHOLD, REFRESH_DIFFERENCE, REFRESH_TOLERANCE,
) = map(tl.constexpr, range(len(NUMBERS)))  # fmt: skip
(
    DRIFTS, LINEAR, READS_ARE_NOISY, CHI_BITS, WORD_BITS, PLACES, WORD_LIMIT, ROUNDING, TRANSFER_EVERY, WEARS,
    MAX_PULSES, OVERFLOWS, MOST_PULSES, VERIFY_ROUNDS, KEEPS_MISSES, WRITE_KEY, REFRESH_KEY, RESET_KEY, CHI_KEY,
) = map(tl.constexpr, range(len(INTEGERS + KEYS)))  # fmt: skip
(
    SET_PULSES_UPDATE, SET_PULSES_REFRESH, RESETS, REFRESH_READS, REFRESHED_PAIRS, CHI_SATURATED, CHI_FLIPS, TOUCHED,
    TRANSFER_WRITES, STATUS, CULPRIT,
) = map(tl.constexpr, range(len(COUNTS) + 2))  # fmt: skip
NUMBERS_WIDE, INTEGERS_WIDE, COUNTS_WIDE = (
    tl.constexpr(len(own)) for own in (NUMBERS, INTEGERS + KEYS, (*COUNTS, "status", "culprit"))
)
