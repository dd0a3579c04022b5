"""Settlement reports appear by themselves: putting those that are due where reports are listed.

Belongs here: when a settlement's report is on the shelf, and how often. Does not belong here: what it says
(`report_settlement.py`), who settles what (`finances.py`).
"""

from __future__ import annotations

from amzigo_pipelines.simulator.calls import Call
from amzigo_pipelines.simulator.finances import DAY_S, books_of
from amzigo_pipelines.simulator.report_shelf import Report
from amzigo_pipelines.simulator.report_types import ReportRequest

SETTLEMENT_REPORT = "GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2"


def put_on_shelf(call: Call) -> None:
    """Make the caller's settlement reports that are due and not there yet."""
    shelf, seller = call.simulator.reports, call.seller()
    listings = 2 if call.simulator.settings.settlements_listed_twice else 1
    for settlement in books_of(seller).settlements.values():
        for listing in range(listings):
            # Amazon lists a settlement again now and then, under another report id.
            made_at = settlement.made_at + listing * DAY_S
            key = f"{settlement.settlement_id}/{listing}"
            if made_at > call.epoch or not shelf.claim(call.profile.seller_id, key):
                continue
            shelf.add(
                Report(
                    report_id=shelf.new_id(),
                    seller_id=call.profile.seller_id,
                    report_type=SETTLEMENT_REPORT,
                    request=ReportRequest(
                        seller=seller,
                        as_of=made_at,
                        markets=[settlement.market],
                        start=settlement.start,
                        end=settlement.end,
                        options={"settlement": settlement.settlement_id},
                    ),
                    created_at=made_at,
                    stamp=call.simulator.sealer.stamp(),
                    queue_s=0,
                    work_s=0,
                )
            )
