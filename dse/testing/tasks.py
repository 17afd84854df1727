"""What every task promises: it measures what it says, in its range, the same each time."""

import math
from collections.abc import Mapping
from typing import Any

from dse.data.base import DataInfo
from dse.metric import Metric
from dse.testing.base import DesignContract, check_pauses, learner_of, losses, outcome_of

DEPLOYED: Mapping[str, Any] = {"deployment__times_s": [1.0, 86400.0, 1e6], "deployment__repetitions": 1}


class TaskContract(DesignContract):
    """What a task promises. `settings` name a network and a data set of it."""

    idea = "TASKS"

    def chosen(self) -> dict[str, Any]:
        """Return what trains digitally; the network of `settings` has the task."""
        return {"architecture": "float"}

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """What the task says that it measures."""
        return self.variant.metrics

    def expected(self, *, deployed: bool, held_out: bool) -> set[str]:
        """Return the metrics that are measured, those of a deployment or the others."""
        own = {name for name, metric in self.metrics.items() if metric.deployed == deployed}
        return own if held_out else {name for name in own if not name.startswith("validation_")}

    def test_the_small_design_has_the_task(self) -> None:
        """Its samples are of the kind that the task accepts."""
        design = self.design()
        assert design.task is self.variant
        assert issubclass(self.variant.accepts, DataInfo)
        assert isinstance(design.workload.info, self.variant.accepts)

    def test_every_metric_says_what_it_is_and_in_which_range(self) -> None:
        """Objectives, constraints and columns follow from that alone."""
        assert self.metrics
        for metric in self.metrics.values():
            assert metric.goal in ("maximise", "minimise")
            assert metric.unit
            assert metric.meaning
            assert metric.low < metric.high

    def test_what_is_measured_after_each_epoch_is_what_is_said_and_in_its_range(self) -> None:
        """No metric is missing, none is measured that nobody knows."""
        design = self.design()
        outcome = outcome_of(design)
        expected = self.expected(deployed=False, held_out=design.workload.held_out)
        for epoch in outcome.curve:
            assert set(epoch.metrics) == expected
            for name, value in epoch.metrics.items():
                assert math.isfinite(value)
                assert self.metrics[name].low <= value <= self.metrics[name].high
            assert math.isfinite(epoch.loss)

    def test_the_same_seed_gives_the_same_to_the_last_bit_and_another_one_does_not(self) -> None:
        """The order of samples, and whatever else is drawn, comes from the seed."""
        design = self.design()
        found = outcome_of(design)
        assert outcome_of(design) == found
        assert losses(outcome_of(design, seed=1)) != losses(found)

    def test_measuring_takes_nothing_from_the_training(self) -> None:
        """Metrics are the same when they are measured again, and the next epoch is, too."""
        design = self.design()
        learner, twin = learner_of(design), learner_of(design)
        assert learner.learn(0) == twin.learn(0)
        assert learner.measure(0.0) == learner.measure(0.0) == twin.measure(0.0)
        assert learner.learn(learner.samples) == twin.learn(twin.samples)

    def test_a_training_that_can_pause_goes_on_to_the_last_bit(self) -> None:
        """Learners with `state` and `restore` let it; `own_parts` says what a learner of modules owns."""
        check_pauses(self.design())

    def test_training_makes_something_better_of_what_is_measured(self) -> None:
        """Each metric knows which way that is."""
        design = self.design()
        learner = learner_of(design)
        before = dict(learner.measure(0.0))
        for epoch in range(design.training.passes):
            learner.learn(epoch * learner.samples)
        after = learner.measure(0.0)
        signs = {name: 1.0 if self.metrics[name].goal == "maximise" else -1.0 for name in before}
        assert [name for name, sign in signs.items() if sign * after[name] > sign * before[name]]

    def test_a_deployment_is_measured_or_has_no_effect(self) -> None:
        """A task without metrics of a deployment says so by `idle`."""
        design = self.design(**DEPLOYED)
        if any(metric.deployed for metric in self.metrics.values()):
            measured = outcome_of(design).metrics
            expected = self.expected(deployed=True, held_out=design.workload.held_out)
            assert expected <= set(measured)
            assert all(self.metrics[name].low <= measured[name] <= self.metrics[name].high for name in expected)
        else:
            assert design.key == self.design().key
