"""A made-up seller's year for the benchmark of marts: values of realistic width and variety, nobody's data.

Belongs here: the rows. Does not belong here: writing and measuring (`marts.py`).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa

from amzigo_pipelines.catalog.registry import DATASETS

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MARKETS = (("ATVPDKIKX0DER", "USD"), ("A1PA6795UKMFR9", "EUR"), ("A1VC38T7YXB528", "JPY"))


class MadeUp:
    """A seller's year, day by day, with values of realistic width and variety."""

    def __init__(self, orders_per_day: int, skus: int) -> None:
        self._per_day, self._skus = orders_per_day, skus
        self._random = np.random.default_rng(1)

    def day(self, day: date) -> dict[str, pa.Table]:
        """The tables of orders, their items (two on average) and stock of a day."""
        draw, count = self._random, self._per_day
        names = [f"{day:%j}-{n:07}-{day:%Y%m%d}" for n in range(count)]
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        created = [start + timedelta(seconds=int(s)) for s in np.sort(draw.integers(0, 80_000, count))]
        market = draw.choice(3, count, p=(0.6, 0.3, 0.1))
        # Orders are open for days, not for months.
        is_new = day >= NOW.date() - timedelta(days=3)
        status = draw.choice(["SHIPPED"] * 5 + ["UNSHIPPED" if is_new else "CANCELLED"], count)
        lines = draw.integers(1, 4, count)
        of = np.repeat(np.arange(count), lines)
        popular = (draw.pareto(1.2, len(of)) * self._skus / 20).astype(int) % self._skus
        price = (1000 + popular * 7 % 4000) / 100
        orders = {
            "order_id": names,
            "marketplace_id": [MARKETS[m][0] for m in market],
            "sales_channel": ["AMAZON"] * count,
            "created_at": created,
            "last_updated_at": created,
            "status": status.tolist(),
            "fulfilled_by": np.where(draw.random(count) < 0.7, "AMAZON", "MERCHANT").tolist(),
            "currency": [MARKETS[m][1] for m in market],
            "item_amount": np.bincount(of, price, count).round(2),
            "ship_by_latest_at": [at + timedelta(days=2) for at in created],
            "deliver_by_latest_at": [at + timedelta(days=5) for at in created],
            "last_shipped_at": [at + timedelta(days=1) for at in created],
            "ship_state": [f"State {n}" for n in draw.integers(0, 60, count)],
            "ship_country": [MARKETS[m][1][:2] for m in market],
            "units_ordered": lines,
            "buyer_key": [f"{n:064x}" if n < 150_000 else None for n in draw.integers(0, 250_000, count)],
        }
        items = {
            "order_id": [names[n] for n in of],
            "order_item_id": [f"{n:014}" for n in draw.integers(0, 10**13, len(of))],
            "marketplace_id": [orders["marketplace_id"][n] for n in of],
            "order_created_at": [created[n] for n in of],
            "last_updated_at": [created[n] for n in of],
            "sku": [f"SKU-{n:05}" for n in popular],
            "asin": [f"B{n:09}" for n in popular],
            "title": [f"A product of some sort, number {n}, in a title of usual length" for n in popular],
            "quantity_ordered": draw.choice((1, 1, 1, 2), len(of)),
            "currency": [orders["currency"][n] for n in of],
            "unit_price": price,
        }
        stock = {
            "marketplace_id": [MARKETS[0][0]] * self._skus,
            "sku": [f"SKU-{n:05}" for n in range(self._skus)],
            "taken_at": [start] * self._skus,
            "asin": [f"B{n:09}" for n in range(self._skus)],
            "fulfillable_units": draw.integers(0, 90, self._skus),
        }
        return {"orders": _table("orders", orders), "order_items": _table("order_items", items),
                "fba_inventory": _table("fba_inventory", stock)}  # fmt: skip


def _table(name: str, columns: dict[str, object]) -> pa.Table:
    rows = len(next(iter(columns.values())))  # type: ignore[arg-type]
    arrays = []
    for field in DATASETS[name].schema:
        values = columns.get(field.name)
        if values is None:
            arrays.append(pa.nulls(rows, field.type))
        elif pa.types.is_decimal(field.type):
            arrays.append(pa.array(np.asarray(values, float)).cast(pa.decimal128(18, 4)))
        else:
            arrays.append(pa.array(values, field.type))
    return pa.table(arrays, schema=DATASETS[name].schema)
