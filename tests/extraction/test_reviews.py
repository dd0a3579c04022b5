"""Review topics and trends: asked for product by product, equal to the world's reviews, and never silently empty."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from amzigo_pipelines.assets.extraction.extract import ExtractionRefused, ExtractionResult, extract_partition
from amzigo_pipelines.catalog.rates import RATES
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.resources.spapi.errors import BadAnswer, BadRequest, MissingRole, SpApiError
from amzigo_pipelines.resources.spapi.pacing import SharedPacer
from amzigo_pipelines.resources.spapi.rate_buckets import RateBuckets
from amzigo_pipelines.simulator.api_feedback import FEWEST_REVIEWS
from amzigo_pipelines.simulator.marketplaces import MARKETPLACES
from amzigo_pipelines.simulator.reviews import Review, reviews
from amzigo_pipelines.simulator.server import SimulatorServer
from amzigo_pipelines.simulator.world import World

from .conftest import DAY, NOW, SELLER, SILENT, Platform, make_platform

CHILD = Path(__file__).parent / "review_child.py"
LATER = (NOW + timedelta(minutes=1)).isoformat()
BOTH = pytest.mark.parametrize(
    ("name", "operation"), [("review_topics", "getItemReviewTopics"), ("review_trends", "getItemReviewTrends")]
)
REQUESTS = {"review_topics": "getItemReviewTopics", "review_trends": "getItemReviewTrends"}


def extract(platform: Platform, name: str, seller: str = SELLER) -> ExtractionResult:
    (result,) = extract_partition(platform, seller, DAY, [name])  # type: ignore[arg-type]
    return result


def rows(platform: Platform, name: str, seller: str = SELLER) -> list[dict[str, Any]]:
    found = platform.lake.scan(DATASETS[name], seller, [DAY])
    return [] if found is None else found.to_table().to_pylist()


def by_product(world: World, seller: str = SELLER) -> dict[tuple[str, str], list[Review]]:
    """The reviews of every product that can be asked about; few are among them too."""
    made = world.seller(seller, NOW)
    found: dict[tuple[str, str], list[Review]] = {
        (listing.marketplace_id, listing.asin): [] for listing in made.catalogue.listings.values()
    }
    for review in reviews(made, NOW.timestamp()):
        found[review.marketplace_id, review.asin].append(review)
    return found


@pytest.fixture
def listed(platform: Platform) -> Platform:
    """An installation that knows the seller's listings."""
    extract(platform, "listings")
    return platform


def test_topics_equal_the_reviews(listed: Platform, world: World) -> None:
    result = extract(listed, "review_topics")
    expected: dict[tuple[str, str, str, str], tuple[int, float]] = {}
    asked = by_product(world)
    for (market, asin), found in asked.items():
        if len(found) < FEWEST_REVIEWS:
            continue
        for sentiment, side in (("positive", "liked"), ("negative", "disliked")):
            counts = Counter(topic for review in found for topic in getattr(review, side))
            for topic, mentions in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:10]:
                expected[market, asin, sentiment, topic] = mentions, round(100 * mentions / len(found), 2)
    stored = rows(listed, "review_topics")
    assert {
        (row["marketplace_id"], row["asin"], row["sentiment"], row["topic"]): (
            row["mentions"],
            row["occurrence_percent"],
        )
        for row in stored
    } == expected
    assert len(stored) == len(expected) > 100
    few = sum(len(found) < FEWEST_REVIEWS for found in asked.values())
    assert 0 < few < len(asked)
    assert f"{len(asked)} ASINs asked, {few} with too few reviews" in result.window
    assert result.warnings == ()
    for row in stored:
        assert row["parent_occurrence_percent"] is None and row["subtopics"] is None
        if row["position"] > 1:
            (before,) = [
                r["mentions"]
                for r in stored
                if r["asin"] == row["asin"]
                and r["marketplace_id"] == row["marketplace_id"]
                and r["sentiment"] == row["sentiment"]
                and r["position"] == row["position"] - 1
            ]
            assert before >= row["mentions"]


def test_trends_equal_the_reviews_of_each_month(listed: Platform, world: World) -> None:
    extract(listed, "review_trends")
    expected = {}
    for (market, asin), found in by_product(world).items():
        if len(found) < FEWEST_REVIEWS:
            continue
        months = defaultdict(list)
        for review in found:
            months[datetime.fromtimestamp(review.at, UTC).date().replace(day=1)].append(review)
        for sentiment, side in (("positive", "liked"), ("negative", "disliked")):
            counts = Counter(topic for review in found for topic in getattr(review, side))
            for topic, _ in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:10]:
                for month, own in months.items():
                    share = round(100 * sum(topic in getattr(review, side) for review in own) / len(own), 2)
                    expected[market, asin, sentiment, topic, month] = share
    stored = rows(listed, "review_trends")
    grain = DATASETS["review_trends"].grain
    assert {tuple(row[name] for name in grain): row["occurrence_percent"] for row in stored} == expected
    assert len(stored) == len(expected) > 100


@BOTH
def test_no_words_of_customers_are_stored_anywhere(listed: Platform, name: str, operation: str) -> None:
    extract(listed, name)
    assert rows(listed, name)
    assert not [row for row in rows(listed, name) if "SNIPPET" in str(row)]


@BOTH
def test_each_product_is_asked_for_once_in_each_marketplace(
    listed: Platform, server: SimulatorServer, world: World, name: str, operation: str
) -> None:
    result = extract(listed, name)
    assert server.requests[operation] == len(by_product(world)) == result.requests > 100


@BOTH
def test_without_listings_nothing_is_asked_and_nothing_stored(
    platform: Platform, server: SimulatorServer, name: str, operation: str
) -> None:
    with pytest.raises(ExtractionRefused, match=r"has no listings of seller .* extract listings first"):
        extract(platform, name)
    assert server.requests[operation] == 0
    assert platform.lake.partitions(SELLER, name) == []


@BOTH
def test_yesterdays_listings_will_do_and_last_weeks_wont(platform: Platform, name: str, operation: str) -> None:
    platform.clock.set(NOW - timedelta(days=3))
    extract_partition(platform, SELLER, DAY - timedelta(days=3), ["listings"])  # type: ignore[arg-type]
    platform.clock.set(NOW)
    assert extract(platform, name).rows > 0
    late = DAY + timedelta(days=5)
    platform.clock.set(NOW + timedelta(days=5))
    with pytest.raises(ExtractionRefused, match="extract listings first"):
        extract_partition(platform, SELLER, late, [name])  # type: ignore[arg-type]


@BOTH
def test_no_product_with_enough_reviews_is_an_empty_partition_that_says_so(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, name: str, operation: str
) -> None:
    extract(platform, "listings", SILENT)
    monkeypatch.setattr("amzigo_pipelines.simulator.api_feedback.FEWEST_REVIEWS", 10**6)
    result = extract(platform, name, SILENT)
    (record,) = platform.lake.partitions(SILENT, name)
    assert record.rows == result.rows == 0
    asked = int(record.origin["asins"])
    assert asked == int(record.origin["asins_without_data"]) > 50
    assert f"{asked} ASINs asked, {asked} with too few reviews" in result.window


LASTING: list[tuple[str, dict[str, Any], type[SpApiError]]] = [
    ("forbidden_errors", {}, MissingRole),
    ("forbidden_message", {}, MissingRole),
    ("html_503", {}, SpApiError),
    ("status", {"status": 500}, SpApiError),
    ("status", {"status": 200, "body": ""}, BadAnswer),
    ("status", {"status": 200, "body": "{}"}, BadAnswer),
    ("status", {"status": 200, "body": '{"topics": null, "reviewTrends": null}'}, BadAnswer),
    ("status", {"status": 200, "body": "<html></html>"}, BadAnswer),
    ("status", {"status": 404}, BadRequest),
    ("status", {"status": 400}, BadRequest),
    ("status", {"status": 413}, BadRequest),
]


@BOTH
@pytest.mark.parametrize(("kind", "settings", "error"), LASTING)
def test_an_error_is_never_empty_and_leaves_the_old_partition(
    platform: Platform,
    server: SimulatorServer,
    name: str,
    operation: str,
    kind: str,
    settings: dict[str, Any],
    error: type[SpApiError],
) -> None:
    extract(platform, "listings", SILENT)
    extract(platform, name, SILENT)
    before = rows(platform, name, SILENT)
    assert before
    server.faults.add(operation, kind, times=None, **settings)
    with pytest.raises(error) as caught:
        extract(platform, name, SILENT)
    assert rows(platform, name, SILENT) == before
    if error is MissingRole:
        assert f"{name} needs the role 'Selling Partner Insights'" in str(caught.value)
        assert "stay empty; nothing was stored" in str(caught.value)


@BOTH
def test_trouble_on_the_last_product_stores_nothing_and_the_next_run_stores_all(
    platform: Platform, server: SimulatorServer, name: str, operation: str
) -> None:
    extract(platform, "listings", SILENT)
    extract(platform, name, SILENT)
    calls, before = server.requests[operation], platform.lake.partitions(SILENT, name)
    server.faults.add(operation, "forbidden_errors", times=None, after=calls - 1)
    with pytest.raises(MissingRole):
        extract(platform, name, SILENT)
    assert platform.lake.partitions(SILENT, name) == before
    server.faults.clear()
    assert extract(platform, name, SILENT).rows == before[0].rows


def test_killed_in_the_middle_it_goes_on_with_the_next_product(platform: Platform, server: SimulatorServer) -> None:
    extract(platform, "listings", SILENT)
    everything = extract(platform, "review_topics", SILENT).rows
    products, before = server.requests["getItemReviewTopics"], platform.lake.partitions(SILENT, "review_topics")
    # A minute later than the partition that is there.
    command = [sys.executable, str(CHILD), str(platform.home.path), LATER, SILENT, str(DAY), "57"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert platform.lake.partitions(SILENT, "review_topics") == before
    # Of fifty-seven answers fifty were kept, sealed; the rest and those that were missing are asked for.
    topic = rows(platform, "review_topics", SILENT)[0]["topic"]
    files = [path for path in platform.home.path.rglob("*") if path.is_file()]
    assert files and not [path for path in files if topic.encode() in path.read_bytes()]
    server.requests.clear()
    result = extract(platform, "review_topics", SILENT)
    assert result.rows == everything and server.requests["getItemReviewTopics"] == products - 50
    # Once the partition is there nothing is kept, and all is asked for again.
    server.requests.clear()
    assert extract(platform, "review_topics", SILENT).rows == everything
    assert server.requests["getItemReviewTopics"] == products


@BOTH
def test_a_product_that_amazon_does_not_know_is_told_and_holds_up_no_other(
    platform: Platform, server: SimulatorServer, name: str, operation: str
) -> None:
    extract(platform, "listings", SILENT)
    everything = extract(platform, name, SILENT).rows
    for status in (404, 400):
        server.faults.add(operation, "status", status=status, body='{"errors": [{"code": "NotFound"}]}')
    server.faults.add(operation, "html_503")
    result = extract(platform, name, SILENT)
    assert 0 < result.rows <= everything
    assert any("Amazon knows 2 of " in warning for warning in result.warnings)


def test_an_answer_about_another_product_is_an_error(platform: Platform, server: SimulatorServer) -> None:
    extract(platform, "listings", SILENT)
    body = '{"asin": "B000000000", "marketplaceId": "ATVPDKIKX0DER", "dateRange": {}, "topics": {}}'
    server.faults.add("getItemReviewTopics", "status", status=200, body=body, times=None)
    with pytest.raises(BadAnswer, match="about another product"):
        extract(platform, "review_topics", SILENT)


def test_a_marketplace_without_the_api_is_told_and_not_asked(
    platform: Platform, server: SimulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    extract(platform, "listings")
    monkeypatch.setattr("amzigo_pipelines.assets.extraction.reviews.COUNTRIES", ("US", "DE"))
    result = extract(platform, "review_topics")
    assert any("nothing of reviews in JP" in warning for warning in result.warnings)
    assert {MARKETPLACES[row["marketplace_id"]].country for row in rows(platform, "review_topics")} == {"US", "DE"}


@BOTH
def test_hundreds_of_products_keep_to_the_rate(
    simulator_with: Callable[..., SimulatorServer], tmp_path: Path, world: World, name: str, operation: str
) -> None:
    # A simulator a hundred times as fast as Amazon, which refuses whoever comes sooner.
    scale = 100.0
    server = simulator_with(rate_scale=scale)
    platform = make_platform(tmp_path, server.url)
    extract(platform, "listings", SILENT)
    platform.client["pacer"] = SharedPacer(RateBuckets(platform.control), "test", SILENT, scale=scale)
    result = extract(platform, name, SILENT)
    assert result.requests > 100
    refused = [status for asked, status in server.log if asked == operation and status == 429]
    assert len(refused) <= 0.01 * result.requests
    assert RATES[operation].per_s == 1.0
