"""Compiled products of a network that only recognises, in the terms of `dse.compiled`."""
