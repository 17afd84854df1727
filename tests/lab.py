"""The example of a plug-in, `pipelines/example_plugin`, in a process of tests."""

import importlib
from collections.abc import Generator
from contextlib import contextmanager

from dse import plugins
from tests.studies import ROOT

FOLDER = ROOT / "pipelines" / "example_plugin"
CARD = FOLDER / "lab_variants" / "cards" / "cells" / "lab_ecram.toml"


@contextmanager
def lab() -> Generator[plugins.Plugin]:
    """Give the plug-in, loaded under the name of its module though it is not installed; it is gone afterwards."""
    own = plugins.adopt(importlib.import_module("lab_variants"))
    try:
        yield own
    finally:
        plugins.unload(own.name)
