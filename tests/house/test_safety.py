"""What is read from a study, a card or results is data: nothing in the framework can run it as code."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "dse").rglob("*.py"))
MODULES = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "yaml", "ruamel"}
CALLS = {"eval", "exec", "compile", "__import__"}
COMPILED = {"dse/kernel/kept.py": ["pickle"]}
"""Compiled functions are code, whatever holds them: they lie in a folder that nobody else may write to; see
`tests/house/test_compiled_cache.py`."""
METHODS = {("torch", "load"), ("np", "load"), ("numpy", "load"), ("pd", "read_pickle")}


def unsafe(source):
    """Return what in a source could turn data into code."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in MODULES:
            found.append(node.module)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            found.append(node.func.id)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            safe = any(k.arg == "allow_pickle" and ast.unparse(k.value) == "False" for k in node.keywords)
            if isinstance(owner, ast.Name) and (owner.id, node.func.attr) in METHODS and not safe:
                found.append(f"{owner.id}.{node.func.attr}")
    return found


def test_nothing_turns_data_into_code():
    found = {str(path.relative_to(ROOT)): unsafe(path.read_text()) for path in FILES}
    assert {path: lines for path, lines in found.items() if lines} == COMPILED


def test_arrays_without_objects_are_data():
    assert not unsafe("np.load(file, allow_pickle=False)")


@pytest.mark.parametrize(
    "source",
    [
        "np.load(file)",
        "np.load(file, allow_pickle=True)",
        "import pickle",
        "from yaml import load",
        "eval('1')",
        "torch.load('x')",
        "import a, dill",
    ],
)
def test_the_guard_sees_what_it_should(source):
    assert unsafe(source)
