"""The page: templates, scripts and data in one HTML file that fetches nothing.

The file carries a content security policy: scripts run only if it holds their hash, and nothing may be loaded from
anywhere. So text of a user could not run or fetch even if it were not escaped, which it is.
"""

import base64
import hashlib
import json
import tomllib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import jinja2
from markupsafe import Markup

from dse import __version__
from dse.analysis.report.panels import PANELS, Filled, Panel, filled, left_out, summary
from dse.analysis.report.subject import Subject
from dse.analysis.tables.render import check_writable, write
from dse.analysis.tables.tables import Tables
from dse.results.place import Where

ASSETS = files("dse.analysis.report") / "assets"
SHARED = ("columns.js", "shared.js", "marks.js", "save.js", "prices.js", "ranks.js", "pricing.js")
"""Scripts that panels share, in the order in which they need each other."""


def write_page(
    path: Path, where: Where, tables: Tables, objectives: Sequence[str], without: Sequence[str] = ()
) -> list[str]:
    """Write the page of a study; `without` names panels to leave out.

    Returns:
        What the page does not hold of a large study, in sentences.

    Raises:
        QueryError: an objective that is no metric, a panel that is none, or a file that cannot be written.
    """
    check_writable(path)
    subject = Subject(where, tables, objectives)
    write(path, page(subject, without).encode())
    return left_out(subject)


def page(
    subject: Subject, without: Sequence[str] = (), live: str | None = None, panels: Sequence[Panel] | None = None
) -> str:
    """Return the page of a study as HTML.

    Args:
        subject: what it is about.
        without: panels to leave out.
        live: for a page that `dse watch` serves: what tells these results from later ones. It alone asks its server.
        panels: those of the page, by default all of a study.

    Raises:
        QueryError: a panel to leave out that is none.
    """
    parts = filled(subject, without, panels)
    code, style = script(is_live=live is not None), _asset("page.css")
    return (
        _templates()
        .get_template("page.html")
        .render(
            about=subject.tables.about,
            objectives=list(subject.objectives),
            description=_description(parts),
            summary=summary(subject),
            parts=parts,
            data=_as_script(_data(subject, parts)),
            d3=Markup(_asset("d3.min.js")),  # noqa: S704  ours, as are the next two; nothing of a user is in them
            script=Markup(code),  # noqa: S704
            style=Markup(style),  # noqa: S704
            policy=_policy([_asset("d3.min.js"), code], style, "" if live is None else "connect-src 'self'; "),
            live=live,
            version=__version__,
        )
    )


def _templates() -> jinja2.Environment:
    loader = jinja2.FunctionLoader(_asset)
    return jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def script(*, is_live: bool = False) -> str:
    """Return the page's own script: what panels share, the panels, and what sets them up."""
    names = [*SHARED, *(f"panels/{p.name}.js" for p in PANELS if not p.is_text), "table.js", "main.js"]
    names += ["live.js"] if is_live else []
    return "\n".join(['"use strict";', "(() => {", *map(_asset, names), "})();"])


def _data(subject: Subject, parts: Sequence[Filled]) -> dict[str, object]:
    drawn = {part.panel.name: part.content for part in parts if not part.panel.is_text and part.content is not None}
    return {"objectives": list(subject.objectives), "designs": subject.describe(), "panels": drawn}


def _as_script(data: object) -> Markup:
    """Return data as JSON that cannot end the element around it."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)  # noqa: S704  no sign is left in it that HTML would read


def _policy(scripts: Sequence[str], style: str, more: str) -> str:
    return (
        f"default-src 'none'; script-src {' '.join(map(_hash, scripts))}; style-src {_hash(style)}; img-src data:; "
        f"{more}base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _description(parts: Sequence[Filled]) -> str:
    """Return name and description of the study, for the head of the page."""
    study = next((part.content for part in parts if part.panel.name == "study"), None)
    try:
        return str(tomllib.loads("" if study is None else study["text"]).get("description", ""))
    except tomllib.TOMLDecodeError:
        return ""
