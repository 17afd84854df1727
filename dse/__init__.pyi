from dse.api.designs import Outcome as Outcome
from dse.api.designs import design as design
from dse.api.designs import evaluate as evaluate
from dse.api.library import cards as cards
from dse.api.library import settings as settings
from dse.api.results import Front as Front
from dse.api.results import Results as Results
from dse.api.running import open_results
from dse.api.running import run as run
from dse.api.studies import Study as Study
from dse.designs.space import Choice as Choice
from dse.designs.space import FloatRange as FloatRange
from dse.designs.space import IntRange as IntRange
from dse.designs.tables import Design as Design
from dse.devices.fit.card import fit_file
from dse.errors import DataError as DataError
from dse.errors import DivergedError as DivergedError
from dse.errors import DseError as DseError
from dse.errors import ExecutorError as ExecutorError
from dse.errors import PluginError as PluginError
from dse.errors import QueryError as QueryError
from dse.errors import ResultsError as ResultsError
from dse.errors import SettingError as SettingError
from dse.results.merge import merge as merge

fit_cell = fit_file
open = open_results  # noqa: A001
__version__: str

__all__ = [
    "Choice",
    "DataError",
    "Design",
    "DivergedError",
    "DseError",
    "ExecutorError",
    "FloatRange",
    "Front",
    "IntRange",
    "Outcome",
    "PluginError",
    "QueryError",
    "Results",
    "ResultsError",
    "SettingError",
    "Study",
    "__version__",
    "cards",
    "design",
    "evaluate",
    "fit_cell",
    "merge",
    "open",
    "run",
    "settings",
]
