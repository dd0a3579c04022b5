"""The retention clock: on which day an order's personal data must be gone.

Belongs here: the rule, and what follows from it for partition days. Does not belong here: destroying anything
(`sweep.py`), and periods (`resources/retention_settings.py`).

No Orders API tells when an order was delivered. So each row's date counts from t, the latest moment at which the order
is *known not to have been delivered*. Delivery comes after t, so t + 30 days is never later than delivery + 30 days.
Where a row proves nothing, t falls back to the moment of the order: earlier is the safe side.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from amzigo_pipelines.catalog.model import INSTANT, PERIOD_DAYS, RetentionClass
from amzigo_pipelines.errors import AmzigoError

# At its last update such an order had not left yet.
BEFORE_SHIPPING = ("PENDING_AVAILABILITY", "PENDING", "UNSHIPPED")
SHIPPED = "SHIPPED"
PARTIALLY_SHIPPED = "PARTIALLY_SHIPPED"
CANCELLED = "CANCELLED"

CLOCK_COLUMNS = ("created_at", "last_updated_at", "status", "first_shipped_at", "last_shipped_at")
"""The columns of `orders` that the clock looks at."""
_UTC = pa.timestamp("us")


class ExpiryUnknown(AmzigoError):
    """An order does not say enough to give it a date of death, so it can't be stored."""


def expires_on_of(orders: pa.Table, now: datetime, period_days: int = PERIOD_DAYS[RetentionClass.PII]) -> pa.Array:
    """The date of death of each order's personal data.

    t is, by status:

    - before shipping: `last_updated_at`;
    - SHIPPED: `last_shipped_at`, but no later than `last_updated_at` (a ship time stated ahead proves nothing);
    - PARTIALLY_SHIPPED: `first_shipped_at`, likewise (nothing of it was delivered before its first parcel left);
    - CANCELLED: `last_updated_at` (never delivered; the cancellation counts);
    - UNFULFILLABLE and whatever Amazon may add: `created_at`.

    Null falls back to `created_at`. t is never earlier than `created_at` and never later than `now`; where both can't
    be (an order from the future), `now` wins.

    Args:
        orders: rows of the dataset `orders`; only created_at, last_updated_at, status, first_shipped_at and
            last_shipped_at are looked at.
        now: the clock's present instant, timezone-aware.
        period_days: how long PII may live: the installation's `[retention] pii_days`.

    Returns:
        date32, one a row: the UTC date of t + `period_days`. On that date the data is dead already.

    Raises:
        ExpiryUnknown: a column is missing, or `created_at` is null somewhere.
        ValueError: `now` has no time zone.
    """
    if now.tzinfo is None:
        raise ValueError("the retention clock needs an instant with a time zone")
    missing = [name for name in CLOCK_COLUMNS if name not in orders.column_names]
    if missing:
        raise ExpiryUnknown(f"orders without {', '.join(missing)} have no date of death: extract these columns too")
    created = _instants(orders, "created_at")
    if created.null_count:
        raise ExpiryUnknown(
            f"{created.null_count} of {orders.num_rows} orders don't say when they were created, so their data "
            "has no date of death: nothing of them was stored; extract the day again, or report it to Amazon"
        )
    updated = _instants(orders, "last_updated_at")
    status = orders["status"].combine_chunks()

    def shipped(column: str) -> pa.Array:
        # min_element_wise skips nulls: without skip_nulls=False a null ship time would turn into the last update.
        stated = _instants(orders, column)
        capped = pc.min_element_wise(stated, pc.coalesce(updated, stated), skip_nulls=False)
        return pc.coalesce(capped, created)

    known = pc.case_when(
        pc.make_struct(
            _is(status, (*BEFORE_SHIPPING, CANCELLED)), _is(status, (SHIPPED,)), _is(status, (PARTIALLY_SHIPPED,))
        ),
        pc.coalesce(updated, created),
        shipped("last_shipped_at"),
        shipped("first_shipped_at"),
        created,
    )
    t = pc.min_element_wise(
        pc.max_element_wise(known, created), pa.scalar(now.astimezone(UTC).replace(tzinfo=None), _UTC)
    )
    period = pa.scalar(timedelta(days=period_days), pa.duration("us"))
    return pc.cast(pc.add_checked(t, period), pa.date32(), safe=False)


def is_dead(expires_on: date, today: date) -> bool:
    """Whether data with that date of death must be gone on that day: from the date itself on, not the day after."""
    return today >= expires_on


def earliest_pii_day(today: date, period_days: int = PERIOD_DAYS[RetentionClass.PII]) -> date:
    """The first partition day of orders whose personal data can still be alive on `today`.

    An order's t is no later than its last update, whose day is the partition's. So a partition of an earlier day holds
    nothing that may be kept, and Amazon isn't asked for buyers or recipients at all.
    """
    return today - timedelta(days=period_days - 1)


def _instants(orders: pa.Table, name: str) -> pa.Array:
    # Arrow finds no smaller or larger of two zoned instants: first to UTC, then without the zone.
    return orders[name].combine_chunks().cast(INSTANT).cast(_UTC)


def _is(status: pa.Array, names: tuple[str, ...]) -> pa.Array:
    return pc.fill_null(pc.is_in(status, value_set=pa.array(names, pa.string())), False)
