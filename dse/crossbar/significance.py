"""Transfer between pairs of unequal significance: what the fine pair of a weight holds goes to a coarse one.

Ambrogio et al. (Nature 558:60, 2018) keep weights in a fine part that is updated and a coarse part in PCM, and move
them on now and then. Here both are pairs of the same cells. For every weight, at one time:

    read     the fine pair reads d; a coarse pair should move by d / ratio
    write    open loop, by the number of SET pulses whose mean response is nearest; where that is none, all stays
    look     the coarse pair is read before and after, and moved by m
    rest     the fine pair is erased, and d - ratio m is written there: the fine pair takes up what coarse pulses missed

Every read has its noise, every pulse its scatter, history and wear, and all are counted with those of refreshes.
"""

import torch

from dse.crossbar.events import Events
from dse.crossbar.pairs import Missed, PairArray
from dse.crossbar.significance_spec import SignificanceSpec
from dse.crossbar.spec import RefreshSpec


def transfer(array: PairArray, spec: SignificanceSpec, now_s: float, events: Events, *, look: bool = False) -> Missed:
    """Move what the fine pairs hold to the coarse pair whose turn it is.

    Args:
        array: the pairs.
        spec: the rule; a ratio above 1.
        now_s: time, s.
        events: counts to add to.
        look: whether fine pairs are read at the end.

    Returns:
        What fine pairs lack, as they read at last; it is meant where `look` holds.
    """
    weights, rule = array.rows * array.cols, RefreshSpec(max_pulses=spec.max_pulses)
    coarse = weights * (1 + array.transfers % (array.pairs - 1))
    array.transfers += 1
    held = array.read_differences(torch.arange(weights), now_s, events)
    where = torch.nonzero(array.pulses_for(held / spec.ratio, rule)).squeeze(1)
    before = array.read_differences(coarse + where, now_s, events)
    array.write(coarse + where, held[where] / spec.ratio, rule, now_s, events)
    moved = array.read_differences(coarse + where, now_s, events) - before
    rest = torch.zeros(array.pairs * weights)
    rest[where] = held[where] - spec.ratio * moved
    return array.write_anew(where, rest, rule, now_s, events, look=look)
