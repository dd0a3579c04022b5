"""The catalog's promise: a column that is not classified, or not flat, never gets as far as being stored."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from amzigo_pipelines.catalog.model import (
    STRING,
    CatalogError,
    Column,
    Dataset,
    RetentionClass,
    Source,
    business,
    pii,
)
from amzigo_pipelines.catalog.registry import DATASETS, dataset

# Amazon's own list of PII in Orders 2026-01-01, of what we ask for, by the path in the answer.
AMAZON_PII_PATHS = {
    "buyer.buyerEmail",
    "buyer.buyerName",
    "buyer.buyerCompanyName",
    "buyer.buyerPurchaseOrderNumber",
    "recipient.deliveryAddress.name",
    "recipient.deliveryAddress.companyName",
    "recipient.deliveryAddress.addressLine1",
    "recipient.deliveryAddress.addressLine2",
    "recipient.deliveryAddress.addressLine3",
    "recipient.deliveryAddress.districtOrCounty",
    "recipient.deliveryAddress.municipality",
    "recipient.deliveryAddress.postalCode",
    "recipient.deliveryAddress.phone",
    "recipient.deliveryAddress.extendedFields.streetName",
    "recipient.deliveryAddress.extendedFields.streetNumber",
    "recipient.deliveryAddress.extendedFields.complement",
    "recipient.deliveryAddress.extendedFields.neighborhood",
    "recipient.deliveryPreference.dropOffLocation",
    "recipient.deliveryPreference.addressInstruction",
    "packages[].trackingNumber",
    "fulfillment.packing.giftOption.giftMessage",
    "product.customization.customizedUrl",
    "cancellation.cancellationRequest.cancelReason",
    "cancellation.cancellationExecution.cancelReason",
}


def made_up(*columns: Column, grain: tuple[str, ...] = ("id",)) -> Dataset:
    return Dataset(
        name="made_up",
        description="A dataset of a test.",
        grain=grain,
        columns=(business("id", STRING, "Identifier.", "id"), *columns),
        source=Source(operation="none"),
        purpose="testing",
        legal_basis="none",
        partition_day="any",
    )


def test_an_unclassified_column_is_named() -> None:
    with pytest.raises(CatalogError, match="'shoe_size' of dataset 'made_up' has no retention class"):
        made_up(Column("shoe_size", STRING, None, "Unclassified."))


@pytest.mark.parametrize("nested", [pa.list_(pa.string()), pa.struct([("a", pa.string())]), pa.map_(STRING, STRING)])
def test_a_nested_column_is_named(nested: pa.DataType) -> None:
    with pytest.raises(CatalogError, match="'things' of dataset 'made_up' is nested"):
        made_up(business("things", nested, "Nested."))


def test_pii_needs_a_purpose() -> None:
    with pytest.raises(CatalogError, match="'name' of dataset 'made_up' is PII without a purpose"):
        made_up(pii("name", STRING, "Name.", "name", ""))


def test_a_column_declared_twice_is_named() -> None:
    with pytest.raises(CatalogError, match="'id' of dataset 'made_up' is declared twice"):
        made_up(business("id", STRING, "Again."))


def test_a_grain_of_pii_or_of_nothing_is_refused() -> None:
    with pytest.raises(CatalogError, match="names 'name', which is no business column"):
        made_up(pii("name", STRING, "Name.", "name", "testing"), grain=("name",))
    with pytest.raises(CatalogError, match="has no grain"):
        replace(made_up(), grain=())


def test_an_unknown_dataset_lists_those_there_are() -> None:
    with pytest.raises(CatalogError, match="there is no dataset 'ordrs': choose one of orders, order_items"):
        dataset("ordrs")


def test_what_amazon_calls_pii_is_classified_as_pii() -> None:
    classified = {
        column.source.removeprefix("^"): column.retention
        for name in ("orders", "order_items")
        for column in DATASETS[name]
        if column.source
    }
    assert {path for path, retention in classified.items() if retention is RetentionClass.PII} == AMAZON_PII_PATHS


@pytest.mark.parametrize("name", DATASETS)
def test_every_column_says_what_it_means(name: str) -> None:
    for column in DATASETS[name]:
        assert column.description.endswith("."), f"{name}.{column.name} has no sentence as its description"


@pytest.mark.parametrize("name", DATASETS)
def test_families_share_the_grain_and_split_the_rest(name: str) -> None:
    found = DATASETS[name]
    rest = [c for schema in found.families.values() for c in schema.names if c not in found.grain]
    assert sorted(rest) == sorted(c.name for c in found if c.name not in found.grain)
    for schema in found.families.values():
        assert tuple(schema.names[: len(found.grain)]) == found.grain
