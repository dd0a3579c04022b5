"""A process that extracts review topics and is killed with -9 at the n-th product."""

from __future__ import annotations

import os
import signal
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

from amzigo_pipelines.assets.extraction import reviews
from amzigo_pipelines.assets.extraction.extract import extract_partitions
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.home import load_home
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.resources.spapi import feedback
from amzigo_pipelines.resources.spapi.pacing import RATES

if __name__ == "__main__":
    folder, now, seller_id, day, products = sys.argv[1:]
    call, left = feedback._asked, [int(products)]

    def ask_or_die(*arguments: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments)

    feedback._asked = ask_or_die
    reviews._KEPT_TOGETHER = 10
    RATES.pop("getItemReviewTopics")  # type: ignore[attr-defined]  # Amazon's one a second
    platform = Platform(load_home(Path(folder)), VirtualClock(datetime.fromisoformat(now)))
    list(extract_partitions(platform, seller_id, [date.fromisoformat(day)], ["review_topics"]))
