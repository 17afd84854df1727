"""Compiled passes over cells, in the terms of `dse.compiled`."""
