"""The command line. Every command is a few lines over the floors below, which are loaded only when it runs.

Exit status: 0 done, 1 a defect of the framework (with a traceback), 2 a mistake of the user or of the environment,
3 a replay that differs, 130 interrupted.
"""

import click

from dse import __version__
from dse.cli.ablation import ablation
from dse.cli.card import card
from dse.cli.check import check
from dse.cli.compare import compare
from dse.cli.dashboard import dashboard
from dse.cli.data import data
from dse.cli.device import device
from dse.cli.explain import explain
from dse.cli.front import front
from dse.cli.importance import importance
from dse.cli.merge import merge
from dse.cli.options import Group
from dse.cli.plugins import plugins
from dse.cli.price import price
from dse.cli.query import query
from dse.cli.ranges import ranges
from dse.cli.replay import replay
from dse.cli.report import report
from dse.cli.require import require
from dse.cli.resume import resume
from dse.cli.run import run
from dse.cli.settings import settings
from dse.cli.show import show
from dse.cli.status import status
from dse.cli.submit import submit
from dse.cli.watch import watch
from dse.progress import plain_warnings
from dse.startup import collect_less, hold_standard_streams


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="dse")
def main() -> None:
    """Explore the designs of neural networks on phase-change-memory crossbars.

    \b
    dse settings accumulator                  what can be chosen
    dse run search_spaces/quickstart.toml     search designs; results go to a folder
    dse run STUDY --address HOST:6379         the same, on a Ray cluster
    dse status RESULTS                        how far it is, from another terminal
    dse front RESULTS                         the best of them
    dse show RESULTS TRIAL                    everything about one of them
    dse explain RESULTS TRIAL                 why it was proposed, went on, or was left
    dse price RESULTS --card NAME             all of them, on another cost card
    dse importance RESULTS                    which parameters decide
    dse report RESULTS                        one page of linked pictures, for a browser
    dse watch RESULTS                         the same page, kept up to date while a study runs
    dse require RESULTS --accuracy ">= 0.9"   what a design must be like
    """  # noqa: D301  click reads \b as "do not wrap"
    hold_standard_streams()
    collect_less()
    plain_warnings()


_COMMANDS = (
    *(run, resume, submit, status, check, settings, plugins, data),
    *(front, query, show, explain, report, watch),
    *(importance, ablation, require, compare),
    *(price, ranges, card, device),
    *(merge, replay, dashboard),
)
for _command in _COMMANDS:
    main.add_command(_command)

if __name__ == "__main__":
    main()
