"""The measured processes of `orders.py`: one piece of work each, and what it cost.

Belongs here: what runs on the clock, with as few imports as an extraction itself has, for its memory is counted whole:
interpreter, libraries and all. Does not belong here: the simulator, and what figures mean (`orders.py`).
"""

from __future__ import annotations

import json
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

_PAGE_PATH = "/orders/2026-01-01/orders"
_SECTIONS = "BUYER,RECIPIENT,PROCEEDS,PROMOTION,CANCELLATION,FULFILLMENT,PACKAGES"


def by_amzigo(place: Path, seller_id: str, days: list[date]) -> None:
    """Days of orders into the encrypted lake."""
    from amzigo_pipelines.assets.extraction.extract import extract_partitions
    from amzigo_pipelines.resources.home import load_home
    from amzigo_pipelines.resources.platform import Platform

    platform = Platform(load_home(place))
    platform.control, platform.lake, platform.desk  # noqa: B018  opened before the clock runs
    with _Measured() as measured:
        results = list(extract_partitions(platform, seller_id, days, ["orders", "order_items"]))
        measured.rows = sum(result.rows for result in results if result.dataset == "orders")


def by_pandas(content: Path) -> None:
    """What one would write instead of reading a report: pandas, plaintext Parquet."""
    import pandas as pd

    with _Measured() as measured:
        frame = pd.read_csv(content, sep="\t", dtype=str)
        for name in ("purchase-date", "last-updated-date"):
            frame[name] = pd.to_datetime(frame[name], utc=True)
        frame["quantity"] = pd.to_numeric(frame["quantity"])
        frame.to_parquet(content.with_suffix(".parquet"), compression="zstd")
        measured.rows = frame["amazon-order-id"].nunique()


def by_loop(place: Path, facts: dict[str, Any], first: date, last: date) -> None:
    """What one would write instead of our client: a loop over pages, JSON lines in plain text."""
    import httpx

    with (
        _Measured() as measured,
        httpx.Client(base_url=facts["endpoint"]) as client,
        (place / "plain.jsonl").open("w") as out,
    ):
        token = client.post("/auth/o2/token", data=facts["form"]).raise_for_status().json()["access_token"]
        asked = {
            "lastUpdatedAfter": f"{first}T00:00:00Z",
            "lastUpdatedBefore": f"{last}T23:59:59Z",
            "marketplaceIds": facts["marketplace_id"],
            "includedData": _SECTIONS,
            "maxResultsPerPage": "100",
        }
        while True:
            page = client.get(_PAGE_PATH, params=asked, headers={"x-amz-access-token": token}).raise_for_status()
            answer = page.json()
            for order in answer["orders"]:
                out.write(json.dumps(order) + "\n")
                measured.rows += 1
            next_token = answer.get("pagination", {}).get("nextToken")
            if not next_token:
                break
            asked["paginationToken"] = next_token


class _Measured:
    """Prints what its block took: processor time of all threads, time by the clock, the most memory so far."""

    rows = 0

    def __enter__(self) -> _Measured:
        self._before_mb, self._wall, self._cpu = _peak_mb(), time.perf_counter(), time.process_time()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            spent = {
                "rows": self.rows,
                "wall_s": time.perf_counter() - self._wall,
                "cpu_s": time.process_time() - self._cpu,
                "before_mb": self._before_mb,
                "peak_mb": _peak_mb(),
            }
            print(json.dumps(spent))


def _peak_mb() -> float:
    # Not getrusage: its peak is inherited from the process that started this one.
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("/proc/self/status has no VmHWM: this runs on Linux only")


def main(arguments: list[str]) -> None:
    """`KIND PLACE FIRST LAST FACTS`: facts are JSON, of the seller."""
    kind, place, (first, last) = arguments[0], Path(arguments[1]), map(date.fromisoformat, arguments[2:4])
    facts = json.loads(arguments[4])
    if kind == "extract":
        by_amzigo(place, facts["seller_id"], [first + timedelta(days=n) for n in range((last - first).days + 1)])
    elif kind == "pandas":
        by_pandas(place)
    else:
        by_loop(place, facts, first, last)


if __name__ == "__main__":
    main(sys.argv[1:])
