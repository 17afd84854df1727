"""Files that settings name (`workload.file`, `network.file`): looked at, so that designs hold what was found.

In flat settings, what was found stands as "workload.found": a table, or all that a study has found for the values that
its settings can have (`Looked`). It is no setting itself.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dse.designs.settings import FAMILIES, FOUND, Family, Flat, chosen, network_of
from dse.errors import DataError, SettingError
from dse.files import Content, FileSpec, Seen, at_home, check_same, find, offer, see
from dse.spec import shown

Key = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Looked:
    """What a study found in its files.

    Attributes:
        facts: content of the table `found`, by the settings that decide it.
        seen: the files, by their names.
    """

    facts: Mapping[Key, Mapping[str, Any]]
    seen: Mapping[str, Seen]


@dataclass(frozen=True)
class Places:
    """Where the files lie that the settings of a study name.

    Attributes:
        folder: the folder of the study file.
        kept: for a study that is kept with its results, what these say of its files, by name; then a file lies beside
            the study file, or where it was. None for a study of a user.
    """

    folder: Path
    kept: Mapping[str, Mapping[str, Any]] | None = None

    def see(self, name: str, path: str) -> Seen:
        """Return a file that a setting names.

        Args:
            name: the value of the setting.
            path: of the setting.

        Raises:
            DataError: it is not there, or not what it was.
            SettingError: the path does not end in a name.
        """
        plain = Path(name).name
        if plain in ("", "..") or (plain.startswith("~") and plain == str(Path(name))):
            raise SettingError(
                f"{path} = {shown(name)} does not end in a name, by which results know what lies there; give one, as "
                'in "../digits"'
            )
        if self.kept is not None:
            return _kept(self.folder / plain, self.kept.get(plain, {}))
        try:
            return see(self.folder / at_home(Path(name)))
        except DataError as error:
            raise DataError(f"{path} = {shown(name)}: {error}") from None


def _kept(beside: Path, said: Mapping[str, Any]) -> Seen:
    """Return a file of a study that is kept with its results."""
    was, place = said.get("sha256"), said.get("path")
    if beside.exists() or not isinstance(was, str):
        seen = see(beside)
        if isinstance(was, str) and seen.sha256 != was:
            raise DataError(
                f"{beside} has changed: the study began with another file (SHA-256 {was[:12]}..., now "
                f"{seen.sha256[:12]}...). Put the former file back"
            )
        return seen
    for path in (beside, place):
        if path is not None:
            offer(was, Path(path))
    place = find(was, beside.name).place
    return see(beside if place is None else place)


def files_of(given: Flat) -> list[tuple[str, type[FileSpec]]]:
    """Return the tables of flat settings that name a file, each with its class."""
    return [
        (family.table, variant)
        for family in FAMILIES
        if family.table and issubclass(variant := chosen(family, given), FileSpec)
    ]


def with_files(given: Flat, folder: Path | None) -> dict[str, Any]:
    """Return flat settings with what is found in the files that they name, and with the plain names of these.

    Args:
        given: the settings.
        folder: where files are looked for.

    Raises:
        DataError: a file is missing or not what it should be.
        SettingError: no file is named where one is needed.
    """
    complete = {path: value for path, value in given.items() if not path.endswith(FOUND)}
    for table, variant in files_of(given):
        known, path = given.get(f"{table}.{FOUND}"), f"{table}.file"
        if isinstance(known, Mapping):
            complete[f"{table}.{FOUND}"] = known
            continue
        name, own = _name(given, path, variant), settings_of(given, table, variant)
        facts = known.facts.get(_key(own)) if isinstance(known, Looked) else None
        complete[f"{table}.{FOUND}"] = facts or _look(variant, own, Places(folder or Path.cwd()).see(name, path))
        complete[path] = Path(name).name
    return complete


def look(tables: Sequence[Flat], places: Places) -> dict[str, Looked]:
    """Return what is found in the files that a study names, by path as `with_files` takes it.

    Args:
        tables: flat settings, each as a design of the study can have them.
        places: where its files lie.

    Raises:
        DataError: a file is missing or not what it should be.
        SettingError: no file is named where one is needed; two files have one name.
    """
    facts: dict[str, dict[Key, Mapping[str, Any]]] = {}
    seen: dict[str, Seen] = {}
    for given in tables:
        for table, variant in files_of(given):
            own = settings_of(given, table, variant)
            found = facts.setdefault(f"{table}.{FOUND}", {})
            if _key(own) not in found:
                path = f"{table}.file"
                file = places.see(_name(given, path, variant), path)
                if seen.setdefault(file.name, file).sha256 != file.sha256:
                    raise SettingError(
                        f"{file.path} and {seen[file.name].path} have one name; results keep files by their names, so "
                        "rename one of them"
                    )
                found[_key(own)] = _look(variant, own, file)
    return {path: Looked(found, seen) for path, found in facts.items()}


def combinations(fixed: Flat, choices: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Yield what is fixed with each combination of choices of settings that decide what is found in a file."""
    names = _deciding() | {f"{own.table}.{own.key}" for own in FAMILIES if _reads_files(own)}
    varied = {path: values for path, values in choices.items() if path in names and values}
    for values in itertools.product(*varied.values()):
        yield {**fixed, **dict(zip(varied, values, strict=True))}


def first_choices(choices: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return the first choice of each setting that decides what is found in a file, for a design with some file."""
    return {path: values[0] for path, values in choices.items() if path in _deciding() and values}


def _deciding() -> set[str]:
    """Return the settings that decide what is found in files, beside those that name variants."""
    return {
        f"{family.table}.{name}"
        for family in FAMILIES
        for variant in family.variants
        if _reads_files(family) and issubclass(variant, FileSpec)
        for name in variant.looks_at
    }


def _reads_files(family: Family) -> bool:
    """Return whether some variant of a family names a file."""
    return bool(family.table) and any(issubclass(variant, FileSpec) for variant in family.variants)


def settings_of(given: Flat, table: str, variant: type[FileSpec]) -> dict[str, Any]:
    """Return the settings of a table that decide what is found, by name."""
    whole = {**network_of(given).defaults, **given}
    return {name: whole[f"{table}.{name}"] for name in variant.looks_at if f"{table}.{name}" in whole}


def _name(given: Flat, path: str, variant: type[FileSpec]) -> str:
    name = given.get(path, "")
    if not isinstance(name, str):
        raise SettingError(f"{path} = {shown(name)} is not allowed; give the path of a file, as a string")
    if not name:
        raise SettingError(f"{path} is missing: {(variant.__doc__ or '').partition(chr(10))[0].rstrip('.')} needs one")
    return name


def _key(own: Mapping[str, Any]) -> Key:
    return tuple(sorted((name, repr(value)) for name, value in own.items()))


_facts: dict[tuple[type[FileSpec], str, Key], Mapping[str, Any]] = {}
"""What was found, so that a file is read once: its checksum is part of the key."""


def _look(variant: type[FileSpec], own: Mapping[str, Any], seen: Seen) -> Mapping[str, Any]:
    key = variant, seen.sha256, _key({**own, "file": seen.name})
    if key not in _facts:
        found = variant.look(own, Content.at(seen.path))
        check_same(seen.path, seen.sha256)
        _facts[key] = {"sha256": seen.sha256, "size": seen.size, **found}
    return _facts[key]
