"""The list of all datasets. A new dataset is one module beside this one and one line here."""

from __future__ import annotations

from amzigo_pipelines.catalog.fba_inventory import FBA_INVENTORY
from amzigo_pipelines.catalog.listings import LISTINGS
from amzigo_pipelines.catalog.model import CatalogError, Dataset
from amzigo_pipelines.catalog.order_items import ORDER_ITEMS
from amzigo_pipelines.catalog.orders import ORDERS

DATASETS: dict[str, Dataset] = {d.name: d for d in (ORDERS, ORDER_ITEMS, FBA_INVENTORY, LISTINGS)}


def dataset(name: str) -> Dataset:
    """The dataset of that name.

    Raises:
        CatalogError: there is none; the message lists those there are.
    """
    try:
        return DATASETS[name]
    except KeyError:
        raise CatalogError(f"there is no dataset {name!r}: choose one of {', '.join(DATASETS)}") from None
