"""Lines of arrays that layers leave unused: in the table, and in prices of what is stored as of what is simulated."""

from pathlib import Path
from typing import Any

import pytest

import dse

DESIGN: dict[str, Any] = {
    "network.name": "cnn",
    "network.width": 0.25,
    "training.epochs": 1,
    "training.batch_size": 20,
    "array.tile_rows": 20,
    "array.tile_columns": 6,
    "array.unused_lines": "present",
}
FEW = {"dataset": "digits", "images": 40}


@pytest.mark.slow
def test_stored_results_have_the_utilisation_and_the_areas_of_the_simulation(tmp_path: Path) -> None:
    study = dse.Study(
        name="unused",
        objectives=["accuracy", "crossbar_m2"],
        workload=FEW,
        design=DESIGN,
        controls={"own": {}},
        trials=0,
    )
    results = dse.run(study, tmp_path / "out", executor="local")
    found = dse.evaluate({**DESIGN, **{f"workload.{name}": value for name, value in FEW.items()}}, seed=0)
    # Layers of 9 x 4, 36 x 8, 72 x 16 and 17 x 10 weights, the last with a bias row, in tiles of 20 x 6.
    tiles = 1 + 2 * 2 + 4 * 3 + 1 * 2
    assert results.trials["utilisation"].to_list() == [found.metrics["utilisation"]]
    assert found.metrics["utilisation"] == pytest.approx((36 + 288 + 1152 + 170) / (tiles * 120))
    for name in ("cells_m2", "converters_m2", "area_m2"):
        assert results.price(columns=[name])[name].to_list() == [found.price()[name]]
    fitting = dse.evaluate(
        {**DESIGN, "array.unused_lines": "absent", "workload.dataset": "digits", "workload.images": 40}, seed=0
    )
    assert "utilisation" not in fitting.metrics
    assert (fitting.price()["cells_m2"] or 0.0) < (found.price()["cells_m2"] or 0.0)
    assert fitting.price()["forward_j"] == found.price()["forward_j"]
    together = dse.evaluate(
        {**DESIGN, "array.packing": "shared", "workload.dataset": "digits", "workload.images": 40}, seed=0
    )
    same = {name for name in found.metrics if name != "utilisation"}
    assert {name: together.metrics[name] for name in same} == {name: found.metrics[name] for name in same}
    assert together.price()["energy_j"] == found.price()["energy_j"]
    # 20 x 2 and 16 x 2 of the second layer stand beside 20 x 4 of the third.
    assert together.metrics["utilisation"] == pytest.approx(found.metrics["utilisation"] * tiles / (tiles - 2))
    assert together.price()["cells_m2"] == pytest.approx((found.price()["cells_m2"] or 0.0) * (tiles - 2) / tiles)
    assert (together.price()["converters_m2"] or 0.0) < (found.price()["converters_m2"] or 0.0)
