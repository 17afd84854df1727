"""Packages that tests install: a folder of modules with a description of each installation, as pip leaves them."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dse import plugins

Install = Callable[..., Path]


@contextmanager
def installing(folder: Path) -> Generator[Install]:
    """Give what installs a package of one module in a folder, which is on the search path; all is gone afterwards."""
    modules: list[str] = []

    def install(name: str, source: str, *, module: str = "", package: str = "", version: str = "1.0") -> Path:
        """Write a package that offers a plug-in, and return its module."""
        module = module or name.replace("-", "_")
        package = package or name
        own = folder / f"{module.partition(':')[0]}.py"
        own.write_text(source)
        about = folder / f"{package.replace('-', '_')}-{version}.dist-info"
        about.mkdir(exist_ok=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        points = about / "entry_points.txt"
        before = points.read_text() if points.exists() else f"[{plugins.GROUP}]\n"
        points.write_text(f"{before}{name} = {module}\n")
        modules.append(module.partition(":")[0])
        return own

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield install
        for name in [name for name, own in plugins.all_loaded().items() if own.module.__name__ in modules]:
            plugins.unload(name)
        for module in modules:
            sys.modules.pop(module, None)
