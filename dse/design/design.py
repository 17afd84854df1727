"""A design: one frozen, complete, checked choice of hardware and training, named by its content.

Settings are flat while they are gathered, {"accumulator.bits": 8}, and become a `Design` in `compose`, which is the
only place where defaults, cards and conditions meet. What `INACTIVE` lists is no part of a design where it cannot act:
with architecture "float" there is no accumulator, with ideal converters no range. So equal hardware has an equal key.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import model_validator

from dse.crossbar.spec import AdcSpec, ArraySpec, DacSpec, RefreshSpec
from dse.deployment.spec import DeploymentSpec, no_batch_norm
from dse.devices.card import read_cell, read_programmed_cell
from dse.devices.spec import CellSpec
from dse.errors import SettingError
from dse.spec import Spec, field_at
from dse.training.spec import (
    CONVOLUTIONAL_NETWORKS,
    DEEP_NETWORKS,
    AccumulatorSpec,
    ClockSpec,
    NetworkSpec,
    TrainingSpec,
    WorkloadSpec,
)

HARDWARE = ("device", "dac", "adc", "accumulator", "refresh", "clock")
DEFAULT_CARD = "pcm_gst"
DEFAULT_PROGRAMMED_CARD = "pcm_joshi2020"

Condition = Mapping[str, Any]
"""Settings with values, all of which must hold."""
_NO_REFRESH: Condition = {"refresh.every_samples": 0}
_NO_DRIFT: Condition = {"device.drift_exponent": 0.0, "device.drift_exponent_spread": 0.0}
_NO_ADC: tuple[Condition, ...] = (
    {"adc.bits": "ideal", "adc.backward_bits": "same"},
    {"adc.bits": "ideal", "adc.backward_bits": "ideal"},
)
_FIXED: Condition = {"adc.ranging": "fixed"}
_KEPT: Condition = {"architecture": "mixed_precision", "deployment.reprogram": False}
_ALONE: dict[str, Any] = {"deployment.compared": ("none",)}
_PROGRAMMED = "deployment.device."
_NO_PROGRAMMED_DRIFT: Condition = {f"{_PROGRAMMED}drift_scale": 0.0}
_ALIKE: Condition = {f"{_PROGRAMMED}drift_spread_scale": 0.0}
_WITHOUT: dict[str, tuple[str, ...]] = {
    "programming_noise_scale": ("programming_std_us", "programming_std_linear_us", "programming_std_quadratic_us"),
    "drift_scale": ("drift_mean_slope", "drift_mean_offset", "drift_mean_min", "drift_mean_max", "drift_spread_scale"),
    "read_noise_scale": ("read_noise_factor", "read_noise_exponent", "read_noise_max", "read_time_s"),
}
"""Knob of a programmed cell -> what has no effect where it is 0."""
_PERCEPTRON: Condition = {"network.name": "perceptron"}
_DEEP: tuple[Condition, ...] = tuple({"network.name": name} for name in DEEP_NETWORKS)
_CONVOLUTIONAL: tuple[Condition, ...] = tuple({"network.name": name} for name in CONVOLUTIONAL_NETWORKS)
_NOT_IMAGES: tuple[Condition, ...] = (_PERCEPTRON, {"network.name": "lstm"}, {"network.name": "gan"})
_TEXT: Condition = {"workload.dataset": "ptb"}
_IMAGES: tuple[Condition, ...] = tuple({"workload.dataset": name} for name in ("digits", "mnist", "cifar10"))
_DIGITAL: Condition = {"architecture": "float"}
_ON_CROSSBARS: Condition = {"architecture": "mixed_precision"}


def _all_but(network: str) -> tuple[Condition, ...]:
    return tuple({"network.name": name} for name in ("perceptron", *DEEP_NETWORKS) if name != network)


INACTIVE: dict[str, tuple[Condition, ...]] = {
    **dict.fromkeys(HARDWARE, (_DIGITAL,)),
    "array.pairs_per_weight": (_DIGITAL,),
    "array": tuple({**_DIGITAL, **deep} for deep in _DEEP),
    **dict.fromkeys(("workload.validation", "workload.images"), (_TEXT,)),
    **dict.fromkeys(("workload.train_characters", "workload.evaluation_characters"), _IMAGES),
    "network.hidden": _CONVOLUTIONAL,
    "array.conductance_per_weight_us": _DEEP,
    **dict.fromkeys(("training.sequence_length", "training.gradient_clip"), _all_but("lstm")),
    **dict.fromkeys(("network.latent", "training.adversarial_loss", "training.discriminator_rate"), _all_but("gan")),
    "training.dropout": _all_but("cnn9"),
    **{f"array.initial_{what}_us": _DEEP for what in ("std", "min", "max")},
    "training.schedule": (_PERCEPTRON,),
    "training.augmentation": _NOT_IMAGES,
    **dict.fromkeys(("array.conductance_per_std_us", "array.tile_rows", "array.tile_columns"), (_PERCEPTRON,)),
    "array.read_noise_per": (_PERCEPTRON, {"device.read_noise_scale": 0.0}),
    "accumulator.inference": (_PERCEPTRON,),
    **{
        f"training.{what}": (_PERCEPTRON, _ON_CROSSBARS)
        for what in ("momentum", "weight_decay", "weight_noise", "clip_std")
    },
    "training.weight_noise_ramp_epochs": (_PERCEPTRON, _ON_CROSSBARS, {"training.weight_noise": 0.0}),
    "device.reset_mean_us": ({**_NO_REFRESH, "device.stuck_reset_fraction": 0.0},),
    **{f"device.reset_{what}_us": (_NO_REFRESH,) for what in ("std", "min")},
    **{f"device.std_{what}": ({"device.write_noise_scale": 0.0},) for what in ("slope", "offset_us", "history_us")},
    **{f"device.read_noise_{what}": ({"device.read_noise_scale": 0.0},) for what in ("slope", "offset_us")},
    **{f"device.mean_{what}": ({"device.nonlinearity": 0.0},) for what in ("slope", "offset_us", "history_us")},
    **dict.fromkeys(("device.drift_reference_s", "clock.drift_every_samples"), (_NO_DRIFT,)),
    "accumulator.rounding": ({"accumulator.bits": "float"},),
    "accumulator.headroom_bits": ({"accumulator.transfer_every": 1},),
    "adc.range": ({"adc.bits": "ideal"},),
    "adc.backward_range": (_NO_ADC[0], {"adc.backward_bits": "ideal"}),
    "adc.ranging": _NO_ADC,
    "adc.calibrate_every_samples": (_FIXED, *_NO_ADC),
    "adc.headroom": (_FIXED, *_NO_ADC),
    "refresh.threshold_us": (_NO_REFRESH,),
    "refresh.difference_us": (_NO_REFRESH,),
    "refresh.max_pulses": (_NO_REFRESH,),
    "deployment": ({"network.name": "lstm"}, {"network.name": "gan"}),  # not deployed: neither recognises images
    "deployment.device": (_KEPT,),
    **{f"{_PROGRAMMED}{what}": ({f"{_PROGRAMMED}{knob}": 0.0},) for knob, names in _WITHOUT.items() for what in names},
    **{f"{_PROGRAMMED}drift_std_{what}": (_ALIKE, _NO_PROGRAMMED_DRIFT) for what in ("slope", "offset", "min", "max")},
    "deployment.samples_per_read": (_KEPT, {f"{_PROGRAMMED}read_noise_scale": 0.0}),
    "deployment.repetitions": ({**_KEPT, "device.read_noise_scale": 0.0},),
    "deployment.reprogram": (_DIGITAL,),
    **{f"deployment.{what}_bits": (_ON_CROSSBARS,) for what in ("dac", "adc")},
    **{f"deployment.tile_{what}": (_ON_CROSSBARS, _PERCEPTRON) for what in ("rows", "columns")},
    "deployment.gdc_vectors": tuple(_ALONE | {"deployment.compensation": how} for how in ("none", "adabs")),
    "deployment.calibration_samples": tuple(
        _ALONE | {"deployment.compensation": how} for how in ("none", "gdc", "gdc_columns")
    ),
}
"""Table or setting -> the conditions under any of which it has no effect."""
_TILED: dict[str, Any] = {
    "training.schedule": "cosine",
    "array.tile_rows": 256,
    "array.tile_columns": 256,
    "adc.ranging": "calibrated",
}
_CONVOLUTIONS: dict[str, Any] = {
    **_TILED,
    "training.batch_size": 128,
    "training.learning_rate": 0.5,
    "training.momentum": 0.9,
    "training.weight_decay": 1e-4,
}
DEFAULTS: dict[str, dict[str, Any]] = {
    **dict.fromkeys(CONVOLUTIONAL_NETWORKS, _CONVOLUTIONS),
    "lstm": {
        **_TILED,
        "network.hidden": [128, 128],
        "training.batch_size": 16,
        "training.sequence_length": 32,
        "training.learning_rate": 10.0,
        "training.gradient_clip": 0.25,
        "array.conductance_per_std_us": 0.5,
        "refresh.every_samples": 20_000,
        "adc.calibrate_every_samples": 20_000,
        "clock.drift_every_samples": 20_000,
    },
    "gan": {
        **_TILED,
        "network.hidden": [128, 256],
        "training.batch_size": 50,
        "training.learning_rate": 0.1,
    },
}
"""Network -> its defaults where these differ from those of a perceptron."""
DIGITAL_DEFAULTS: dict[str, Any] = {"training.learning_rate": 0.1}
"""And where networks of convolutions learn digitally, with momentum."""


class Design(Spec):
    """A complete design. Build one with `compose`; a variant is another call of it."""

    architecture: Literal["mixed_precision", "float"] = "mixed_precision"
    """"mixed_precision": PCM pairs with a digital accumulator; "float": digital float32 training, the control."""
    workload: WorkloadSpec = WorkloadSpec()
    """The task."""
    network: NetworkSpec = NetworkSpec()
    """The network."""
    training: TrainingSpec = TrainingSpec()
    """The schedule."""
    device: CellSpec | None = None
    """The PCM cell."""
    array: ArraySpec = ArraySpec()
    """How pairs of cells hold weights, and the initial weights, of a digital network too."""
    dac: DacSpec | None = None
    """Input converters."""
    adc: AdcSpec | None = None
    """Output converters."""
    accumulator: AccumulatorSpec | None = None
    """The accumulator chi."""
    refresh: RefreshSpec | None = None
    """Refresh of pairs near saturation."""
    clock: ClockSpec | None = None
    """Simulated time."""
    deployment: DeploymentSpec | None = None
    """Life after training; absent where no setting of it is given."""

    @model_validator(mode="after")
    def _hardware_matches_architecture(self) -> "Design":
        given = [table for table in HARDWARE if getattr(self, table) is not None]
        if self.architecture == "float" and given:
            msg = f'{", ".join(given)} cannot act where architecture = "float"'
            raise ValueError(msg)
        if self.architecture != "float" and len(given) < len(HARDWARE):
            msg = f"a design on crossbars needs {', '.join(t for t in HARDWARE if t not in given)}"
            raise ValueError(msg)
        return self

    @property
    def train_samples(self) -> int:
        """Images, or characters of text, that the training sees, repeats counted."""
        return self.training.epochs * self.workload.train_samples

    @property
    def programs(self) -> bool:
        """Whether fresh cells are programmed after the training."""
        return self.deployment is not None and (self.architecture == "float" or self.deployment.reprogram)

    @model_validator(mode="after")
    def _deployment_fits(self) -> "Design":
        if self.deployment is None:
            return self
        if self.programs != (self.deployment.device is not None):
            msg = "deployment.device belongs to a deployment that programs cells, and to no other"
            raise ValueError(msg)
        estimated = [how for how in self.deployment.compensations if how in ("adabs", "gdc_adabs")]
        if self.network.name == "perceptron" and estimated:
            raise ValueError(no_batch_norm(estimated[-1]))
        return self

    @model_validator(mode="after")
    def _network_fits_the_rest(self) -> "Design":
        if (self.network.name == "lstm") != (self.workload.dataset == "ptb"):
            msg = (
                f'network.name = "{self.network.name}" cannot learn workload.dataset = "{self.workload.dataset}": '
                + ('an lstm reads text; give "ptb"' if self.network.name == "lstm" else 'it is text; give "lstm"')
            )
            raise ValueError(msg)
        images, together = self.workload.train_samples, self.training.batch_size
        if self.network.name == "gan" and images % together == 1 % together:
            msg = (
                f"training.batch_size = {together} leaves a mini-batch of one of {images} images, and the "
                "normalisation of a gan needs two; give another"
            )
            raise ValueError(msg)
        if self.network.name == "lstm" and images <= together:
            msg = f"training.batch_size = {together} streams need more than the {images} characters of the workload"
            raise ValueError(msg)
        if self.training.weight_noise_ramp_epochs > self.training.epochs:
            msg = (
                f"training.weight_noise_ramp_epochs = {self.training.weight_noise_ramp_epochs} exceeds the "
                f"{self.training.epochs} epochs of the training"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _what_is_rare_happens_at_all(self) -> "Design":
        images = self.train_samples
        updates = self.training.updates_of(self.workload.train_samples)
        if self.accumulator is not None and self.accumulator.transfer_every > updates:
            msg = (
                f"accumulator.transfer_every = {self.accumulator.transfer_every} exceeds the {updates} updates of the "
                "training, so that no pulse would reach a cell"
            )
            raise ValueError(msg)
        if self.adc is not None and self.adc.ranging == "calibrated" and self.adc.calibrate_every_samples > images:
            msg = (
                f"adc.calibrate_every_samples = {self.adc.calibrate_every_samples} exceeds the {images} training images"
            )
            raise ValueError(msg)
        return self

    @cached_property
    def key(self) -> str:
        """A hash of the content, 20 hexadecimal digits, the same on every machine."""
        text = json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    def as_dict(self) -> dict[str, Any]:
        """Return the content as nested tables, without what is absent."""
        return _without_negative_zero(self.model_dump(mode="json", exclude_none=True))


def _without_negative_zero(value: Any) -> Any:
    """Return nested tables with 0.0 for -0.0: the two are equal and must be spelt alike in a key."""
    if isinstance(value, dict):
        return {key: _without_negative_zero(inner) for key, inner in cast("dict[str, Any]", value).items()}
    return value + 0.0 if isinstance(value, float) else value


def flatten(tables: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested tables as {dotted path: value}; lists are values.

    Raises:
        SettingError: a path is given twice, quoted ("a.b" = 1) and nested (a.b = 1).
    """
    flat: dict[str, Any] = {}
    for key, value in tables.items():
        inner = (
            flatten(cast("Mapping[str, Any]", value), f"{prefix}{key}.")
            if isinstance(value, Mapping)
            else {prefix + key: value}
        )
        for path in inner.keys() & flat.keys():
            raise SettingError(f"{path} is given twice, quoted and nested; remove one of them")
        flat |= inner
    return flat


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return {dotted path: value} as nested tables.

    Raises:
        SettingError: a path is both a value and a table.
    """
    tables: dict[str, Any] = {}
    for path, value in flat.items():
        *parents, leaf = path.split(".")
        place: dict[str, Any] = tables
        for parent in parents:
            inner: Any = place.setdefault(parent, {})
            if not isinstance(inner, dict):
                raise SettingError(f"{path}: {parent} is a value, not a table")
            place = cast("dict[str, Any]", inner)
        if leaf in place:
            raise SettingError(f"{path} is both a value and a table")
        place[leaf] = value
    return tables


def default_of(path: str) -> Any:
    """Return the default of a setting of a design."""
    return field_at(Design, path).default


def conditions(path: str) -> list[Condition]:
    """Return the conditions under any of which the setting at `path` has no effect."""
    parts = path.split(".")
    names = [".".join(parts[:length]) for length in range(1, len(parts) + 1)]
    return [condition for name in names for condition in INACTIVE.get(name, ())]


def completed(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return flat settings with the defaults that follow from the network and the workload."""
    name = str(settings.get("network.name", default_of("network.name")))
    own = dict(DEFAULTS.get(name, {}))
    if name in CONVOLUTIONAL_NETWORKS:
        own |= {"training.augmentation": "crop_flip"} if settings.get("workload.dataset") == "cifar10" else {}
        own |= DIGITAL_DEFAULTS if settings.get("architecture") == "float" else {}
    return {**own, **settings}


def active(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the flat settings that act, given each other, with the defaults that the network brings."""
    given = completed(settings)
    return {
        path: value
        for path, value in given.items()
        if not any(
            all(given.get(other, default_of(other)) == off for other, off in condition.items())
            for condition in conditions(path)
        )
    }


def compose(settings: Mapping[str, Any], folder: Path | None = None, where: str = "") -> Design:
    """Return the design for flat settings; what is not given takes its default.

    Settings that other settings switch off are left out, so that designs that differ in them alone are equal.

    Args:
        settings: {dotted path: value}.
        folder: where card files are looked for; the current folder by default.
        where: what to call the origin of the settings in an error.

    Raises:
        SettingError: naming every wrong setting, what came and what is allowed.
    """
    for path in settings:
        field_at(Design, path)
    acting = active(settings)
    tables = nest(acting)
    if is_deployed(acting):
        _complete(tables.setdefault("deployment", {}), tables.get("architecture", default_of("architecture")), folder)
    if tables.get("architecture") != "float":
        for table in HARDWARE:
            tables.setdefault(table, {})
        card = tables["device"].get("card", DEFAULT_CARD)
        if not isinstance(card, str):
            raise SettingError(f"device.card = {card!r} is not allowed; give the name of a card, as a string")
        cell = _cell(card, folder)
        tables["device"] = {**cell, **tables["device"], "card": cell["card"]}
        for table in ("dac", "adc"):
            _name_once(tables[table], default_of(f"{table}.bits"))
    return Design.parse(tables, where)


def is_deployed(settings: Iterable[str]) -> bool:
    """Return whether some of the settings, given by their paths, are those of a deployment."""
    return any(path.startswith("deployment.") for path in settings)


def _complete(deployment: dict[str, Any], architecture: str, folder: Path | None) -> None:
    """Add the cell of a deployment that programs cells, in place."""
    if architecture == "float" or deployment.get("reprogram", default_of("deployment.reprogram")):
        given = deployment.get("device", {})
        card = given.get("card", DEFAULT_PROGRAMMED_CARD)
        if not isinstance(card, str):
            raise SettingError(
                f"deployment.device.card = {card!r} is not allowed; give the name of a card, as a string"
            )
        cell = _programmed_cell(card, folder)
        deployment["device"] = {**cell, **given, "card": cell["card"]}


def _name_once(converter: dict[str, Any], default: Any) -> None:
    """Leave out the resolution of backward converters that is spelt out and the same: equal hardware has one key."""
    if converter.get("backward_bits") == converter.get("bits", default):
        del converter["backward_bits"]


@lru_cache(maxsize=64)
def _programmed_cell(card: str, folder: Path | None) -> dict[str, Any]:
    return read_programmed_cell(card, folder)


@lru_cache(maxsize=64)
def _cell(card: str, folder: Path | None) -> dict[str, Any]:
    return read_cell(card, folder)
