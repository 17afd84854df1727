"""Published experiments as short programs; run one with `python -m pipelines.NAME`."""
