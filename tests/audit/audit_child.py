"""A process that writes entries, and says which are written."""

from __future__ import annotations

import sys
from pathlib import Path

from amzigo_pipelines.resources.home import load_home
from amzigo_pipelines.resources.platform import Platform

home, name, many = sys.argv[1:]
audit = Platform(load_home(Path(home))).audit
for n in range(int(many)):
    print(audit.record(name, "child", None, f"{name} {n}", "to test"), flush=True)
