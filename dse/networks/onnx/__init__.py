"""Trained networks from ONNX files.

spec       settings
read       from the bytes of a file to a graph, and what is said where that fails
operators  what the nodes of a graph do
layers     nodes with weights that are known: modules that go on crossbars
program    a graph ready to run: what is known is computed, layers are made
module     the network: samples in, one output out
"""
