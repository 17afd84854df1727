"""Fields are described by the strings below them, wherever their class is written."""

import linecache

from dse.spec import Spec

CELL = '''
from dse.spec import Spec

class Lamp(Spec):
    """A lamp."""

    watts: float = 1.0
    """Power, W."""
    colour: str = "red"
    hours: int = 3
    """Hours
    a day."""

def make():
    class Lamp(Spec):
        volts: float = 2.0
        """Voltage, V."""
    return Lamp

class Bulb(Lamp):
    watts: float = 5.0
    socket: str = "e27"
    """Its socket."""
'''


def described(name: str) -> dict[str, dict[str, str | None]]:
    """Run `CELL` as a notebook does and return the descriptions of its classes."""
    scope = {"__name__": name}
    exec(compile(CELL, name, "exec"), scope)
    classes = {"Lamp": scope["Lamp"], "Bulb": scope["Bulb"], "inner": scope["make"]()}
    return {
        key: {field: info.description for field, info in own.model_fields.items()}
        for key, own in classes.items()
        if issubclass(own, Spec)
    }


def test_a_class_in_a_cell_has_the_strings_below_its_fields(monkeypatch):
    name = "<cell of a notebook>"
    monkeypatch.setitem(linecache.cache, name, (len(CELL), None, CELL.splitlines(keepends=True), name))
    assert described(name) == {
        "Lamp": {"watts": "Power, W.", "colour": None, "hours": "Hours\na day."},
        "Bulb": {"watts": None, "colour": None, "hours": "Hours\na day.", "socket": "Its socket."},
        "inner": {"volts": "Voltage, V."},
    }


def test_a_class_without_source_has_none():
    assert described("<no source>") == {
        "Lamp": {"watts": None, "colour": None, "hours": None},
        "Bulb": {"watts": None, "colour": None, "hours": None, "socket": None},
        "inner": {"volts": None},
    }
