"""The dataset `seller_feedback`: what buyers say of the seller, from its feedback report. Declarations only."""

from __future__ import annotations

from amzigo_pipelines.catalog.model import (
    DATE,
    FROM_ORDER,
    INTEGER,
    STRING,
    Dataset,
    ReportShape,
    Source,
    business,
    pii,
    unclassified,
)

_ANSWER = "review management: answering the buyer (contract)"


SELLER_FEEDBACK = Dataset(
    name="seller_feedback",
    description="One row a feedback of a buyer about the seller: rating and date, the words while they may be kept.",
    grain=("marketplace_id", "given_on", "order_id", "occurrence"),
    source=Source(
        operation="createReport",
        report_type="GET_SELLER_FEEDBACK_DATA",
        # A buyer may change or remove it; the seller may answer.
        lookback_days=30,
        report=ReportShape(day_column="given_on", pii_from=(FROM_ORDER,)),
    ),
    purpose="review management",
    legal_basis="contract",
    partition_day="the marketplace's local day on which it was given",
    columns=(
        business("marketplace_id", STRING, "Marketplace that was asked.", "@marketplace_id"),
        business("given_on", DATE, "Day on which it was given.", "Date"),
        business("order_id", STRING, "Amazon's order identifier.", "Order ID"),
        business("occurrence", INTEGER, "Counts feedback of the same day and order, from 1.", "@occurrence"),
        business("rating", INTEGER, "Stars, 1 to 5.", "Rating"),
        pii("comments", STRING, "What the buyer wrote.", "Comments", _ANSWER),
        pii("response", STRING, "What the seller answered.", "Your Response", _ANSWER),
        pii("rater_email", STRING, "The buyer's e-mail alias at Amazon.", "Rater Email", _ANSWER),
        unclassified(),
    ),
)
