"""Names of before: settings and quantities that are called otherwise now.

Whoever renames a setting, or moves it to another table, adds a line to `SETTINGS`; a quantity of a table or of a price
goes into `QUANTITIES`. Study files, the command line and stored results then go on working: a name that a user wrote is
taken, with one warning of the logger "dse.renamed" that says the new one; stored names are taken silently.
"""

import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

from dse.errors import SettingError

log = logging.getLogger(__name__)

SETTINGS: dict[str, str] = {
    "clock.image_time_s": "clock.sample_time_s",
    "clock.drift_every_images": "clock.drift_every_samples",
    "refresh.every_images": "refresh.every_samples",
    "adc.calibrate_every_images": "adc.calibrate_every_samples",
    "deployment.images_per_read": "deployment.samples_per_read",
    "deployment.calibration_images": "deployment.calibration_samples",
}
"""Path of a setting of a design, as it was -> as it is."""

_PHASES = ("forward", "backward", "update", "refresh", "deployment")
_PARTS_OF_A_SAMPLE = {
    "forward": "array dac adc partial_sums activations digital_macs digital_memory",
    "backward": "array dac adc partial_sums activations digital_macs digital_memory",
    "update": "chi_memory chi_adds outer_products set_pulses digital_macs digital_memory",
    "refresh": "array adc set_pulses reset_pulses",
    "deployment": "array dac adc set_pulses reset_pulses",
}
_ENERGIES = (
    "energy",
    *_PHASES,
    *sorted({part for parts in _PARTS_OF_A_SAMPLE.values() for part in parts.split()}),
    *(f"{phase}_{part}" for phase, parts in _PARTS_OF_A_SAMPLE.items() for part in parts.split()),
)
QUANTITIES: dict[str, str] = {
    "train_images": "train_samples",
    **{f"{name}_per_image_j": f"{name}_per_sample_j" for name in _ENERGIES},
    **{f"{name}_per_image_s": f"{name}_per_sample_s" for name in ("latency", *_PHASES)},
}
"""Column of a table or of a price, as it was -> as it is."""


def quantity(name: str, *, warn: bool = True) -> str:
    """Return what a quantity is called now; `warn` says so to a user who wrote the former name."""
    return _now(name, QUANTITIES, warn=warn)


def setting(path: str, *, warn: bool = True) -> str:
    """Return what a setting is called now; see `quantity`."""
    return _now(path, SETTINGS, warn=warn)


def _now(name: str, renamed: Mapping[str, str], *, warn: bool) -> str:
    if warn and name in renamed:
        _warn(name, renamed[name])
    return renamed.get(name, name)


@lru_cache(maxsize=1024)
def _warn(old: str, new: str) -> None:
    """Say a new name, once a process."""
    log.warning("%s is called %s now; the old name still works, but please write the new one", old, new)


def in_word(word: str) -> str:
    """Return a word of a query with the name of now; the word may begin with what a table adds, such as "ci95_"."""
    added, _, rest = word.partition("_")
    new = {**QUANTITIES, **SETTINGS}
    return new.get(word) or (f"{added}_{new[rest]}" if rest in new else word)


def hint(name: str) -> str:
    """Return "; it is called X now" for a name of before, or ""."""
    new = QUANTITIES.get(name) or SETTINGS.get(name)
    return f"; it is called {new} now" if new else ""


def settings(table: Mapping[str, Any], *, warn: bool = True) -> dict[str, Any]:
    """Return a table of settings, nested or with quoted paths, under the paths of now.

    Order is kept, which decides the proposals of a search. A setting that moved to another table comes before the one
    that it was in.

    Args:
        table: a table of a study file, such as [design] or [space].
        warn: say the new names.

    Raises:
        SettingError: a setting is given by both of its names.
    """
    found: dict[str, Any] = {}
    _collect(table, "", found, found, warn=warn)
    return found


def _collect(table: Mapping[str, Any], prefix: str, into: dict[str, Any], root: dict[str, Any], *, warn: bool) -> None:
    for key, value in table.items():
        path = prefix + key
        if path in SETTINGS:
            new = setting(path, warn=warn)
            _put(root if not new.startswith(prefix) else into, new.removeprefix(prefix), value, path)
        elif isinstance(value, Mapping):
            inner: dict[str, Any] = {}
            _collect(cast("Mapping[str, Any]", value), f"{path}.", inner, root, warn=warn)
            if inner or not value:
                _put(into, key, inner, path)
        else:
            _put(into, key, value, path)


def _put(table: dict[str, Any], key: str, value: Any, path: str) -> None:
    if key in table:
        old, new = (path, SETTINGS[path]) if path in SETTINGS else (_former(path), path)
        raise SettingError(f"{old} is called {new} now, and both are given; remove the former")
    table[key] = value


def _former(path: str) -> str:
    return next((old for old, new in SETTINGS.items() if new == path), path)


def in_study(tables: Mapping[str, Any], *, warn: bool = True) -> dict[str, Any]:
    """Return the tables of a study file with the names of now.

    Args:
        tables: the file as TOML gives it; what is not of the form it should be is left for others to refuse.
        warn: say the new names.

    Raises:
        SettingError: a setting is given by both of its names.
    """
    found = dict(tables)
    for name in ("design", "space", "free"):
        if isinstance(found.get(name), Mapping):
            found[name] = settings(found[name], warn=warn)
    if isinstance(found.get("first"), list):
        first = cast("list[Any]", found["first"])
        found["first"] = [
            settings(cast("Mapping[str, Any]", own), warn=warn) if isinstance(own, Mapping) else own for own in first
        ]
    if isinstance(found.get("controls"), Mapping):
        controls = cast("Mapping[str, Any]", found["controls"])
        found["controls"] = {
            name: settings(cast("Mapping[str, Any]", own), warn=warn) if isinstance(own, Mapping) else own
            for name, own in controls.items()
        }
    if isinstance(found.get("constraints"), Mapping):
        given = cast("Mapping[str, Any]", found["constraints"])
        found["constraints"] = bounds = dict[str, Any]()
        for name, bound in given.items():
            new = quantity(name, warn=warn)
            if new in bounds:
                raise SettingError(f"constraints.{new} is given by its former name, too; remove one of them")
            bounds[new] = bound
    if isinstance(found.get("objectives"), list):
        names = cast("list[Any]", found["objectives"])
        found["objectives"] = [quantity(name, warn=warn) if isinstance(name, str) else name for name in names]
    return found
