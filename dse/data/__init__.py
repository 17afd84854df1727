"""Data sets: each in a file of its own, listed here."""

from dse.data.arrays.spec import Arrays
from dse.data.base import AbstractData
from dse.data.cifar10 import Cifar10
from dse.data.digits import Digits
from dse.data.mnist import Mnist
from dse.data.ptb import PennTreebank
from dse.variants import Variants

DATA: Variants[type[AbstractData]] = Variants("DATA", Digits, Mnist, Cifar10, PennTreebank, Arrays)
"""All data sets; the first is the default of a study."""
