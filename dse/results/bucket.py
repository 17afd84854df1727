"""Results in an object store: s3://BUCKET/PATH or gs://BUCKET/PATH. The only file that uses obstore.

An object appears completely or not at all, and a put that has returned is durable, so there is nothing to stage or to
synchronise. A log is a row of small objects, one for each `append`.

The lock is a lease, see `dse.results.lease`.
"""

import hashlib
import importlib
import io
import os
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import parse_qsl, urlsplit

from dse.errors import ResultsError, did_you_mean
from dse.private import make_private
from dse.results.lease import Lease, newest_lease
from dse.results.place import Lock, Log

TIMEOUT_S = 20.0
"""Time after which a request is given up, and tried again by whoever made it."""
OPTIONS = {"endpoint_override", "region", "scheme", "anonymous"}
"""What the query of an address, behind its "?", may hold."""


class Bucket:
    """A prefix of an object store.

    Args:
        address: "s3://BUCKET/PATH?endpoint_override=HOST:PORT&scheme=http&region=NAME&anonymous=true", all behind the
            "?" optional; "gs://BUCKET/PATH" likewise. Credentials come from the environment (AWS_ACCESS_KEY_ID,
            AWS_SECRET_ACCESS_KEY, GOOGLE_APPLICATION_CREDENTIALS, ...), never from the address.

    Raises:
        ResultsError: the address is not understood, or the extra for object stores is not installed.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._obstore, self._store = _connect(address)

    def __str__(self) -> str:
        return self.address

    def read(self, name: str) -> bytes:
        """Return an object."""
        with _as_os_errors(self.address):
            return bytes(self._obstore.get(self._store, name).bytes())

    def open(self, name: str) -> BinaryIO:
        """Return an object, in memory."""
        return io.BytesIO(self.read(name))

    def names(self, folder: str) -> list[str]:
        """Return the names of the objects of a subfolder."""
        with _as_os_errors(self.address):
            found: list[dict[str, Any]] = self._obstore.list_with_delimiter(self._store, folder)["objects"]
        return sorted(str(entry["path"]) for entry in found)

    def write(self, name: str, content: bytes) -> None:
        """Make or replace an object."""
        with _as_os_errors(self.address):
            self._obstore.put(self._store, name, content)

    def note(self, name: str, content: bytes) -> None:
        """Make or replace an object that nobody needs after a crash."""
        self.write(name, content)

    def create(self, name: str, content: bytes) -> bool:
        """Make an object, and return whether it is ours: False where there was one before."""
        try:
            with _as_os_errors(self.address):
                self._obstore.put(self._store, name, content, mode="create")
        except FileExistsError:
            return self.read(name) == content  # the answer to an earlier attempt may have been lost
        return True

    def move(self, name: str, to: str) -> None:
        """Copy an object to another name and remove it."""
        with _as_os_errors(self.address):
            self._obstore.copy(self._store, name, to)
        self.remove(name)

    def remove(self, name: str) -> None:
        """Remove an object."""
        with suppress(FileNotFoundError), _as_os_errors(self.address):
            self._obstore.delete(self._store, name)

    def open_log(self, stem: str) -> Log:
        """Begin a log: an object for each append."""
        return _ObjectLog(self, stem)

    def lock(self) -> Lock:
        """Return the lease."""
        return Lease(self)

    def holder(self) -> str | None:
        """Return who holds the lease, with its age by the clock of this machine; None if it was given back."""
        lease = newest_lease(self)
        if lease is None or lease["released"]:
            return None
        age = time.time() - float(lease["at"])
        if age > 2 * float(lease["lasts_s"]):
            return None
        return f"{lease['owner']}, last sign of life {max(age, 0):.0f} s ago"

    def make(self, files: Mapping[str, bytes]) -> None:
        """Write the files; study.json comes last and decides who was first."""
        with _as_os_errors(self.address):
            found = self._obstore.list_with_delimiter(self._store, None)
        # A run that was killed here may have left its study file, which decides nothing without study.json.
        others = {str(prefix).strip("/") for prefix in found["common_prefixes"]} - {"source"}
        objects = {str(entry["path"]) for entry in found["objects"]} - {"parts.json"}
        if objects or others:
            raise ResultsError(f"{self.address} holds something already; choose another place with --out")
        last = ("study.json", "study.json.copy")
        for name, content in files.items():
            if name not in last:
                self.write(name, content)
        if not self.create(last[0], files[last[0]]):
            raise ResultsError(f"another run has just begun in {self.address}; choose another place with --out")
        for name in last[1:]:
            self.write(name, files[name])

    def prepare(self) -> None:
        """Nothing is ever half written here."""

    @property
    def work(self) -> Path:
        """A folder of the user's cache, the same in every run on this machine."""
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = cache / "pcm-dse" / hashlib.sha256(self.address.encode()).hexdigest()[:20]
        if not make_private(folder / "staging", cache / "pcm-dse"):
            raise ResultsError(
                f"other users may write to {folder}, or it is theirs, and what lies there goes into tables; let "
                "XDG_CACHE_HOME name a folder that is yours alone"
            )
        return folder

    def destroy(self) -> None:
        """Remove everything below the prefix."""
        with _as_os_errors(self.address):
            names = [str(entry["path"]) for batch in self._obstore.list(self._store) for entry in batch]
        for name in names:
            self.remove(name)


class _ObjectLog:
    def __init__(self, bucket: Bucket, stem: str) -> None:
        self._bucket, self._stem, self._count = bucket, stem, 0

    def append(self, lines: bytes) -> None:
        self._bucket.write(f"{self._stem}-{self._count:06}.jsonl", lines)
        self._count += 1

    def close(self) -> None:
        return


def _connect(address: str) -> tuple[Any, Any]:
    try:
        parts = urlsplit(address)
        port_is_fine = parts.port is None
    except ValueError as error:
        raise ResultsError(f"{address} is no address: {error}") from None
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.scheme not in ("s3", "gs"):
        raise ResultsError(f"{address}: results go to a folder, s3://BUCKET/PATH or gs://BUCKET/PATH")
    if not parts.hostname or not parts.path.strip("/") or not port_is_fine or "@" in parts.netloc:
        raise ResultsError(f"{address}: give a bucket and a path in it, {parts.scheme}://BUCKET/PATH")
    for key in options.keys() - OPTIONS:
        hint = did_you_mean(key, OPTIONS)
        raise ResultsError(
            f"{address}: unknown option {key!r}{hint} (known: {', '.join(sorted(OPTIONS))}). "
            "Credentials come from the environment, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    try:
        obstore = importlib.import_module("obstore")
        stores = importlib.import_module("obstore.store")
    except ImportError:
        raise ResultsError(
            f"{address}: object stores need an extra; install it: pip install 'pcm-dse[cloud]'"
        ) from None
    return cast("Any", obstore), _open(stores, parts.scheme, parts.netloc, parts.path.strip("/"), options)


def _open(stores: Any, scheme: str, bucket: str, prefix: str, options: Mapping[str, str]) -> Any:
    web = options.get("scheme", "https")
    anonymous = options.get("anonymous", "false")
    if web not in ("http", "https") or anonymous not in ("true", "false"):
        raise ResultsError(f"{scheme}://{bucket}/{prefix}: scheme is http or https, anonymous is true or false")
    endpoint = options.get("endpoint_override")
    if endpoint is not None and "://" not in endpoint:
        endpoint = f"{web}://{endpoint}"
    settings: dict[str, Any] = {"skip_signature": True} if anonymous == "true" else {}
    if scheme == "s3":
        settings |= {"region": options["region"]} if "region" in options else {}
        settings |= {"endpoint": endpoint} if endpoint is not None else {}
    elif endpoint is not None or "region" in options:
        raise ResultsError(f"gs://{bucket}/{prefix}: endpoint_override and region are for s3")
    kind = stores.S3Store if scheme == "s3" else stores.GCSStore
    try:
        return kind(
            bucket,
            prefix=prefix,
            client_options={
                "allow_http": web == "http",
                "timeout": timedelta(seconds=TIMEOUT_S),
                "connect_timeout": timedelta(seconds=TIMEOUT_S / 4),
            },
            retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=TIMEOUT_S)},
            **settings,
        )
    except (_errors().BaseError, ValueError) as error:
        raise ResultsError(f"{scheme}://{bucket}/{prefix}: {_brief(error)}") from None


@contextmanager
def _as_os_errors(address: str) -> Generator[None]:
    """Turn the errors of obstore into those of the operating system, which every place raises."""
    errors = _errors()
    try:
        yield
    except errors.NotFoundError as error:
        raise FileNotFoundError(f"{address}: {_brief(error)}") from None
    except (errors.AlreadyExistsError, errors.PreconditionError) as error:
        raise FileExistsError(f"{address}: {_brief(error)}") from None
    except errors.BaseError as error:
        raise ConnectionError(_brief(error)) from None


def _errors() -> Any:
    return importlib.import_module("obstore.exceptions")


def _brief(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
