"""The study file of results and its cards, as files of this machine."""

import atexit
import re
import shutil
import tempfile
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, cast

from dse.errors import ResultsError
from dse.files import offer
from dse.results.address import place_of
from dse.results.folder import Folder
from dse.results.place import Place, Where
from dse.results.reading import REFUSED, checksum, is_data, kept_damage, read_about, unreachable


def source_of(where: Where, about: dict[str, Any]) -> Path:
    """Return the folder with the study file `study.toml` of results; of an object store, a copy until the process ends.

    Raises:
        ResultsError: a file is missing, is not what was kept, or has no plain name.
    """
    place = place_of(where)
    folder, names = str(about["source"]), [str(name) for name in about["files"]]
    plain = re.fullmatch(r"source(-\d+)?", folder) and all(map(_is_plain, names))
    if not plain or "study.toml" not in names:
        raise ResultsError(f"{place}/study.json is damaged: it does not name the files of the study")
    if isinstance(place, Folder):
        for name in names:
            if not is_data(about, f"{folder}/{name}"):
                _check(place, about, f"{folder}/{name}", kept_damage(place, about, f"{folder}/{name}"))
        return place.path / folder
    copy = Path(tempfile.mkdtemp(prefix="dse-"))
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    for name in names:
        try:
            content = place.read(f"{folder}/{name}")
        except OSError as error:
            raise unreachable(place, error) from None
        said = about["checksums"].get(f"{folder}/{name}")
        if said and said != checksum(content):
            _check(place, about, f"{folder}/{name}", "it does not have the checksum that it had")
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes(content)
    return copy


def _check(place: Place, about: dict[str, Any], name: str, reason: str) -> None:
    if (reason and about["checksums"].get(name)) or reason.startswith("it is a link"):
        more = ". To ask more of the study, edit a copy and name it: `dse resume --study NEW.toml`"
        raise ResultsError(
            f"{place}/{name} is damaged: {reason}. {REFUSED}{more if name.endswith('/study.toml') else ''}"
        )


def offer_files(where: Where) -> None:
    """Say in this process where the files of the user's lie that the designs of results need.

    Raises:
        ResultsError: there are no results.
    """
    _offer(where, set())


def _offer(where: Where, seen: set[str]) -> None:
    """Offer the files of results and of those that they unite, which may name each other."""
    place = place_of(where)
    if str(place) in seen:
        return
    seen.add(str(place))
    about = read_about(place)
    for name, said in cast("dict[str, dict[str, Any]]", about["data_files"]).items():
        beside = f"{about['source']}/{name}"
        if "path" in said:
            offer(str(said["sha256"]), Path(str(said["path"])))
        elif isinstance(place, Folder):
            offer(str(said["sha256"]), place.path / beside)
        else:
            names = [str(own) for own in about["files"] if own == name or str(own).startswith(f"{name}/")]
            offer(str(said["sha256"]), partial(_read, place, str(about["source"]), name, names))
    for other in about["merged"]:
        with suppress(ResultsError):
            _offer(str(other), seen)


def _read(place: Place, source: str, name: str, names: Sequence[str]) -> dict[str, bytes]:
    """Return the bytes of a file, or a folder of files, that results keep."""
    return {own.removeprefix(name).removeprefix("/"): place.read(f"{source}/{own}") for own in names}


def study_text(where: Where, about: dict[str, Any]) -> str | None:
    """Return the study file of results; None where they unite several studies, or the file cannot be read."""
    if about.get("merged"):
        return None
    try:
        place = place_of(where)
        source_of(place, about)  # which checks it
        return place.read(f"{about['source']}/study.toml").decode("utf-8-sig")
    except (OSError, ValueError):
        return None


def study_table(where: Where, about: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a table of the study file of results; empty where there is none.

    Raises:
        ResultsError: the study file is not what was kept, or no TOML.
    """
    table: Any = _study(where, about).get(name)
    return cast("dict[str, Any]", table) if isinstance(table, dict) else {}


def study_tables(where: Where, about: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return an array of tables of the study file of results, such as [[first]]; empty where there is none.

    Raises:
        ResultsError: the study file is not what was kept, or no TOML.
    """
    table: Any = _study(where, about).get(name)
    return cast("list[dict[str, Any]]", table) if isinstance(table, list) else []


def _study(where: Where, about: dict[str, Any]) -> dict[str, Any]:
    try:
        return tomllib.loads(study_text(where, about) or "")
    except (ValueError, RecursionError) as error:
        raise ResultsError(f"{where}/{about['source']}/study.toml is damaged: {error}. {REFUSED}") from None


def _is_plain(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts and "\0" not in name
