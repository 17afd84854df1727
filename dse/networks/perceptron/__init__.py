"""A multilayer perceptron of sigmoid units, learned by compiled code."""
