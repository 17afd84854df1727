"""Python in a process of its own that has its libraries already: forked off a server that has imported them.

A start of `python -m dse` takes seconds of a processor, most of them for importing torch, numba and the like. Here it
takes a tenth. All else is as in a process that was started plainly: it has its number, takes signals, is killed, ends
with a status. What is about the start itself, or about Ray's driver, starts Python plainly.
"""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import chdir
from functools import lru_cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, NamedTuple

from tests.studies import ROOT
from tests.waiting import HANGS_S


class Forked:
    """A process; the methods and attributes that `subprocess.Popen` has, too, mean the same.

    Args:
        program: what follows `python` on a command line: "-m", a module and arguments, or "-c" and code.
        cwd: the working directory.
        stdout: the file for what it prints; None for nowhere.
        stderr: the file for what it says on standard error.
        env: the environment; that of this process by default.
    """

    def __init__(
        self,
        *program: object,
        cwd: Path = ROOT,
        stdout: Path | None = None,
        stderr: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.args = list(map(str, program))
        files = [os.devnull if path is None else str(path) for path in (stdout, stderr)]
        given = (self.args, str(cwd), files, dict(os.environ if env is None else env))
        self._process: Any = _server().Process(target=_run, args=given, daemon=True)
        self._process.start()
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Done(NamedTuple):
    """How a process ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def finished(*program: object, place: Path, **options: Any) -> Done:
    """Run a program to its end; see `Forked`. What it prints passes through files in a folder."""
    files = [place / f"{name}.txt" for name in ("stdout", "stderr")]
    process = Forked(*program, stdout=files[0], stderr=files[1], **options)
    try:
        status = process.wait(HANGS_S)
    finally:
        process.kill()
    return Done(status, *(file.read_text() for file in files))


@lru_cache(maxsize=1)
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.warmed"])
    with chdir(ROOT):  # where the server looks for what it imports
        forkserver.ensure_running()
    return context


def _run(program: Sequence[str], cwd: str, files: Sequence[str], env: Mapping[str, str]) -> None:
    """Do in this process what `python` does with a command line."""
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    for handle, name in enumerate(files, start=1):
        opened = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(opened, handle)
        os.close(opened)
    sys.path.insert(0, cwd)
    kind, what, *arguments = program
    sys.argv = [kind, *arguments]
    if kind == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
