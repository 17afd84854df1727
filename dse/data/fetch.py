"""Files of data sets from the web, with their checksums."""

from pathlib import Path
from typing import Any

from dse.errors import DataError


def fetch(name: str, md5: str, mirrors: tuple[str, ...], folder: Path, processor: Any = None) -> None:
    """Download a file into a folder, unless it is there already, from the first mirror that has it.

    Args:
        name: name of the file, on the mirrors and in the folder.
        md5: MD5 of the file.
        mirrors: addresses that the name is appended to.
        folder: where the file goes.
        processor: what pooch does with it afterwards.

    Raises:
        DataError: no mirror could be reached, or it has something else.
    """
    import pooch  # noqa: PLC0415  only for this command

    reasons: list[str] = []
    for mirror in mirrors:
        try:
            pooch.retrieve(mirror + name, known_hash=f"md5:{md5}", fname=name, path=folder, processor=processor)
        except (OSError, ValueError) as error:
            reasons.append(f"{mirror}: {error}")
        else:
            return
    raise DataError(f"cannot download {name} into {folder}:\n" + "\n".join(reasons))
