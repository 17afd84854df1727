"""Plug-ins: installed packages that bring variants, such as a network, a cell or a sampler, and cards.

A package offers itself under a name by an entry point of the group `dse.plugins` that names a module:

    [project.entry-points."dse.plugins"]
    lab-reram = "lab_reram"

The module lists its variants under the names of the ideas (`IDEAS`), such as `CELLS = (Reram,)`. If it is a package,
its folders `cards/cells`, `cards/programmed_cells` and `cards/costs` hold cards that go into the device library. A
study file names the plug-ins that it needs, `plugins = ["lab-reram"]`, and no other is loaded. Names are looked up
among the installed packages alone: no study file and no results lead to code by a path. What a plug-in computes depends
on its source, so its version is that of its package with a hash of all files of the package. Python imports a module
once a process: a plug-in whose files were edited since is refused, because the hash would be that of code that does not
run.
"""

from dse.plugins.ideas import IDEAS, Idea, base_of, name_of, names_of, variants_of
from dse.plugins.loading import (
    GROUP,
    adopt,
    all_loaded,
    changes,
    failed_in,
    installed,
    load,
    load_present,
    loaded,
    missing,
    pack,
    unload,
    version,
)
from dse.plugins.offers import Plugin
from dse.plugins.source import source_hash

__all__ = [
    "GROUP",
    "IDEAS",
    "Idea",
    "Plugin",
    "adopt",
    "all_loaded",
    "base_of",
    "changes",
    "failed_in",
    "installed",
    "load",
    "load_present",
    "loaded",
    "missing",
    "name_of",
    "names_of",
    "pack",
    "source_hash",
    "unload",
    "variants_of",
    "version",
]
