"""Layers on crossbars for any torch module: analog products in both directions, tiles, converters, event counts.

spec      what the arrays and converters of such layers are
passes    whole tensors through converters, and what that drives, in one pass each
base      `AnalogLayer`: what such layers share
factors   digital factors of the outputs, of layers, columns and tiles
convolution  torch's convolution and its gradients, kept from a fault below it
reads     read noise of products, and what calibrated converters look for
transposed  backward products through converters
products  their products as functions that torch differentiates
earlier   how earlier versions took products, for replays of their rows
over_time products of recurrent layers, a step after the other
layers    `AnalogLinear`, `AnalogConv2d`
digital   `DigitalLayer`: what counts layers that stay digital beside those on crossbars
convert   `on_crossbars`: puts the layers of a module on crossbars and says what is lost
"""

from dse.crossbar.analog.base import AnalogLayer, analog_layers, calibrate_on
from dse.crossbar.analog.convert import Placement, on_crossbars, placement_of
from dse.crossbar.analog.digital import DigitalLayer, weighted_layers
from dse.crossbar.analog.layers import AnalogConv2d, AnalogLinear
from dse.crossbar.analog.spec import Crossbars

__all__ = [
    "AnalogConv2d",
    "AnalogLayer",
    "AnalogLinear",
    "Crossbars",
    "DigitalLayer",
    "Placement",
    "analog_layers",
    "calibrate_on",
    "on_crossbars",
    "placement_of",
    "weighted_layers",
]
