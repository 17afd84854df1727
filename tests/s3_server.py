"""A local S3 server that can be stopped and started and keeps what it holds, in a process of its own.

It obeys lines on standard input: "stop", "start".
"""

import subprocess
import sys
import urllib.request

from tests.studies import ROOT
from tests.waiting import HANGS_S

BUCKET = "results"


class S3Server:
    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.s3_server"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.port = int(self._process.stdout.readline())
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/{BUCKET}", method="PUT")
        with urllib.request.urlopen(request, timeout=HANGS_S) as answer:
            assert answer.status == 200

    def address(self, path):
        return f"s3://{BUCKET}/{path}?endpoint_override=127.0.0.1:{self.port}&scheme=http&region=us-east-1"

    def tell(self, order):
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline().strip() == order

    def close(self):
        self._process.kill()
        self._process.wait()


def serve():
    from moto.server import ThreadedMotoServer  # noqa: PLC0415  an extra

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    for line in sys.stdin:
        if line.strip() == "stop":
            server.stop()
        else:
            server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
            server.start()
        sys.stdout.write(line)
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
