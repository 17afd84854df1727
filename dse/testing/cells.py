"""What every cell promises: pulses within its window, wear that counts them, draws that belong to cell and pulse."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from dse.devices.base import AbstractCell, Cells
from dse.streams import stream
from dse.testing.base import DesignContract, check_pauses, losses, outcome_of

CELLS = 400
TIMES_S = (0.0, 1.0, 1e3, 1e6, 1e9)
SIGMAS = 5.0
"""Standard errors within which a mean of many cells is taken for right; beyond lies one in a million."""


class CellContract(DesignContract):
    """What a cell promises.

    Attributes:
        card: a card of the cell, of the library or a file in `folder`.
        settings: settings of a small design whose network has to learn on such cells.
    """

    idea = "CELLS"
    card: ClassVar[str]
    settings: ClassVar[Any] = {
        "workload.dataset": "digits",
        "workload.images": 100,
        "network.hidden": [8],
        "training.epochs": 2,
    }

    def chosen(self) -> dict[str, Any]:
        """Return the setting that chooses the cell."""
        return {"device.card": self.card}

    @property
    def cell(self) -> AbstractCell:
        """The cell of the small design."""
        device = self.design().device
        assert device is not None
        assert type(device) is self.variant
        return device

    def fresh(self, count: int = CELLS) -> Cells:
        """Return fresh cells in the middle of the window; those that go up only, at its lower end."""
        cell = self.cell
        middle = 0.5 * (cell.g_min_us + cell.g_max_us)
        start = middle if cell.directions == "both" else cell.g_min_us
        return cell.cells(torch.full((count,), start), stream(0, "cell variation"))

    def pulses(self, number: int = 3) -> Tensor:
        """Return pulses for each of the cells, from 1 to a number of them; some of them down, if that can be."""
        count = 1 + torch.arange(CELLS) % number
        return torch.where(torch.arange(CELLS) % 2 == 0, count, -count) if self.cell.directions == "both" else count

    def test_pulses_stay_within_the_window(self) -> None:
        """However many they are."""
        for sign in (1, -1) if self.cell.directions == "both" else (1,):
            cells = self.fresh()
            for turn in range(20):
                cells.pulse(torch.arange(CELLS), torch.full((CELLS,), 10 * sign), float(turn), _noise())
            g = cells.conductance_us(20.0)
            low, high = self.cell.reach_us
            assert float(g.min()) >= low - 1e-4
            assert float(g.max()) <= high + 1e-4

    def test_wear_counts_every_pulse(self) -> None:
        """In both directions, and RESET pulses apart."""
        cells, chosen = self.fresh(), torch.arange(0, CELLS, 3)
        count = self.pulses()[chosen]
        assert cells.pulse(chosen, count, 0.0, _noise()) == int(count.abs().sum())
        expected = torch.zeros(CELLS, dtype=torch.int64)
        expected[chosen] = count.abs()
        assert torch.equal(cells.wear()["set"], expected)
        assert not cells.wear()["reset"].any()
        if self.cell.directions == "up":
            assert cells.reset(chosen, 1.0, _noise()) == len(chosen)
            assert torch.equal(cells.wear()["reset"], (expected > 0).to(torch.int64))
            assert torch.equal(cells.wear()["set"], expected)

    def test_the_same_pulses_give_the_same_to_the_last_bit_in_any_order(self) -> None:
        """A draw belongs to a cell and to a pulse of its life."""
        count, order = self.pulses(), torch.randperm(CELLS, generator=torch.Generator().manual_seed(3))
        together, apart = self.fresh(), self.fresh()
        for turn in range(3):
            together.pulse(torch.arange(CELLS), count, float(turn), _noise())
            for part in (order[:150], order[150:]):
                apart.pulse(part, count[part], float(turn), _noise())
        assert torch.equal(together.conductance_us(5.0), apart.conductance_us(5.0))

    def test_the_mean_of_many_cells_is_what_the_cell_says_of_itself(self) -> None:
        """Both ways: steps up and down from the middle are the granularity on average. Up only: the mean response.

        A refresh writes pairs by that response, and the threshold of accumulators is in units of the granularity.
        """
        count, cell = 4000, self.cell
        cells = self.fresh(count)
        if cell.directions == "both":
            ends = [self.fresh(count) for _ in range(2)]
            for own, sign in zip(ends, (1, -1), strict=True):
                own.pulse(torch.arange(count), torch.full((count,), sign), 0.0, _noise())
            up, down = (own.conductance_us(0.0) for own in ends)
            self.check_mean(0.5 * (up - down), cell.granularity_us)
            return
        cells.reset(torch.arange(count), 0.0, stream(2, "reset"))
        for expected in cell.mean_response_us(6):
            self.check_mean(cells.conductance_us(0.0), expected)
            cells.pulse(torch.arange(count), torch.ones(count, dtype=torch.int64), 0.0, _noise())

    def check_mean(self, values: Tensor, expected: float) -> None:
        """Check a mean by its standard error, and to a fifth of a step: the response is that of a mean cell."""
        error = float(values.double().std()) / len(values) ** 0.5
        assert abs(float(values.double().mean()) - expected) <= SIGMAS * error + 0.2 * self.cell.granularity_us

    def test_conductances_are_finite_at_all_times_and_reading_changes_none(self) -> None:
        """So is the standard deviation of a read."""
        cells = self.fresh()
        cells.pulse(torch.arange(CELLS), self.pulses(), 0.0, _noise())
        for time_s in TIMES_S:
            g = cells.conductance_us(time_s).clone()
            assert g.shape == (CELLS,)
            assert torch.isfinite(g).all()
            assert float(g.min()) >= 0.0
            assert torch.equal(cells.conductance_us(time_s), g)
            std = cells.read_noise_std_us(g)
            assert std is None or bool((torch.isfinite(std) & (std >= 0.0)).all())

    def test_a_training_that_can_pause_goes_on_to_the_last_bit(self) -> None:
        """Cells with `state` and `restore` let it; `dse.pausing` says what they are."""
        check_pauses(self.design())

    def test_a_network_learns_on_such_cells_and_repeats_to_the_last_bit(self) -> None:
        """By the way of every design."""
        design = self.design()
        found = outcome_of(design)
        assert losses(found)[-1] < losses(found)[0]
        assert outcome_of(design) == found
        for layer in found.layers:
            assert layer.cells == 2 * layer.rows * layer.cols
            assert 0 < layer.wear["set_max"] <= layer.events["set_pulses_update"] + layer.events["set_pulses_refresh"]


def _noise() -> Any:
    return stream(1, "write noise")
