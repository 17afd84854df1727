"""A picture of measured trains and the fit to them."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.errors import SettingError

MEASURED, MODEL = "#8a94a6", "#c2410c"
SHOWN = 40
"""Single cells that are drawn."""


def draw_fit(
    g_us: NDArray[np.float64], goodness: Sequence[dict[str, float]], title: str, faults: Sequence[str], path: Path
) -> None:
    """Draw single cells, mean and standard deviation of each pulse, and the model's.

    Args:
        g_us: conductances, uS, shape (cells, pulses + 1).
        goodness: mean and deviation of each pulse, measured and as the model has them.
        title: what stands above.
        faults: what is wrong with the fit, below the title.
        path: the file, PNG; one that is there is replaced.

    Raises:
        SettingError: it cannot be written.
    """
    import matplotlib as mpl  # noqa: PLC0415  half a second that other commands do without
    from matplotlib.figure import Figure  # noqa: PLC0415

    with mpl.rc_context(
        {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "text.parse_math": False}
    ):
        figure = Figure(figsize=(9.0, 3.8), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[2, 1])
        _draw_means(left, g_us, goodness)
        pulses = [row["pulse"] for row in goodness]
        right.plot(pulses, [row["std_us"] for row in goodness], "o", ms=3, color=MEASURED, label="measured")
        right.plot(pulses, [row["model_std_us"] for row in goodness], color=MODEL, label="model")
        right.set(xlabel="pulses", ylabel="standard deviation (uS)", ylim=(0, None))
        figure.suptitle(title + "".join(f"\nno fit: {fault[:110]}" for fault in faults), fontsize=9)
        _save(figure, path)


def _draw_means(panel: Any, g_us: NDArray[np.float64], goodness: Sequence[dict[str, float]]) -> None:
    pulses = np.array([row["pulse"] for row in goodness])
    columns = {name: np.array([row[name] for row in goodness]) for name in goodness[0]}
    panel.plot(pulses, g_us[:SHOWN].T, color=MEASURED, lw=0.4, alpha=0.5)
    for mean, std, color, marker, label in (
        ("mean_us", "std_us", MEASURED, "o", "measured, mean and standard deviation"),
        ("model_mean_us", "model_std_us", MODEL, "", "model"),
    ):
        low, high = columns[mean] - columns[std], columns[mean] + columns[std]
        panel.fill_between(pulses, low, high, color=color, alpha=0.2, lw=0)
        panel.plot(pulses, columns[mean], color=color, marker=marker, ms=3, lw=1.5, label=label)
    panel.set(xlabel="pulses", ylabel="conductance (uS)")
    panel.legend(frameon=False, loc="lower right")


def _save(figure: Any, path: Path) -> None:
    """Save beside and move there, so that a link in its place is replaced and not followed."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".png")
        os.close(handle)
        beside = Path(name)
        try:
            figure.savefig(beside, dpi=120)
            beside.chmod(0o644)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise SettingError(f"cannot write {path}: {error.strerror}") from None
