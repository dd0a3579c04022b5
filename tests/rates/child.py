"""A process that calls as often as a shared bucket lets it, and prints when it began and when it called."""

from __future__ import annotations

import sys
import time

from amzigo_pipelines.catalog.rates import Rate
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.spapi.rate_buckets import Account, RateBuckets

if __name__ == "__main__":
    file, rate, burst, run_s = sys.argv[1:]
    buckets = RateBuckets(ControlDatabase(f"sqlite:///{file}"))
    account = Account("a" * 16, "ATESTSELLER1", "getOrder")
    begin = time.time()
    end = begin + float(run_s)
    print(begin)
    while time.time() < end:
        turn = buckets.reserve(account, Rate(float(rate), float(burst)))
        time.sleep(turn.wait_s)
        print(time.time())
