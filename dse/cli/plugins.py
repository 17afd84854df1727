"""The command `dse plugins`: what is installed beside the framework, and what it brings."""

import sys

import click

from dse.cli.options import echo


@click.command()
def plugins() -> None:
    """List the installed plug-ins: name, version, package, and the variants and cards that each brings.

    A study file that uses one names it: plugins = ["NAME"]. Ends with status 2 if one cannot be loaded.
    """
    from dse import plugins as installed  # noqa: PLC0415
    from dse.errors import PluginError  # noqa: PLC0415

    names = installed.installed()
    if not names:
        echo(f"no plug-in is installed: no package has an entry point of the group {installed.GROUP!r}")
    wrong = False
    for name in names:
        try:
            own = installed.loaded(name)
        except PluginError as error:
            echo(f"{name}: {error}")
            wrong = True
            continue
        echo(f"{name} {own.version} (package {own.package})")
        for idea, brought in own.brings.items():
            echo(f"  {idea.lower()}: {', '.join(brought)}")
    if wrong:
        sys.exit(2)
