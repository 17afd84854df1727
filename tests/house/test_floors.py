"""The structure of the code: imports go down, never in a circle; heavy libraries stay in their files."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOORS = {
    "dse.errors": 0, "dse.metric": 0, "dse.pausing": 0, "dse.spec": 0, "dse.streams": 0, "dse.kernel": 0,
    "dse.renamed": 0, "dse.startup": 0, "dse.variants": 0, "dse.private": 0, "dse.plugins": 1,
    "dse.files": 0, "dse.devices": 0, "dse.crossbar": 1, "dse.data": 1, "dse.updates": 2, "dse.tasks": 3,
    "dse.deployment": 3, "dse.networks": 4, "dse.designs": 5, "dse.pricing": 5, "dse.results": 6, "dse.analysis": 6,
    "dse.search": 7, "dse.progress": 8, "dse.api": 8, "dse.testing": 8, "dse.cli": 8, "dse.__main__": 9,
    "dse": -1, "dse.portable": -2,
}  # fmt: skip
CONFINED_IMPORTS = {
    "ray": {"dse/search/ray_cluster.py", "dse/search/ray_jobs.py", "dse/search/ray_pool.py"},
    "optuna": {
        *(f"dse/search/samplers/{name}.py" for name in ("nsga2", "tpe", "optuna_proposer")),
        "dse/search/dashboard.py",
    },
}
FILES = sorted((ROOT / "dse").rglob("*.py"))


def imports(source, modules=()):
    """Return the names of what a source imports, at any depth; of `from a import b`, a.b alone if that is a module."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= members if members <= set(modules) else members | {node.module}
    return names


def floor(module):
    parts = module.split(".")
    for length in (2, 1):
        if (name := ".".join(parts[:length])) in FLOORS:
            return FLOORS[name]
    raise AssertionError(f"{module} stands on no floor; add it to FLOORS")


def test_imports_go_down_only():
    imported = ((module_name(path), name) for path in FILES for name in imports(path.read_text()))
    within = [(module, name) for module, name in imported if name.split(".")[0] == "dse"]
    assert len(within) > len(FILES)
    assert not [
        f"{module} imports {name}, which stands above it" for module, name in within if floor(name) > floor(module)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("library", CONFINED_IMPORTS)
def test_a_heavy_library_stays_in_its_files(library):
    where = {str(p.relative_to(ROOT)) for p in FILES if any(n.split(".")[0] == library for n in imports(p.read_text()))}
    assert where == CONFINED_IMPORTS[library]


def module_name(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def import_graph(sources):
    """Return for each module of {name: source} those of the others that it imports, for types or late too."""
    return {name: {o for o in imports(source, sources) if o in sources} - {name} for name, source in sources.items()}


def by_folder(graph, folders):
    """Return the import graph of folders: for each the others that one of its modules imports."""
    found = {}
    for name, others in graph.items():
        here = found.setdefault(folders[name], set())
        here |= {folders[other] for other in others} - {folders[name]}
    return found


def circles(graph):
    """Return every set of nodes that reach each other: the strongly connected components of more than one."""
    reached = {}
    for start in graph:
        seen, waiting = set(), [start]
        while waiting:
            new = graph[waiting.pop()] - seen
            seen |= new
            waiting += new
        reached[start] = seen
    return {frozenset(b for b in reached[a] if a in reached[b]) for a in graph if a in reached[a]}


SOURCES = {module_name(path): path.read_text() for path in FILES}
# The list of variants of an idea stands above its variants, and what they share below them.
FOLDERS = {module_name(p): str(p if p.parent == ROOT / "dse" or p.stem == "__init__" else p.parent) for p in FILES}


def test_no_modules_import_each_other_in_a_circle():
    assert circles(import_graph(SOURCES)) == set()


@pytest.mark.slow
def test_no_sub_packages_import_each_other_in_a_circle():
    assert circles(by_folder(import_graph(SOURCES), FOLDERS)) == set()


def test_a_circle_is_seen_however_it_is_imported():
    late = "def f():\n    from a.c import C"
    typed = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import a.x.b"
    graph = import_graph({"a.x.b": late, "a.c": typed, "a.d": "import a.c"})
    assert circles(graph) == {frozenset({"a.x.b", "a.c"})}
    assert circles(by_folder(graph, {"a.x.b": "a/x", "a.c": "a", "a.d": "a"})) == {frozenset({"a", "a/x"})}


def loaded(statement):
    """Return the top-level modules that are loaded after a statement in a fresh process."""
    code = f"{statement}\nimport sys\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.slow
def test_analysis_loads_neither_torch_nor_ray_nor_optuna():
    paths = (path.relative_to(ROOT).with_suffix("") for path in (ROOT / "dse" / "analysis").rglob("[!_]*.py"))
    modules = [".".join(path.parts) for path in paths]
    assert {"dse.analysis.fronts.pareto", "dse.analysis.report.page"} <= set(modules)
    assert not loaded(f"import {', '.join(modules)}") & {"torch", "ray", "optuna"}


@pytest.mark.slow
def test_pricing_loads_no_torch():
    assert "torch" not in loaded("import dse.pricing.price, dse.pricing.card")


def test_checking_a_study_loads_nothing_heavy():
    assert not loaded("import dse.search.study") & {"torch", "ray", "optuna", "scipy", "sklearn"}


def test_help_loads_click_alone():
    # So `dse --help` answers at once: the rest of what is installed takes a second and more.
    help_ = "from dse.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass"
    theirs = loaded(help_) - loaded("import click, importlib.metadata") - sys.stdlib_module_names
    assert theirs <= {"dse", "click"}
