"""The list of all datasets. A new dataset is one module beside this one and one line here."""

from __future__ import annotations

from amzigo_pipelines.catalog.account_health import ACCOUNT_HEALTH
from amzigo_pipelines.catalog.advertising import ADS_CAMPAIGNS, ADS_PRODUCTS
from amzigo_pipelines.catalog.customer_feedback import REVIEW_TOPICS, REVIEW_TRENDS
from amzigo_pipelines.catalog.fba_inventory import FBA_INVENTORY
from amzigo_pipelines.catalog.fba_shipments import FBA_SHIPMENTS
from amzigo_pipelines.catalog.inventory_ledger import INVENTORY_LEDGER_DETAIL, INVENTORY_LEDGER_SUMMARY
from amzigo_pipelines.catalog.inventory_planning import INVENTORY_PLANNING, STRANDED_INVENTORY
from amzigo_pipelines.catalog.listings import LISTINGS
from amzigo_pipelines.catalog.model import CatalogError, Dataset
from amzigo_pipelines.catalog.order_items import ORDER_ITEMS
from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.catalog.participations import PARTICIPATIONS
from amzigo_pipelines.catalog.product_costs import PRODUCT_COSTS
from amzigo_pipelines.catalog.repeat_purchase import REPEAT_PURCHASE
from amzigo_pipelines.catalog.returns import FBA_RETURNS, MERCHANT_RETURNS
from amzigo_pipelines.catalog.sales_and_traffic import SALES_AND_TRAFFIC_BY_SKU, SALES_AND_TRAFFIC_DAILY
from amzigo_pipelines.catalog.sales_metrics import SALES_METRICS
from amzigo_pipelines.catalog.seller_feedback import SELLER_FEEDBACK
from amzigo_pipelines.catalog.settlements import SETTLEMENT_LINES, SETTLEMENTS
from amzigo_pipelines.catalog.transactions import TRANSACTION_BREAKDOWNS, TRANSACTIONS

_ALL = (
    ORDERS,
    ORDER_ITEMS,
    FBA_SHIPMENTS,
    FBA_INVENTORY,
    INVENTORY_LEDGER_DETAIL,
    INVENTORY_LEDGER_SUMMARY,
    INVENTORY_PLANNING,
    STRANDED_INVENTORY,
    FBA_RETURNS,
    MERCHANT_RETURNS,
    SALES_AND_TRAFFIC_DAILY,
    SALES_AND_TRAFFIC_BY_SKU,
    SALES_METRICS,
    TRANSACTIONS,
    TRANSACTION_BREAKDOWNS,
    SETTLEMENTS,
    SETTLEMENT_LINES,
    LISTINGS,
    REVIEW_TOPICS,
    REVIEW_TRENDS,
    REPEAT_PURCHASE,
    SELLER_FEEDBACK,
    ACCOUNT_HEALTH,
    PARTICIPATIONS,
    ADS_CAMPAIGNS,
    ADS_PRODUCTS,
)
DATASETS: dict[str, Dataset] = {dataset.name: dataset for dataset in _ALL}
"""What is extracted, by name."""

STORED: dict[str, Dataset] = {**DATASETS, PRODUCT_COSTS.name: PRODUCT_COSTS}
"""What the lake may hold: what is extracted, and what a seller brings itself."""


def dataset(name: str) -> Dataset:
    """The dataset of that name.

    Raises:
        CatalogError: there is none; the message lists those there are.
    """
    try:
        return DATASETS[name]
    except KeyError:
        raise CatalogError(f"there is no dataset {name!r}: choose one of {', '.join(DATASETS)}") from None
