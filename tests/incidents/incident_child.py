"""A process that goes on while an incident is contained: `python incident_child.py HOME`; for each line, its uses.

It has everything open that a running extraction or an analyst has: the platform, the seller's token, a lake write.
"""

from __future__ import annotations

import sys
from pathlib import Path

from incident_kit import DAY, SELLER, open_platform

from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.control.freezes import check_not_frozen


def main(home: Path) -> None:
    platform = open_platform(home)
    key_id = platform.keys.alive(SELLER)[0].key_id
    uses = {
        "key": lambda: platform.keys.open(key_id),
        "token": lambda: platform.sellers.refresh_tokens(SELLER),
        "scan": lambda: platform.lake.scan(ORDERS, SELLER),
        "pii": lambda: platform.lake.read_pii(ORDERS, SELLER, [DAY], purpose="test", actor="child"),
        "request": lambda: check_not_frozen(platform.control, SELLER),
    }
    print("ready", flush=True)
    for _ in sys.stdin:
        answers = []
        for name, use in uses.items():
            try:
                use()
                answers.append(f"{name}=used")
            except AmzigoError as error:
                answers.append(f"{name}={type(error).__name__}")
        print(" ".join(answers), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
