"""A process that asks for a report or a query, and is killed at a given moment where a test wants it."""

from __future__ import annotations

import os
import signal
import sys
import time
from datetime import date, datetime
from pathlib import Path
from typing import Any

from amzigo_pipelines.assets.extraction.query_text import query_text
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.home import load_home
from amzigo_pipelines.resources.keys.keks import KekStore
from amzigo_pipelines.resources.keys.store import KeyStore
from amzigo_pipelines.resources.reports.desk import ReportDesk, ReportOrder
from amzigo_pipelines.resources.reports.documents import Report
from amzigo_pipelines.resources.sellers import SellerRegistry
from amzigo_pipelines.resources.spapi.auth import credentials_for, endpoint_for
from amzigo_pipelines.resources.spapi.client import SellingPartner

SELLER = "ATESTSELLER1"
REPORT = ReportOrder("GET_MERCHANT_LISTINGS_ALL_DATA", ("ATVPDKIKX0DER",))
_DAILY = DATASETS["sales_and_traffic_daily"]
QUERY = ReportOrder(
    _DAILY.source.report_type,
    ("ATVPDKIKX0DER",),
    query=query_text(_DAILY, ["ATVPDKIKX0DER"], date(2026, 9, 10), date(2026, 9, 12)),
)


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    folder, now, kind, action, *moment = sys.argv[1:]
    order = QUERY if kind == "query" else REPORT
    home = load_home(Path(folder))
    clock = VirtualClock(datetime.fromisoformat(now))
    control = ControlDatabase(home.database_url)
    sellers = SellerRegistry(control, KeyStore(control, KekStore(home), clock), clock)
    partner = SellingPartner(
        sellers.get(SELLER), sellers.refresh_tokens(SELLER), credentials_for(home), endpoint_for(home), clock
    )
    desk = ReportDesk(control, clock)
    if action == "die":
        from amzigo_pipelines.resources.reports.ledger import ReportLedger
        from amzigo_pipelines.resources.spapi.library import DataKioskClient, ReportsClient

        if moment == ["before"]:
            ReportsClient.create_report = DataKioskClient.create_query = die
        else:
            ReportLedger.asked = die  # type: ignore[method-assign]
    if action == "collect":
        report = desk.collect(partner, order)
        assert isinstance(report, Report)
        print(report.report_id)
    else:
        desk.ask_ahead(partner, [order])
        print("asked", flush=True)
        time.sleep(60)
