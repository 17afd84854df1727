"""Triton interprets kernels where no accelerator is there to compile for; it asks the environment when it loads."""

import os
from pathlib import Path

if not any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/kfd")):
    os.environ.setdefault("TRITON_INTERPRET", "1")
