"""A process that extracts transactions and is killed with -9 in the middle, where a test wants it."""

from __future__ import annotations

import os
import signal
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

from amzigo_pipelines.assets.extraction import transactions
from amzigo_pipelines.assets.extraction.extract import extract_partitions
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.home import load_home
from amzigo_pipelines.resources.platform import Platform

if __name__ == "__main__":
    folder, now, seller_id, pages, *days = sys.argv[1:]
    flatten, left = transactions.flatten_transactions, [int(pages)]

    def flatten_or_die(rows: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return flatten(rows)

    transactions.flatten_transactions = flatten_or_die
    platform = Platform(load_home(Path(folder)), VirtualClock(datetime.fromisoformat(now)))
    wanted = [date.fromisoformat(day) for day in days]
    list(extract_partitions(platform, seller_id, wanted, ["transactions", "transaction_breakdowns"]))
