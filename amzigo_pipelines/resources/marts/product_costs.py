"""A seller's file of unit costs, lead times and targets: reading it, checking it row by row, storing it.

Belongs here: what such a file may say, and that it is taken as a whole or not at all. Does not belong here: the
dataset's columns (`catalog/product_costs.py`), the command (`cli/costs.py`), and what is planned with it
(`assets/marts/reorder_plan.sql`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from amzigo_pipelines.catalog.fba_inventory import FBA_INVENTORY
from amzigo_pipelines.catalog.listings import LISTINGS
from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.catalog.product_costs import PRODUCT_COSTS
from amzigo_pipelines.clock import today
from amzigo_pipelines.errors import AmzigoError

if TYPE_CHECKING:
    from datetime import date

    from amzigo_pipelines.resources.platform import Platform
    from amzigo_pipelines.resources.sellers import Seller

REQUIRED = ("marketplace", "sku", "currency", "unit_cost")
OPTIONAL = ("lead_time_days", "lead_time_deviation_days", "service_level", "target_days", "minimum_order_units")
MAX_BYTES = 50_000_000
_SHOWN = 5
_SERVICE_LEVEL, _TARGET_DAYS, _MINIMUM = Decimal("0.95"), 30, 1


class CostsRefused(AmzigoError):
    """The file is not right; nothing of it was stored. The message tells lines and what is wrong with each."""


@dataclass
class CostsFile:
    """What a file holds.

    Attributes:
        rows: as the dataset's columns.
        problems: what is wrong, each with its line.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def import_costs(platform: Platform, seller_id: str, path: Path) -> dict[str, int]:
    """Check a file and store it encrypted as the seller's costs, in the place of those before.

    Returns:
        SKUs by country.

    Raises:
        UnknownSeller: there is no such seller.
        CostsRefused: the file can't be read, or anything in it is wrong; nothing was stored.
    """
    seller = platform.sellers.get(seller_id)
    known = _known_skus(platform, seller_id)
    if not known:
        raise CostsRefused(
            f"no SKU of seller {seller_id} is known yet to check the file by: "
            f"run 'amzigo extract --seller {seller_id} --dataset listings' first"
        )
    found = read_costs(path, seller, known)
    if found.problems:
        more = len(found.problems) - _SHOWN
        told = "; ".join(found.problems[:_SHOWN]) + (f"; and {more:,} more" if more > 0 else "")
        raise CostsRefused(f"nothing was imported from {path.name}: {told}")
    table = pa.table(
        {f.name: pa.array([row[f.name] for row in found.rows], f.type) for f in PRODUCT_COSTS.schema},
        schema=PRODUCT_COSTS.schema,
    )
    origin = {"operation": PRODUCT_COSTS.source.operation}
    with platform.lake.writer(seller_id, today(platform.clock), [PRODUCT_COSTS], origin) as writer:
        writer.append(PRODUCT_COSTS, table)
    counts: dict[str, int] = {}
    for row in found.rows:
        country = MARKETPLACES[row["marketplace_id"]].country
        counts[country] = counts.get(country, 0) + 1
    return counts


def read_costs(path: Path, seller: Seller, known: Mapping[str, set[str]]) -> CostsFile:
    """Read and check a file.

    Args:
        path: a CSV file in UTF-8 with a header; commas, semicolons or tabs between values.
        seller: whose marketplaces may occur.
        known: SKUs by marketplace id.

    Raises:
        CostsRefused: the file can't be read at all, or its header is not what it must be.
    """
    found, seen = CostsFile(), dict[tuple[str, str], int]()
    for line, values in _lines(path):
        if isinstance(values, str):
            found.problems.append(f"line {line}: {values}")
            continue
        try:
            row = _row(values, seller, known)
            key = (row["marketplace_id"], row["sku"])
            if key in seen:
                raise _Wrong(f"SKU {row['sku']!r} stands in line {seen[key]} already for the same marketplace")
            seen[key] = line
            found.rows.append(row)
        except _Wrong as wrong:
            found.problems.append(f"line {line}: {wrong}")
    if not found.rows and not found.problems:
        raise CostsRefused(f"{path.name} has a header and no line of costs: nothing was imported")
    return found


class _Wrong(Exception):
    """What is wrong with one line."""


def _lines(path: Path) -> Iterator[tuple[int, dict[str, str] | str]]:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise CostsRefused(
                f"{path.name} has {size:,} bytes, and a file of costs at most {MAX_BYTES:,}: is it the one?"
            )
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise CostsRefused(f"{path} can't be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise CostsRefused(f"{path.name} is not in UTF-8 (line {line}): save it as 'CSV UTF-8'") from None
    if not text.strip():
        raise CostsRefused(f"{path.name} is empty: its first line is a header with {', '.join(REQUIRED)}")
    header = text.splitlines()[0]
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        _check_header(path, names)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(names):
                hint = (
                    "; decimals have a point, and a value that holds a comma needs quotes" if delimiter == "," else ""
                )
                yield reader.line_num, f"{len(cells)} values under {len(names)} headers{hint}"
            else:
                yield reader.line_num, dict(zip(names, (cell.strip() for cell in cells), strict=True))
    except csv.Error as error:
        raise CostsRefused(f"{path.name} is no CSV file in line {reader.line_num}: {error}") from None


def _check_header(path: Path, names: Sequence[str]) -> None:
    if "" in names and any(names):
        raise CostsRefused(
            f"column {names.index('') + 1} in the header of {path.name} has no name: give it one, or remove it"
        )
    missing = [name for name in REQUIRED if name not in names]
    unknown = [name for name in names if name not in (*REQUIRED, *OPTIONAL)]
    doubled = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    for what, which in (("lacks", missing), ("has unknown", unknown), ("has twice", doubled)):
        if which:
            raise CostsRefused(
                f"the header of {path.name} {what} {', '.join(repr(name) for name in which)}: it needs "
                f"{', '.join(REQUIRED)} and may have {', '.join(OPTIONAL)}"
            )


def _row(values: Mapping[str, str], seller: Seller, known: Mapping[str, set[str]]) -> dict[str, Any]:
    marketplace_id = _marketplace(values["marketplace"], seller)
    country, currency = MARKETPLACES[marketplace_id].country, MARKETPLACES[marketplace_id].currency
    sku = values["sku"]
    if not sku:
        raise _Wrong("sku is empty")
    if sku not in known.get(marketplace_id, ()):
        raise _Wrong(f"SKU {sku!r} is not known in {country}")
    if values["currency"].upper() != currency:
        raise _Wrong(f"currency {values['currency']!r} is not that of {country}, {currency}: costs are never converted")
    level = _number(values, "service_level", Decimal("0.5"), Decimal("0.999")) or _SERVICE_LEVEL
    deviation = _number(values, "lead_time_deviation_days", Decimal(0), Decimal(365))
    return {
        "marketplace_id": marketplace_id,
        "sku": sku,
        "currency": currency,
        "unit_cost": _needed(values, "unit_cost", Decimal(0), Decimal(1_000_000_000)).quantize(Decimal("0.0001")),
        "lead_time_days": _whole(values, "lead_time_days", 0, 730),
        "lead_time_deviation_days": float(deviation or 0),
        "service_level": float(level),
        "service_factor": NormalDist().inv_cdf(float(level)),
        "target_days": _whole(values, "target_days", 1, 730) or _TARGET_DAYS,
        "minimum_order_units": _whole(values, "minimum_order_units", 1, 10_000_000) or _MINIMUM,
    }


def _marketplace(text: str, seller: Seller) -> str:
    wanted = {"UK": "GB"}.get(text.upper(), text.upper())
    for marketplace_id in seller.marketplace_ids:
        if wanted in (marketplace_id, MARKETPLACES[marketplace_id].country):
            return marketplace_id
    there = ", ".join(MARKETPLACES[m].country for m in seller.marketplace_ids)
    raise _Wrong(f"marketplace {text!r} is none in which the seller sells ({there})")


def _needed(values: Mapping[str, str], name: str, low: Decimal, high: Decimal) -> Decimal:
    found = _number(values, name, low, high)
    if found is None:
        raise _Wrong(f"{name} is empty")
    return found


def _number(values: Mapping[str, str], name: str, low: Decimal, high: Decimal) -> Decimal | None:
    text = values.get(name, "")
    if not text:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    # Digits alone: Decimal would take '1_000' and 'Infinity' too, and '1e3', which a spreadsheet makes of an SKU.
    if not number.is_finite() or not set(text) <= set("+-.0123456789"):
        raise _Wrong(f"{name} {text!r} is no number: write it as 1234.50")
    if not low <= number <= high:
        raise _Wrong(f"{name} {text} is not between {low} and {high}")
    if number != number.quantize(Decimal("0.0001")):
        raise _Wrong(f"{name} {text} has more than four decimals")
    return number


def _whole(values: Mapping[str, str], name: str, low: int, high: int) -> int | None:
    number = _number(values, name, Decimal(low), Decimal(high))
    if number is not None and number != number.to_integral_value():
        raise _Wrong(f"{name} {values[name]} is no whole number")
    return None if number is None else int(number)


def _known_skus(platform: Platform, seller_id: str) -> dict[str, set[str]]:
    """SKUs by marketplace, of the newest listings and the newest stock that were extracted."""
    known: dict[str, set[str]] = {}
    for dataset in (LISTINGS, FBA_INVENTORY):
        days: list[date] = [record.day for record in platform.lake.partitions(seller_id, dataset) if record.rows]
        if not days:
            continue
        scanned = platform.lake.scan(dataset, seller_id, [max(days)], [RetentionClass.BUSINESS])
        if scanned is not None:
            for batch in scanned.to_batches(columns=["marketplace_id", "sku"]):
                for marketplace_id, sku in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    known.setdefault(marketplace_id, set()).add(sku)
    return known
