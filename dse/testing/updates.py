"""What every update rule promises: it learns, repeats, gives a true account, and loses nothing when it is measured."""

from typing import Any, ClassVar

from dse.crossbar.events import EVENT_NAMES
from dse.crossbar.usage import WEAR_NAMES
from dse.spec import field_at, leaf_paths, meaning
from dse.testing.base import DesignContract, check_pauses, learner_of, losses, outcome_of
from dse.testing.networks import FINE


class UpdateContract(DesignContract):
    """What an update rule promises. `settings` are those of a network of torch modules."""

    idea = "UPDATES"
    settings: ClassVar[Any] = {
        "workload.dataset": "digits",
        "workload.images": 100,
        "network.name": "cnn",
        "network.width": 0.25,
        "training.epochs": 3,
        "training.batch_size": 10,
    }

    def chosen(self) -> dict[str, Any]:
        """Return the setting that chooses the rule."""
        return {"architecture": self.name}

    def test_it_has_the_tables_that_it_names_and_their_settings_say_what_they_are(self) -> None:
        """Hardware is that of rules on crossbars alone."""
        design = self.design()
        assert (design.device is not None) == self.variant.on_crossbars
        assert set(design.own_tables) == set(self.variant.tables)
        for table in self.variant.tables.values():
            assert [path for path in leaf_paths(table) if not meaning(field_at(path, table))] == []

    def test_it_learns_and_the_same_seed_gives_the_same_to_the_last_bit(self) -> None:
        """The loss falls."""
        design = self.design()
        found = outcome_of(design)
        assert losses(found)[-1] < losses(found)[0]
        assert outcome_of(design) == found
        assert losses(outcome_of(design, seed=1)) != losses(found)

    def test_it_learns_on_ideal_hardware(self) -> None:
        """Fine pulses, exact products, no noise and no drift; digital rules have nothing else."""
        fine = {path.replace(".", "__"): value for path, value in FINE.items()} if self.variant.on_crossbars else {}
        found = losses(outcome_of(self.design(**fine)))
        assert found[-1] < found[0]

    def test_the_account_holds_every_layer_with_what_happened_in_it(self) -> None:
        """Events and wear are what prices, lifetimes and objectives follow."""
        found = outcome_of(self.design())
        assert [layer.layer for layer in found.layers] == list(range(len(found.layers)))
        for layer in found.layers:
            assert set(EVENT_NAMES) <= set(layer.events)
            assert set(WEAR_NAMES) <= set(layer.wear)
            assert all(count >= 0 for count in layer.events.values())
            # Arrays beside those of the weights take no part in an inference.
            assert (layer.inference_bits > 0) == layer.infers
            if self.variant.on_crossbars:
                assert layer.cells == 2 * layer.rows * layer.cols
                assert layer.events["mvm_forward"] > 0
                pulses = layer.events["set_pulses_update"] + layer.events["set_pulses_refresh"]
                assert 0 < layer.wear["set_max"] <= pulses
                assert layer.mean_conductance_us is not None
            else:
                assert layer.cells == layer.wear["writes_max"] == 0
                assert layer.events["weight_writes"] > 0
                assert layer.events["macs_forward"] > 0

    def test_measuring_takes_nothing_from_the_training(self) -> None:
        """However often, and accounts in between; and what is counted stays."""
        design = self.design()
        learner, twin = learner_of(design), learner_of(design)
        assert learner.learn(0) == twin.learn(0)
        for _ in range(3):
            learner.measure(1.0)
            learner.usage()
        twin.measure(1.0)
        assert learner.learn(learner.samples) == twin.learn(twin.samples)
        for own in (learner, twin):
            own.measure(2.0)
        assert [layer.events for layer in learner.usage()] == [layer.events for layer in twin.usage()]

    def test_a_training_that_can_pause_goes_on_to_the_last_bit(self) -> None:
        """Descents with `state` and `restore` let it; `dse.pausing` says what they are."""
        check_pauses(self.design())

    def test_it_says_which_cells_hold_the_weights(self) -> None:
        """A deployment goes on from them; None for digital weights."""
        learner: Any = learner_of(self.design())
        learner.learn(0)
        learner.measure(1.0)
        (update,) = learner.updates
        held = update.held()
        assert (held is not None) == self.variant.on_crossbars
        assert held is None or len(held) == sum(layer.infers for layer in learner.usage())
