"""Ray clusters of several nodes on the loopback interface, each node with real processes that can be killed."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tests.waiting import wait_until

TOKEN = "0123456789abcdef" * 4
RAY = [sys.executable, "-m", "ray.scripts.scripts"]
PORT = 6391


def environment():
    return {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "RAY_USAGE_STATS_ENABLED": "0"}


class Cluster:
    """A head without a core, and nodes on 127.0.0.3 and up that come and go. Use as a context manager."""

    address = f"127.0.0.2:{PORT}"

    def __init__(self, folder):
        self.folder, self.env = folder, environment()
        self.nodes = {}

    def __enter__(self):
        head = ["--head", "--node-ip-address=127.0.0.2", f"--port={PORT}", "--include-dashboard=false", "--num-cpus=0"]
        self._start("127.0.0.2", head)
        return self

    def __exit__(self, *_):
        for host in list(self.nodes)[::-1]:
            self.kill(host)

    def add(self, number, cpus=1):
        """Start a node and return its address."""
        host = f"127.0.0.{number}"
        self._start(host, [f"--address={self.address}", f"--node-ip-address={host}", f"--num-cpus={cpus}"])
        return host

    def _start(self, host, options):
        log = Path(self.folder) / f"{host}.log"
        with log.open("w") as out:
            command = [*RAY, "start", *options, "--block", "--disable-usage-stats"]
            process = subprocess.Popen(command, env=self.env, stdout=out, stderr=subprocess.STDOUT)
        self.nodes[host] = process
        wait_until(lambda: "Ray runtime started" in log.read_text(), f"the node; see {log}", process)

    def kill(self, host):
        """SIGKILL every process of a node."""
        process = self.nodes.pop(host)
        for pid in [process.pid, *descendants(process.pid)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def descendants(pid):
    """Return the processes below a process."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found, level = [], [pid]
    while level:
        level = [child for child, parent in parents.items() if parent in level]
        found += level
    return found
