"""What can be chosen about a training: data, network, schedule, accumulator, time."""

import itertools
import math
from typing import Annotated, Literal, get_args

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import Strict, model_validator

from dse.spec import Spec

AccumulatorBits = Annotated[int, Ge(1), Le(32)] | Literal["float"]
PTB_CHARACTERS = 5_017_482
OperandBits = Annotated[int, Ge(2), Le(16)] | Literal["float"]


class WorkloadSpec(Spec):
    """The task. Its test images are never trained on; a part of its training images may be held out for the search."""

    dataset: Literal["digits", "mnist", "cifar10", "ptb"] = "digits"
    """"digits": scikit-learn's 1,797 images of 8x8 pixels; "mnist": 70,000 images of 28x28 pixels; "cifar10": 60,000
    colour images of 32x32 pixels; "ptb": 5,017,482 characters of the Penn Treebank, which has validation and test
    characters of its own. Wherever settings speak of images, they mean characters there."""
    validation: Annotated[float, Ge(0.0), Le(0.5)] = 0.25
    """Share of the training images held out, stratified by class, to measure validation_accuracy; 0 holds out none."""
    images: Annotated[int, Ge(20), Le(60_000)] | Literal["all"] = "all"
    """Training images to learn from, as many of each class, of those that are not held out; fewer than all make a
    scaled experiment."""
    train_characters: Annotated[int, Ge(2), Le(5_017_482)] | Literal["all"] = "all"
    """ptb: characters from the beginning of the text to learn from; fewer than all make a scaled experiment."""
    evaluation_characters: Annotated[int, Ge(33), Le(442_423)] | Literal["all"] = "all"
    """ptb: characters from the beginning of the validation and of the test text to measure on."""

    @property
    def train_samples(self) -> int:
        """Number of images, or of characters, to learn from."""
        if self.dataset == "ptb":
            return PTB_CHARACTERS if self.train_characters == "all" else self.train_characters
        return self._kept_images if self.images == "all" else self.images

    @property
    def _kept_images(self) -> int:
        images = {"digits": 1437, "mnist": 60_000, "cifar10": 50_000}.get(self.dataset, 60_000)
        return images - math.ceil(self.validation * images)

    @model_validator(mode="after")
    def _images_are_there(self) -> "WorkloadSpec":
        if self.images != "all" and self.images > self._kept_images:
            msg = f"images = {self.images}, and {self.dataset} has {self._kept_images} that are not held out"
            raise ValueError(msg)
        return self


ConvolutionalNetwork = Literal["cnn", "cnn9", "resnet8", "resnet14", "resnet20", "resnet32"]
CONVOLUTIONAL_NETWORKS: tuple[str, ...] = get_args(ConvolutionalNetwork)
"""Networks of convolutions, trained by `dse.tasks.deep`."""
DEEP_NETWORKS: tuple[str, ...] = (*CONVOLUTIONAL_NETWORKS, "lstm", "gan")
"""All networks whose layers are torch's, on crossbars through `dse.crossbar.analog`."""


class NetworkSpec(Spec):
    """The network: a multilayer perceptron with sigmoid units and a bias row in every layer, or a deep one."""

    name: Literal["perceptron", "lstm", "gan"] | ConvolutionalNetwork = "perceptron"
    """"perceptron"; "cnn": three convolutions; "cnn9": a plain network of nine layers; "resnet8" to "resnet32":
    residual networks, see `networks` for all of these; "lstm": stacked LSTM layers that predict characters, see
    `recurrent`; "gan": a generator of images and its discriminator, see `adversarial`."""
    hidden: Annotated[tuple[Annotated[int, Ge(1), Le(65536)], ...], MinLen(1), Strict(strict=False)] = (64,)
    """Units before the width multiplier: of each hidden layer of a perceptron; of each LSTM layer, [128, 128] by
    default; of each hidden layer of a generator, the discriminator has them in reverse, [128, 256] by default."""
    latent: Annotated[int, Ge(1), Le(65536)] = 64
    """Random inputs of a generator, normal with deviation 1."""
    width: Annotated[float, Gt(0.0), Le(64.0)] = 1.0
    """Width multiplier: a hidden layer has max(1, round(width * units)) units, or as many channels."""

    def layer_sizes(self, inputs: int, classes: int) -> list[tuple[int, int]]:
        """Return (rows, cols) of every layer's weights of a perceptron, bias rows included."""
        units = [inputs, *(self.widened(n) for n in self.hidden), classes]
        return [(a + 1, b) for a, b in itertools.pairwise(units)]

    def widened(self, units: int) -> int:
        """Return how many units or channels there are for a number before the multiplier."""
        return max(1, round(self.width * units))


class TrainingSpec(Spec):
    """Stochastic gradient descent, images in an order shuffled for every epoch.

    A perceptron learns by plain descent on half the squared error. Networks of convolutions and an lstm learn on the
    cross-entropy, a gan on `adversarial_loss`; on crossbars by plain descent, whose memory is the accumulator, and
    digitally also with momentum and weight decay.
    """

    epochs: Annotated[int, Ge(1), Le(10_000)] = 30
    """Passes over the training images."""
    batch_size: Annotated[int, Ge(1), Le(65536)] = 10
    """Images between two updates, or streams of text side by side; 128 by default for networks of convolutions, 16 for
    an lstm, 50 for a gan."""
    learning_rate: Annotated[float, Gt(0.0), Le(1e30)] = 2.0
    """Factor of the gradient, averaged over the mini-batch; by default 0.5 for networks of convolutions on crossbars,
    0.1 digitally, with momentum; 10 for an lstm; 0.1 for a gan."""
    schedule: Literal["constant", "cosine", "step"] = "constant"
    """Learning rate over the training: constant; falling to 0 along half a cosine, the default for deep networks;
    or a tenth after half of the epochs and a hundredth after three quarters."""
    momentum: Annotated[float, Ge(0.0), Lt(1.0)] = 0.0
    """Nesterov momentum of digital training; 0.9 by default for networks of convolutions."""
    weight_decay: Annotated[float, Ge(0.0), Le(1.0)] = 0.0
    """Added to the gradient in units of the weight, in digital training and for matrices of weights alone; 1e-4 by
    default for networks of convolutions."""
    augmentation: Literal["none", "crop_flip"] = "none"
    """"crop_flip" moves every training image by up to 4 pixels in both directions and mirrors half of them; the default
    for networks of convolutions on cifar10."""
    dropout: Annotated[float, Ge(0.0), Lt(1.0)] = 0.0
    """Share of the units switched off in training, "cnn9" behind each pooling and hidden linear layer; the others are
    scaled up to make up for them (Srivastava et al., JMLR 15:1929, 2014)."""
    sequence_length: Annotated[int, Ge(1), Le(65536)] = 1
    """Characters of each stream between two updates of an lstm, through which errors pass back; 32 by default there."""
    gradient_clip: Annotated[float, Gt(0.0), Le(1e6)] | Literal["none"] = "none"
    """Largest Euclidean norm of the gradient of an lstm over all its weights; a longer one is scaled down digitally
    before it enters the accumulators; 0.25 by default there."""
    adversarial_loss: Literal["hinge", "least_squares", "non_saturating"] = "non_saturating"
    """What generator and discriminator minimise; see `adversarial`."""
    discriminator_rate: Annotated[float, Gt(0.0), Le(1e6)] = 1.0
    """Learning rate of the discriminator in units of `learning_rate`, which is the generator's."""
    weight_noise: Annotated[float, Ge(0.0), Le(1.0)] = 0.0
    """Noise-aware digital training: deviation of the noise on the weights in units of a layer's largest weight, drawn
    for every mini-batch; gradients go to the clean weights (eta_tr of Joshi et al. 2020, 0.038 there)."""
    weight_noise_ramp_epochs: Annotated[int, Ge(0), Le(10_000)] = 0
    """Epochs over which this noise grows linearly to its full size."""
    clip_std: Annotated[float, Gt(0.0), Le(100.0)] | Literal["none"] = "none"
    """Digital weights are kept within so many of a layer's standard deviations after every update (alpha of Joshi et
    al. 2020, 2 there)."""

    def updates_of(self, images: int) -> int:
        """Return the number of updates of the training for so many training images or characters."""
        return self.epochs * math.ceil(images / (self.batch_size * self.sequence_length))


class AccumulatorSpec(Spec):
    """The digital accumulator chi of each weight, where updates gather until they are worth a pulse.

    The word is a signed fixed-point number whose magnitude ends at the threshold: its last place is worth
    threshold / 2^(bits - 1). With 1 bit nothing gathers, and every update is rounded to whole pulses. Where pulses
    leave only every few updates, `headroom_bits` of the word hold what exceeds the threshold, and a word at its end
    saturates.
    """

    bits: AccumulatorBits = 32
    """Length of the word, sign included; "float" keeps a 32-bit float."""
    rounding: Literal["nearest", "stochastic", "toward_zero"] = "nearest"
    """How an update is rounded to the last place of the word."""
    operand_bits: OperandBits = "float"
    """Resolution of the inputs and errors whose products update chi; "float" multiplies 32-bit floats. A
    perceptron quantises inputs in [0, 1] and errors relative to the largest of their sample, deep networks both
    relative to the largest of their sample."""
    epsilon: Annotated[float, Gt(0.0), Le(1e3)] = 1.0
    """Threshold in units of the granularity of a pulse: chi / threshold, cut to an integer, is the number of pulses."""
    transfer_every: Annotated[int, Ge(1), Le(10**9)] = 1
    """Updates (mini-batches) between two transfers of whole pulses to the cells."""
    headroom_bits: Annotated[int, Ge(0), Le(31)] = 2
    """Bits of the word above the threshold, where pulses do not leave at every update: the last place is then worth
    threshold / 2^(bits - 1 - headroom_bits), and a word (of floats, too) saturates at 2^headroom_bits thresholds, less
    one place for integers. These need at least one such bit."""
    storage: Literal["sram", "dram", "pcm"] = "sram"
    """What holds the words. In binary PCM every bit that changes, in two's complement, writes a cell and is counted."""
    inference: Literal["cells", "cells_and_accumulator"] = "cells"
    """What a deep network is measured with: the weights in the pairs alone, or with the accumulators
    added, as a second part of lower significance."""

    @property
    def room_bits(self) -> int:
        """Bits of the word above the threshold that act."""
        return 0 if self.transfer_every == 1 else self.headroom_bits

    @model_validator(mode="after")
    def _headroom_leaves_a_place(self) -> "AccumulatorSpec":
        if self.bits == "float" or self.transfer_every == 1:
            return self
        if self.headroom_bits == 0:
            msg = "headroom_bits = 0 would let no integer word reach the threshold between transfers; give at least 1"
            raise ValueError(msg)
        if self.headroom_bits >= self.bits:
            msg = f"headroom_bits = {self.headroom_bits} must be below bits = {self.bits}; lengthen the word"
            raise ValueError(msg)
        return self


class ClockSpec(Spec):
    """How simulated time runs, which drift and lifetime follow."""

    sample_time_s: Annotated[float, Gt(0.0), Le(1e6)] = 0.01
    """Time that one training image takes, s."""
    drift_every_samples: Annotated[int, Ge(1), Le(10**9)] = 1000
    """Training images between two evaluations of the drift; in between, only a pulse changes a conductance."""
