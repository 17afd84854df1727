"""Tasks, cells, update rules and compensations of the framework keep their contracts."""

import numpy as np
import pytest

from dse.deployment.compensation import COMPENSATIONS
from dse.deployment.compensation.adabs import AdaBs
from dse.deployment.compensation.gdc import Gdc, GdcColumns
from dse.deployment.compensation.gdc_adabs import GdcAdaBs
from dse.deployment.compensation.none import Uncompensated
from dse.devices import CELLS
from dse.devices.spec import CellSpec
from dse.devices.two_way.linear_step import LinearStepCell
from dse.devices.two_way.soft_bounds import SoftBoundsCell
from dse.tasks import TASKS
from dse.tasks.generation.spec import Generation
from dse.tasks.language.spec import Language
from dse.tasks.recognition.spec import Recognition
from dse.tasks.regression.spec import Regression
from dse.testing import CellContract, CompensationContract, TaskContract, UpdateContract
from dse.updates import UPDATES
from dse.updates.mixed_precision.spec import MixedPrecision
from dse.updates.pulse_trains.spec import PulseTrains
from dse.updates.sgd.spec import Sgd
from dse.updates.tiki_taka.spec import TikiTaka
from dse.updates.training import NoTraining
from tests.contract.kept import not_held
from tests.data import needs_ptb

pytestmark = pytest.mark.one_in(8)  # of the variants that keep a promise

NORMALISED = {"architecture": "float", "workload.images": 40, "network.name": "resnet8", "network.width": 0.25,
              "training.epochs": 1, "training.batch_size": 10, "deployment.calibration_samples": 40}  # fmt: skip


class TestRecognition(TaskContract):
    variant = Recognition
    settings = {"network.name": "cnn", "network.width": 0.25, "workload.images": 100, "training.epochs": 2,
                "training.batch_size": 10}  # fmt: skip


@needs_ptb
class TestLanguage(TaskContract):
    variant = Language
    settings = {"network.name": "lstm", "network.hidden": [8], "workload.dataset": "ptb",
                "workload.train_characters": 2000, "workload.evaluation_characters": 200,
                "training.epochs": 2}  # fmt: skip


class TestGeneration(TaskContract):
    variant = Generation
    settings = {"network.name": "gan", "network.hidden": [16, 16], "workload.images": 100, "training.epochs": 4,
                "training.batch_size": 10}  # fmt: skip


class TestRegression(TaskContract):
    variant = Regression
    settings = {"network.name": "cnn", "network.width": 0.25, "workload.dataset": "arrays",
                "workload.file": "numbers.npz", "training.epochs": 4, "training.batch_size": 10}  # fmt: skip

    @pytest.fixture(autouse=True, scope="class")
    def file(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        """Images, and their mean brightness in both halves."""
        type(self).folder = tmp_path_factory.mktemp("numbers")
        x = np.random.Generator(np.random.PCG64(1)).random((80, 6, 6))
        np.savez(type(self).folder / "numbers.npz", x=x, y=np.stack([x[:, :3].mean((1, 2)), x[:, 3:].mean((1, 2))], 1))


class TestPcm(CellContract):
    variant = CellSpec
    card = "pcm_gst"


class TestLinearStep(CellContract):
    variant = LinearStepCell
    card = "ecram_tang2018"


class TestSoftBounds(CellContract):
    variant = SoftBoundsCell
    card = "reram_gong2018"


class TestPulseTrains(UpdateContract):
    variant = PulseTrains


class TestMixedPrecision(UpdateContract):
    variant = MixedPrecision


class TestSgd(UpdateContract):
    variant = Sgd


class TestTikiTaka(UpdateContract):
    variant = TikiTaka
    settings = {**UpdateContract.settings, "device.card": "ideal_two_way", "transfer.lines": 64, "transfer.part": 0.05,
                "training.epochs": 6}  # fmt: skip


class TestUncompensated(CompensationContract):
    variant = Uncompensated
    exact = False


class TestGdc(CompensationContract):
    variant = Gdc


class TestGdcColumns(CompensationContract):
    variant = GdcColumns


class TestAdaBs(CompensationContract):
    variant = AdaBs
    exact = False
    settings = NORMALISED


class TestGdcAdaBs(CompensationContract):
    variant = GdcAdaBs
    exact = False
    settings = NORMALISED


def test_every_other_variant_is_held_to_its_contract() -> None:
    learned = [own for own in TASKS if own.training is not NoTraining]
    held = ((TaskContract, learned), (CellContract, CELLS), (UpdateContract, UPDATES))
    held += ((CompensationContract, COMPENSATIONS),)
    assert [name for contract, variants in held for name in not_held(contract, variants)] == []
