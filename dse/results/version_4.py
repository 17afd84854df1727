"""Version 4 of the schema, and the step from it to version 5.

Quantities and settings have other names since (`dse.renamed`). A design holds the settings of its own variants alone,
which changes its key. Metrics, curves and deployments are kept by name.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as typed_compute

from dse.designs.design import parse_design
from dse.designs.settings import FAMILIES, class_of, flatten, nest
from dse.errors import SettingError
from dse.renamed import QUANTITIES, setting
from dse.results import version_5
from dse.results.schema import CURVE, DEPLOYMENT, LAYER, MAP
from dse.spec import leaf_paths

pc = cast("Any", typed_compute)  # its types know no mixture of columns and scalars
Fields = list[tuple[str, pa.DataType]]
"""Names and types of columns."""
_TYPES: dict[str, pa.DataType] = {
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "string": pa.string(),
}


def _fields(text: str) -> Fields:
    """Return fields from "TYPE NAME NAME; TYPE NAME ..."."""
    groups = [group.split() for group in text.split(";")]
    return [(name, _TYPES[type_]) for type_, *names in groups for name in names]


_LAYERS = _fields(
    "int32 layer; int64 rows cols; int32 bias_rows places; bool infers; int64 cells; float64 inference_bits; "
    "int32 row_tiles column_tiles dac_bits dac_backward_bits adc_bits adc_backward_bits; float64 adc_range "
    "adc_backward_range; int32 chi_bits; string chi_storage; int32 operand_bits; float64 mean_conductance_us; "
    "int64 deployed_cells; int32 deployed_dac_bits deployed_adc_bits; float64 deployed_conductance_us; int64 "
    "mvm_forward mvm_backward line_drives_forward line_drives_backward; float64 drive_time_forward "
    "drive_time_backward; int64 dac_forward dac_backward adc_forward adc_backward adc_cut_forward "
    "adc_cut_backward partial_adds_forward partial_adds_backward set_pulses_update set_pulses_refresh resets "
    "refresh_reads refreshed_pairs chi_reads chi_writes chi_adds chi_saturated chi_flips macs_forward "
    "macs_backward macs_update weight_reads weight_writes activations set_pulses_deployment resets_deployment "
    "single_reads_deployment mvm_deployment; float64 drive_time_deployment; int64 dac_deployment adc_deployment; "
    "float64 wear_set_q50 wear_set_q90 wear_set_q99 wear_set_q999 wear_set_max wear_reset_q50 wear_reset_q90 "
    "wear_reset_q99 wear_reset_q999 wear_reset_max wear_flip_q50 wear_flip_q90 wear_flip_q99 wear_flip_q999 "
    "wear_flip_max wear_writes_max"
)
_CURVE = _fields(
    "int32 epoch; float64 loss validation_accuracy accuracy validation_bits_per_character bits_per_character "
    "validation_frechet_distance frechet_distance"
)
_DEPLOYMENTS = _fields(
    "string compensation; float64 time_s accuracy deviation validation_accuracy validation_deviation; int32 repetitions"
)
COLUMNS = pa.schema(
    [
        *_fields(
            "int64 trial seed; string origin state failure_kind failure design_key; int64 same_as; string parameters "
            "design; float64 accuracy validation_accuracy loss bits_per_character validation_bits_per_character "
            "frechet_distance validation_frechet_distance energy_per_image_j; int64 worst_writes worst_flips "
            "set_pulses reset_pulses weights cells; float64 programmed_accuracy accuracy_1d retained_accuracy "
            "validation_retained_accuracy retention_s inference_bits; int64 train_images; float64 simulated_time_s"
        ),
        ("layers", pa.list_(pa.struct(_LAYERS))),
        ("curve", pa.list_(pa.struct(_CURVE))),
        ("deployments", pa.list_(pa.struct(_DEPLOYMENTS))),
        *_fields(
            "string data_checksum cost_card study_key code packages host started_at; float64 wall_s; int32 attempts; "
            "string came_from"
        ),
    ],
    metadata={"dse_schema": "4"},
)
"""The columns of version 4."""
_OF_CURVE = {name: (name,) for name, _ in _CURVE if name != "epoch"}
_OF_DEPLOYMENT = {
    "accuracy": ("accuracy", "deviation"),
    "validation_accuracy": ("validation_accuracy", "validation_deviation"),
}


def table_to_5(table: pa.Table) -> pa.Table:
    """Return a table of version 4 as one of version 5."""
    columns_5 = version_5.COLUMNS
    columns: dict[str, Any] = {QUANTITIES.get(name, name): table[name] for name in table.column_names}
    designs = [_design(text) for text in table["design"].to_pylist()]
    columns |= {
        "design": [design for design, _ in designs],
        "design_key": [key for _, key in designs],
        "parameters": [json.dumps(_renamed(json.loads(str(text)))) for text in table["parameters"].to_pylist()],
        "metrics": [[]] * table.num_rows,
        "layers": _with_maps(_one(table["layers"])),
        "curve": _by_name(_one(table["curve"]), CURVE, _OF_CURVE),
        "deployments": _by_name(_one(table["deployments"]), DEPLOYMENT, _OF_DEPLOYMENT),
    }
    made = [_typed(columns[name], type_) for name, type_ in zip(columns_5.names, columns_5.types, strict=True)]
    return pa.Table.from_arrays(made, schema=columns_5)


def _typed(values: Any, type_: pa.DataType) -> Any:
    return pa.array(cast("list[Any]", values), type_) if isinstance(values, list) else values


def about_to_5(about: Mapping[str, Any]) -> dict[str, Any]:
    """Return what results of version 4 say of themselves as version 5 would.

    The key of the study cannot be made anew from this alone; `former_keys` says that it is that of before.
    """
    return {
        **about,
        "schema": 5,
        "objectives": _quantities(about["objectives"]),
        "parameters": [setting(path, warn=False) for path in about["parameters"]],
        "history": [{**e, "objectives": _quantities(e["objectives"])} for e in about.get("history", [])],
        "former_keys": [about["study_key"]],
    }


def _quantities(names: list[str]) -> list[str]:
    return [QUANTITIES.get(name, name) for name in names]


def migrate_design(old: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a design of version 4 as this version writes it; see `Design.as_dict`.

    Settings have their names of now, and a design those of its own data set and network alone.
    """
    return nest(_without_other_variants(_renamed(flatten(old))))


def _renamed(flat: Mapping[str, Any]) -> dict[str, Any]:
    return {setting(path, warn=False): value for path, value in flat.items()}


def _without_other_variants(flat: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that a design can have. Version 4 held those of all variants, the others at defaults."""
    if any(flat.get(family.path) not in family.names for family in FAMILIES if not family.card):
        return flat  # a variant that is not here: what it has is not known
    own = set(leaf_paths(class_of(flat)))
    return {path: value for path, value in flat.items() if path in own}


@lru_cache(maxsize=4096)
def _design(text: str | None) -> tuple[str | None, str | None]:
    """Return the content of a design as JSON, and its key; of one that this version refuses, a hash of the content."""
    if text is None:
        return None, None
    content = migrate_design(json.loads(text))
    try:
        design = parse_design(content)
    except SettingError:
        spelt = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return json.dumps(content), hashlib.sha256(spelt.encode()).hexdigest()[:20]
    return json.dumps(design.as_dict()), design.key


def _one(column: Any) -> Any:
    """Return a column in one piece."""
    return pa.concat_arrays(column.chunks) if column.num_chunks else _typed([], column.type)


def _with_maps(lists: Any) -> Any:
    """Return the layers of rows with maps for what has no column."""
    layers = lists.flatten()
    empty = _typed([[]] * len(layers), MAP)
    values = [empty if type_ is MAP else pc.struct_field(layers, name) for name, type_ in LAYER.items()]
    return _lists(pc.list_value_length(lists).to_numpy(zero_copy_only=False), values, LAYER)


def _by_name(lists: Any, entries: Mapping[str, pa.DataType], names: Mapping[str, tuple[str, ...]]) -> Any:
    """Return lists of points with a column a metric as lists of entries with its name.

    Args:
        lists: a list of points for each row.
        entries: what an entry holds: "name", "value", perhaps "deviation", and columns of the point.
        names: by metric the columns of its value and of its deviation.
    """
    points, ordered = lists.flatten(), sorted(names)
    count = len(points)
    known = [pc.is_valid(pc.struct_field(points, names[n][0])).to_numpy(zero_copy_only=False) for n in ordered]
    point, which = np.nonzero(np.stack(known, axis=1))
    values: dict[str, Any] = {"name": pc.take(pa.array(ordered), pa.array(which))}
    for place, column in enumerate(("value", "deviation")[: len(names[ordered[0]])]):
        together = pa.concat_arrays([pc.struct_field(points, names[n][place]) for n in ordered])
        values[column] = pc.take(together, pa.array(which * count + point))
    kept = pc.take(points, pa.array(point))
    made = [values[name] if name in values else pc.struct_field(kept, name) for name in entries]
    row = np.repeat(np.arange(len(lists)), pc.list_value_length(lists).to_numpy(zero_copy_only=False))
    return _lists(np.bincount(row[point], minlength=len(lists)), made, entries)


def _lists(lengths: np.ndarray, values: list[Any], entries: Mapping[str, pa.DataType]) -> Any:
    fields = [pa.field(name, type_) for name, type_ in entries.items()]
    structs = cast("Any", pa.StructArray).from_arrays(values, fields=fields)
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return cast("Any", pa.ListArray).from_arrays(pa.array(ends), structs)
