"""Searches that spend epochs where they matter: trainings that pause at rungs, and seeds where the front needs them.

schedule   of what kind a step is
record     what is known of a design
outlook    what its end is expected to be, given all that was seen
plan       who gets the step
"""
