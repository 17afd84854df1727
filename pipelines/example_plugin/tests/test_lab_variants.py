"""The variants of the package keep the contracts of their ideas. What else a closed form says of one belongs here, too.

`pytest` runs this wherever pcm-dse is installed; the package itself need not be.
"""

from dse.testing import (
    CellContract,
    CompensationContract,
    ImageDataContract,
    ImageNetworkContract,
    NetworkContract,
    SamplerContract,
    TaskContract,
    UpdateContract,
)
from lab_variants.autoencoder.spec import Autoencoder
from lab_variants.gdc_median import GdcMedian
from lab_variants.gratings import Gratings
from lab_variants.linear.spec import LinearCell
from lab_variants.manhattan import Manhattan
from lab_variants.mutation import Mutation
from lab_variants.reconstruction.spec import Reconstruction
from lab_variants.sign.spec import Sign
from lab_variants.vit.spec import Vit

FEW = {"workload.dataset": "gratings", "workload.images": 40, "training.epochs": 2, "training.batch_size": 10}
CODES = {**FEW, "network.name": "autoencoder"}


class TestVit(ImageNetworkContract):
    variant = Vit
    settings = {**FEW, "network.width": 0.25}
    unfit = ({"network.patch": 13},)


class TestAutoencoder(NetworkContract):
    variant = Autoencoder
    settings = CODES


class TestGratings(ImageDataContract):
    variant = Gratings


class TestReconstruction(TaskContract):
    variant = Reconstruction
    settings = CODES


class TestLinearCell(CellContract):
    variant = LinearCell
    card = "lab_ecram"


class TestManhattan(UpdateContract):
    variant = Manhattan


class TestSign(UpdateContract):
    variant = Sign


class TestGdcMedian(CompensationContract):
    variant = GdcMedian


class TestMutation(SamplerContract):
    variant = Mutation
