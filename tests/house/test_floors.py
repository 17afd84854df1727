"""The structure of the code: imports go down, heavy guests stay in one room, the front door is quick."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOORS = {
    "dse.errors": 0, "dse.metric": 0, "dse.spec": 0, "dse.streams": 0, "dse.kernel": 0, "dse.devices": 0,
    "dse.crossbar": 1, "dse.training": 1, "dse.data": 2, "dse.networks": 2, "dse.updates": 2, "dse.tasks": 2,
    "dse.deployment": 2, "dse.design": 3, "dse.pricing": 3, "dse.results": 4, "dse.analysis": 4, "dse.search": 5,
    "dse.progress": 6, "dse.cli": 6, "dse.__main__": 7, "dse": -1,
}  # fmt: skip
GUESTS = {
    "ray": {"dse/search/ray_cluster.py", "dse/search/ray_jobs.py", "dse/search/ray_pool.py"},
    "optuna": {
        *(f"dse/search/samplers/{name}.py" for name in ("nsga2", "auto", "tpe", "optuna_proposer")),
        "dse/search/dashboard.py",
    },
}
FILES = sorted((ROOT / "dse").rglob("*.py"))


def imports(path):
    """Return the names of all modules that a file imports, at any depth."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def floor(module):
    parts = module.split(".")
    for length in (2, 1):
        if (name := ".".join(parts[:length])) in FLOORS:
            return FLOORS[name]
    raise AssertionError(f"{module} stands on no floor; add it to FLOORS")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down_only(path):
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for name in imports(path):
        if name.split(".")[0] == "dse":
            assert floor(name) <= floor(module), f"{module} imports {name}, which stands above it"


def needs():
    """Return for every module the modules of the package that it imports, but for the eyes of a type checker alone."""
    modules = {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in FILES}

    def of(path):
        tree = ast.parse(path.read_text())
        for_types = [n for n in ast.walk(tree) if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
        hidden = {id(node) for block in for_types for node in ast.walk(block)}
        found = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and id(node) not in hidden:
                names = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= names & modules.keys() or {node.module}
        return found & modules.keys()

    return {module: of(path) for module, path in modules.items()}


def test_no_modules_import_each_other():
    left = needs()
    while free := [module for module, wanted in left.items() if not wanted & left.keys()]:
        for module in free:
            del left[module]
    assert not left, "a circle of imports runs through some of these modules"


@pytest.mark.parametrize("guest", GUESTS)
def test_a_heavy_guest_stays_in_its_files(guest):
    where = {str(p.relative_to(ROOT)) for p in FILES if any(n.split(".")[0] == guest for n in imports(p))}
    assert where == GUESTS[guest]


def loaded(statement):
    """Return the top-level modules that are loaded after a statement in a fresh process."""
    code = f"{statement}\nimport sys\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_analysis_loads_neither_torch_nor_ray_nor_optuna():
    paths = (path.relative_to(ROOT).with_suffix("") for path in (ROOT / "dse" / "analysis").rglob("[!_]*.py"))
    modules = [".".join(path.parts) for path in paths]
    assert {"dse.analysis.fronts.pareto", "dse.analysis.report.page"} <= set(modules)
    assert not loaded(f"import {', '.join(modules)}") & {"torch", "ray", "optuna"}


def test_pricing_loads_no_torch():
    assert "torch" not in loaded("import dse.pricing.price, dse.pricing.card")


def test_checking_a_study_loads_nothing_heavy():
    assert not loaded("import dse.search.study") & {"torch", "ray", "optuna", "scipy", "sklearn"}


@pytest.mark.parametrize("name", ["tpe", "nsga2", "quasi_random"])
def test_a_sampler_is_named_in_its_own_file_alone(name):
    where = [path.relative_to(ROOT).as_posix() for path in FILES if f'"{name}"' in path.read_text()]
    assert where == [f"dse/search/samplers/{name}.py"]


def test_help_loads_nothing_heavy():
    statement = (
        "import sys; sys.argv = ['dse', '--help']\nfrom dse.cli.main import main\ntry: main()\nexcept SystemExit: pass"
    )
    assert not loaded(statement) & {"torch", "ray", "optuna", "polars", "pyarrow", "sklearn", "scipy", "matplotlib"}


def test_help_answers_in_under_half_a_second():
    # A bound on the processor's time, not on the clock's, so that other work on the machine does not matter.
    code = (
        "import resource, subprocess, sys\n"
        "subprocess.run([sys.executable, '-m', 'dse', '--help'], check=True, stdout=subprocess.DEVNULL)\n"
        "usage = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(usage.ru_utime + usage.ru_stime)"
    )
    best = min(
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    )
    assert best < 0.5
