"""A simulation that costs nothing, for tests and benchmarks of the machinery around simulations.

Its objectives are a closed form of the parameters, so that every row of a table can be checked. The table has the size
of a real one: two layers with all their counts, and a curve.
"""

import json
from dataclasses import replace

from dse.crossbar.events import EVENT_NAMES, REAL_EVENTS
from dse.crossbar.usage import WEAR_NAMES, LayerUsage
from dse.designs.outcome import Outcome
from dse.tasks.curve import Epoch

STUDY = """
name = "free"
objectives = {objectives}
[workload]
dataset = "digits"
[space]
"accumulator.bits" = [4, 6, 8, 12, 16]
"accumulator.epsilon" = {{ low = 0.5, high = 4.0, log = true }}
"device.write_noise_scale" = {{ low = 0.0, high = 2.0 }}
"adc.bits" = {{ low = 4, high = 10 }}
"training.learning_rate" = {{ low = 0.5, high = 4.0, log = true }}
"network.width" = {{ low = 0.25, high = 1.5, step = 0.25 }}
[search]
sampler = "{sampler}"
seed = 1
lookahead = {lookahead}
[budget]
trials = {trials}
seeds = {seeds}
"""
OBJECTIVES = ("validation_accuracy", "loss", "worst_writes")


def study_text(trials, sampler="random", objectives=2, lookahead=64, seeds=1):
    return STUDY.format(
        objectives=json.dumps(OBJECTIVES[:objectives]),
        sampler=sampler,
        lookahead=lookahead,
        trials=trials,
        seeds=seeds,
    )


def values(design, seed):
    """Return validation accuracy, loss and worst writes of a design, given as nested tables."""
    rate, noise = design["training"]["learning_rate"], design["device"]["write_noise_scale"]
    epsilon, bits = design["accumulator"]["epsilon"], design["accumulator"]["bits"]
    width = design["network"]["width"]
    accuracy = 1.0 - 0.1 * (rate - 1.0) ** 2 / 9.0 - 0.1 * noise - 0.5 / bits - 0.01 * seed
    loss = (4.0 - rate) ** 2 / 12.0 + 0.2 * abs(epsilon - 1.5) + 1.0 / design["adc"]["bits"] + 0.1 * width
    return accuracy, loss, int(1000.0 / epsilon * width * (2.0 - noise / 2.0))


def sized(job):
    """As `free`, with cells in proportion to the width and wear in proportion to the writes of the closed form."""
    outcome = free(job)
    width = job.design.network.width
    wear = outcome.metrics["worst_writes"]
    layers = tuple(replace(e, cells=int(8000 * width), wear=dict.fromkeys(WEAR_NAMES, wear)) for e in outcome.layers)
    return replace(outcome, layers=layers)


def free(job):
    accuracy, loss, writes = values(job.design.as_dict(), job.seed)
    events = {name: 1000.0 if name in REAL_EVENTS else 1000 for name in EVENT_NAMES}
    layers = tuple(
        LayerUsage(
            layer=number,
            rows=65,
            cols=64,
            cells=8320,
            inference_bits=8320.0,
            events=events,
            wear=dict.fromkeys(WEAR_NAMES, 10.0),
            dac_bits=8,
            dac_backward_bits=8,
            adc_bits=job.design.adc.bits,
            adc_backward_bits=job.design.adc.bits,
            adc_range=1.0,
            adc_backward_range=1.0,
            chi_bits=8,
            chi_storage="sram",
            operand_bits=8,
            mean_conductance_us=3.0,
        )
        for number in range(2)
    )
    return Outcome(
        metrics={
            "accuracy": accuracy,
            "validation_accuracy": accuracy,
            "loss": loss,
            "worst_writes": writes,
            "worst_flips": 0,
            "set_pulses": 1000,
            "reset_pulses": 10,
            "weights": 8320,
            "cells": 16640,
        },
        train_samples=1000,
        simulated_time_s=10.0,
        layers=layers,
        curve=tuple(Epoch(epoch, loss, {"validation_accuracy": accuracy, "accuracy": accuracy}) for epoch in range(5)),
        data_checksum="0" * 64,
        epochs=5,
    )


def check(rows, trials, seeds=1):
    """Stop unless rows are those of a whole study, each once, with the values of the closed form."""
    expected = {(trial, seed) for trial in range(trials) for seed in range(seeds)}
    found = [(row["trial"], row["seed"]) for row in rows]
    if sorted(found) != sorted(expected):
        raise SystemExit(f"wrong: {len(found)} rows, {len(set(found))} different, {len(expected)} expected")
    for row in rows:
        if tuple(row[name] for name in OBJECTIVES) != values(json.loads(row["design"]), row["seed"]):
            raise SystemExit(f"wrong: trial {row['trial']} has other values than its design")
