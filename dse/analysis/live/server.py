"""A small server for one study: two addresses, GET alone, no files.

`http.server` of the standard library does it: a page and a few hundred bytes every few seconds for a handful of readers
ask for nothing more, and it brings no dependency. The page asks for progress every few seconds (polling): an open
stream would hold a thread for each tab, and would have to be opened again after every sleep of a laptop.

On a loopback address anyone on this machine may read. Requests that name another host are refused there, so that a
page of another site, whose name leads here, reads nothing (DNS rebinding). On any other address a token is asked for,
once in the address, then in a cookie. Nothing is encrypted: beyond a trusted network, use a tunnel.
"""

import hmac
import html
import ipaddress
import socket
import time
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qs, urlsplit

from dse.analysis.live.watching import Watching, as_json
from dse.errors import DseError, QueryError

COOKIE = "dse_token_{port}"
"""Name of the cookie: browsers send those of an address to all of its ports, and each server has a token of its own."""
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}
WAITING = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="3">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>dse watch</title><style>
:root {{ color-scheme: light dark; font-family: system-ui, sans-serif; }} body {{ margin: 3rem; max-width: 60ch; }}
</style></head><body><h1>Nothing to show yet</h1><p>{reason}</p><p>This page asks again every three seconds.</p></body>
</html>"""


class Server(ThreadingHTTPServer):
    """A server of one study.

    Args:
        watching: what is served.
        host: the address to listen on.
        port: its port; 0 for one that is free.
        token: what readers must have; None for one that is drawn where the address is no loopback address.

    Raises:
        QueryError: the address or the port cannot be had.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, watching: Watching, host: str, port: int, token: str | None = None) -> None:
        self.watching = watching
        self.is_local = is_loopback(host)
        self.token = token or (None if self.is_local else token_urlsafe(24))
        self.last_asked = time.monotonic()
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), Handler)
        except (OSError, OverflowError) as error:
            raise QueryError(_refusal(host, port, error)) from None

    @property
    def address(self) -> str:
        """The address for a browser, with the token."""
        host, port = self.server_address[:2]
        name = f"[{host}]" if ":" in str(host) else host
        return f"http://{name}:{port}/" + (f"?token={self.token}" if self.token else "")

    def serve(self, idle_s: float | None = None) -> None:
        """Answer until interrupted, or until nobody has asked for `idle_s` seconds."""
        self.timeout = 1.0
        while idle_s is None or time.monotonic() < self.last_asked + idle_s:
            self.handle_request()


def _refusal(host: str, port: int, error: Exception) -> str:
    import errno  # noqa: PLC0415

    reason = getattr(error, "errno", None)
    if reason == errno.EADDRINUSE:
        return f"port {port} of {host} is in use; give another with --port, or --port 0 for one that is free"
    if reason == errno.EACCES:
        return f"port {port} is kept for the system; give one from 1024 on, or --port 0 for one that is free"
    return f"{host} is no address of this machine ({error}); give 127.0.0.1, or 0.0.0.0 for all of its addresses"


def is_loopback(host: str) -> bool:
    """Return whether an address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]
    server_version = "dse"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        """Answer; what this raises reaches nobody but the one who asked."""
        self.server.last_asked = time.monotonic()
        try:
            asked = urlsplit(self.path)
        except ValueError:
            return self._say(400, "That is no address.")
        if self.server.is_local and not self._names_this_machine():
            return self._say(403, "This server answers to names of this machine alone, such as 127.0.0.1.")
        given = parse_qs(asked.query).get("token", [""])[0]
        answer = {"/": self._page, "/progress": self._progress}.get(asked.path)
        if self.server.token and not self._may_read(given):
            return self._say(403, "The token is missing or does not fit; open the address that dse watch printed.")
        if given and self.server.token and answer:
            cookie = f"{self._cookie}={self.server.token}; HttpOnly; SameSite=Strict; Path=/"
            return self._send(303, "", "text/plain", {"Location": asked.path, "Set-Cookie": cookie})
        return answer() if answer else self._say(404, "There are / and /progress.")

    @property
    def _cookie(self) -> str:
        return COOKIE.format(port=self.server.server_address[1])

    def _names_this_machine(self) -> bool:
        try:
            name = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        except ValueError:
            return False
        return name is not None and is_loopback(name)

    def _may_read(self, given: str) -> bool:
        try:
            held = SimpleCookie(self.headers.get("Cookie", "")).get(self._cookie)
        except CookieError:
            held = None
        wanted = str(self.server.token).encode()
        return any(hmac.compare_digest(one.encode(), wanted) for one in (given, held.value if held else "") if one)

    def _page(self) -> None:
        try:
            self._send(200, self.server.watching.html(), "text/html")
        except DseError as error:
            self._send(503, WAITING.format(reason=html.escape(str(error))), "text/html")

    def _progress(self) -> None:
        code, text = as_json(self.server.watching.progress)
        self._send(code, text, "application/json")

    def _say(self, code: int, words: str) -> None:
        self._send(code, words + "\n", "text/plain")

    def _send(self, code: int, text: str, kind: str, more: dict[str, str] | None = None) -> None:
        content = text.encode()
        try:
            self.send_response(code)
            for name, value in {**HEADERS, **(more or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except ConnectionError:
            pass  # who asked has left

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its name in the base class
        """Say nothing: the terminal is the reader's."""
