"""Quantities as people read them: four digits, energies and times with an SI prefix."""

PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M"}


def cell(name: str, value: object) -> str:
    """Return a value for people: four digits, energies with a prefix.

    Args:
        name: what it is a value of; its ending says the unit.
        value: the value; None for one that is missing.
    """
    if value is None:
        return "-"
    if isinstance(value, float):
        if name.endswith("_m2"):
            return f"{value * 1e6:.3g} mm2"
        if name.endswith(("_per_sample_s", "_per_inference_s")):
            return si(value, "s")
        return si(value, "J") if name.endswith("_j") else f"{value:.4g}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def counted(number: int, what: str) -> str:
    """Return a number of things, such as "1 design" and "2 designs"."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def all_tried(designs: int) -> str:
    """Return what is said of a study that has tried all designs of its space."""
    return f"the space has {counted(designs, 'design')}; all were tried"


def si(value: float, unit: str) -> str:
    """Return a quantity with an SI prefix, such as "12.3 nJ"."""
    if value == 0:
        return f"0 {unit}"
    for exponent in sorted(PREFIXES, reverse=True):
        if abs(value) >= 10.0**exponent:
            return f"{value / 10.0**exponent:.3g} {PREFIXES[exponent]}{unit}"
    return f"{value:.3g} {unit}"
