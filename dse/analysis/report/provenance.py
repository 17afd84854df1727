"""What made the results: study file, code, packages, machines, times, data, and the cost card with its sources."""

import json
from typing import Any

import polars as pl

from dse.analysis.report.subject import Subject
from dse.pricing.card import CONSTANTS, card_entries
from dse.pricing.text import cell
from dse.results.source import study_text

MOST = 8
"""Values of one kind that are listed; of more, their number is given."""


def study_file(subject: Subject) -> str | None:
    """Return the study file as it was given, or None where the results have none."""
    if "source" not in subject.tables.about:  # tables that no results folder holds
        return None
    return study_text(subject.where, subject.tables.about)


def facts(subject: Subject) -> dict[str, list[str]]:
    """Return what made the results, by name; where rows differ, all that there are."""
    about, trials = subject.tables.about, subject.tables.trials
    found = {
        "study": [f"{about['name']}, key {about['study_key']}"] if "study_key" in about else [str(about["name"])],
        "begun": [str(about["created_at"])] if "created_at" in about else [],
        "code": _different(trials, "code"),
        "packages": [_packages(text) for text in _different(trials, "packages")],
        "machines": _different(trials, "host"),
        "simulated": _times(trials),
        "data, SHA-256": _different(trials, "data_checksum"),
        "files, SHA-256": [f"{name}: {said.get('sha256')}" for name, said in about.get("data_files", {}).items()],
        "cost card": _different(trials, "cost_card"),
    }
    return {name: values for name, values in found.items() if values}


def _different(trials: pl.DataFrame, column: str) -> list[str]:
    if column not in trials.columns:
        return []
    values = trials[column].drop_nulls().unique().sort().cast(pl.String).to_list()
    return values if len(values) <= MOST else [*values[:MOST], f"and {len(values) - MOST} more"]


def _packages(text: str) -> str:
    try:
        versions: dict[str, Any] = json.loads(text)
        return ", ".join(f"{name} {version}" for name, version in versions.items())
    except (ValueError, AttributeError, RecursionError):
        return text


def _times(trials: pl.DataFrame) -> list[str]:
    if trials.is_empty() or "started_at" not in trials.columns:
        return []
    spent = float(trials["wall_s"].fill_null(0.0).sum())
    hours = f"{spent / 3600:.1f} h" if spent >= 3600 else f"{spent / 60:.1f} min" if spent >= 60 else f"{spent:.0f} s"
    return [f"{trials['started_at'].min()} to {trials['started_at'].max()} (starts); {hours} of processors"]


def card_table(subject: Subject) -> dict[str, Any] | None:
    """Return the cost card of the study: its title, and a row a constant with value, range, meaning and source.

    None where nothing is priced yet.

    Raises:
        ResultsError: the folder does not name the card that priced it.
        SettingError: the card cannot be read any more.
    """
    if not _different(subject.tables.trials, "cost_card"):
        return None
    card, entries = card_entries(*subject.card_place())
    rows = [
        {
            "name": name,
            "value": f"{entry.value:g}",
            "unit": "" if entry.unit == "1" else entry.unit,
            "range": "" if entry.low is None and entry.high is None else f"{_end(entry.low)} to {_end(entry.high)}",
            "meaning": CONSTANTS[name].meaning,
            "source": entry.source,
        }
        for name, entry in ((name, entries[name]) for name in CONSTANTS)
    ]
    return {"name": card.name, "title": card.title, "base": card.base, "rows": rows}


def _end(value: float | None) -> str:
    return "?" if value is None else f"{value:g}"


def failures(subject: Subject) -> list[dict[str, Any]]:
    """Return the trials that failed, with their reason."""
    failed = subject.tables.designs.filter(pl.col("state") == "failed")
    return [
        {**row, "trial": subject.name_of(row["trial"])}
        for row in failed.select("trial", "origin", "failure").iter_rows(named=True)
    ]


def shown(name: str, value: Any) -> str:
    """Return a value for the page; as in the tables of the command line, with a true micro sign."""
    text = cell(name, value)
    return text.replace(" u", " \N{MICRO SIGN}") if isinstance(value, float) else text
