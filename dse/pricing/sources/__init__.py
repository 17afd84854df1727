"""Other people's models of components, from which a cost card can be written: the list of them."""

from dse.pricing.sources.base import AbstractSource
from dse.pricing.sources.hwcomponents import Hwcomponents
from dse.pricing.sources.zigzag import ZigZag

SOURCES: tuple[type[AbstractSource], ...] = (Hwcomponents, ZigZag)
