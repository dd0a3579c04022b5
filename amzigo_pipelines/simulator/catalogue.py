# ruff: noqa: RUF001 -- typographic signs in the titles are the point: they go through every charset.
"""What a synthetic seller offers: products, their SKUs, and a listing of each SKU in each marketplace.

Belongs here: names, prices, popularity, channel. Does not belong here: how many there are (`stock.py`) or who buys
them (`demand.py`).

A product may have two SKUs: one that Amazon fulfils and a twin that the seller ships, which takes over when Amazon's
stock has run out. One SKU is listed in several marketplaces: joining on the SKU alone counts it more than once.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from amzigo_pipelines.simulator.marketplaces import Marketplace

AMAZON = "AMAZON"
MERCHANT = "MERCHANT"

_WORDS: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "en": (
        ("Café", "Compact", "Señora’s", "Folding", "Naïve", "Heavy-Duty"),
        ("Oak", "Crème", "Steel", "Linen", "Bamboo", "Matte"),
        ("Coffee Mug", "Desk Lamp", "Water Bottle", "Garden Trowel", "Notebook – A5", "Yoga Mat", "Fondue Set"),
    ),
    "de": (
        ("Große", "Kleine", "Schöne", "Faltbare", "Süße", "Robuste"),
        ("Küchen", "Büro", "Garten", "Bäder", "Reise", "Töpfer"),
        ("lampe für Zuhause", "flasche 1 l", "matte", "tasse weiß", "schaufel", "box – groß", "schürze"),
    ),
    "fr": (
        ("Élégante", "Petite", "Légère", "Pliante", "Très grande", "Durable"),
        ("en chêne", "crème", "d’acier", "en lin", "de bambou", "à café"),
        ("lampe", "tasse", "bouteille", "pelle de jardin", "table basse – été", "boîte", "théière"),
    ),
    "es": (
        ("Pequeña", "Niño", "Plegable", "Cómoda", "Resistente", "Única"),
        ("de roble", "de acero", "de algodón", "de bambú", "de jardín", "de cocina"),
        ("lámpara", "taza", "botella", "pala", "libreta – A5", "alfombra", "caja"),
    ),
    "ja": (
        ("小型", "大型", "折りたたみ", "軽量", "高級", "かわいい"),
        ("木製", "ステンレス", "綿", "竹製", "陶器", "ガラス"),
        ("マグカップ", "デスクランプ", "水筒", "ノート", "ヨガマット", "弁当箱", "急須"),
    ),
}
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


@dataclass(frozen=True, slots=True)
class Listing:
    """One SKU as offered in one marketplace. `price` is in minor units of the marketplace's currency."""

    sku: str
    asin: str
    fnsku: str
    listing_id: str
    marketplace_id: str
    channel: str
    title: str
    description: str
    price: int
    opened_at: int
    is_customisable: bool


@dataclass(frozen=True)
class Product:
    """One ASIN: its popularity and its listings, by marketplace and channel.

    Attributes:
        weight: share of the seller's demand, all products together 1.
        is_neglected: whether the seller reorders it too late, so that it runs out.
    """

    asin: str
    weight: float
    is_neglected: bool
    listings: dict[tuple[str, str], Listing]


class Catalogue:
    """All that one seller offers.

    Args:
        rng: the source of chance, of its own, so that nothing else shifts it.
        markets: where the seller sells.
        sku_count: how many SKUs, twins included.
        fba_share: the share of products that Amazon fulfils.
        opened_before: epoch second before which every listing was opened.
    """

    def __init__(
        self, rng: random.Random, markets: list[Marketplace], sku_count: int, fba_share: float, opened_before: int
    ) -> None:
        self.products: list[Product] = []
        self.listings: dict[tuple[str, str], Listing] = {}
        skus = 0
        rank = 0
        raw: list[tuple[list[str], float, bool]] = []
        while skus < sku_count:
            rank += 1
            if rng.random() < fba_share:
                channels = [AMAZON, MERCHANT] if rng.random() < 0.3 and skus + 2 <= sku_count else [AMAZON]
            else:
                channels = [MERCHANT]
            skus += len(channels)
            raw.append((channels, 1.0 / (rank + 3) ** 0.8, rng.random() < 0.1))
        total = sum(weight for _, weight, _ in raw)
        for number, (channels, weight, neglected) in enumerate(raw, start=1):
            self._add(rng, markets, number, channels, weight / total, neglected, opened_before)

    def _add(
        self,
        rng: random.Random,
        markets: list[Marketplace],
        number: int,
        channels: list[str],
        weight: float,
        neglected: bool,
        opened_before: int,
    ) -> None:
        asin = "B0" + "".join(rng.choices(_LETTERS, k=8))
        dollars = round(rng.lognormvariate(3.1, 0.6)) + 3.99
        picks = (rng.randrange(6), rng.randrange(6), rng.randrange(7))
        customisable = number % 9 == 4
        # The second market is not served by everyone: about one product in six stays at home.
        served = [m for position, m in enumerate(markets) if position == 0 or rng.random() < 0.83]
        listings: dict[tuple[str, str], Listing] = {}
        for channel in channels:
            sku = f"SKU-{number:04d}-{'FBA' if channel == AMAZON else 'FBM'}"
            fnsku = "X00" + "".join(rng.choices(_LETTERS, k=7))
            for market in served:
                first, second, third = (words[pick] for words, pick in zip(_WORDS[market.language], picks, strict=True))
                joint = "" if market.language == "ja" or (market.language == "de" and channel == AMAZON) else " "
                title = f"{first} {second}{joint}{third} {number}"
                listing = Listing(
                    sku=sku,
                    asin=asin,
                    fnsku=fnsku if channel == AMAZON else asin,
                    listing_id=f"{rng.randrange(10**10):010d}",
                    marketplace_id=market.marketplace_id,
                    channel=channel,
                    title=title,
                    description=f"{title}.",
                    price=_price(dollars * (1.0 if channel == AMAZON else 1.05), market),
                    opened_at=opened_before - rng.randrange(30, 900) * 86_400,
                    is_customisable=customisable and channel == MERCHANT,
                )
                listings[market.marketplace_id, channel] = listing
                self.listings[sku, market.marketplace_id] = listing
        self.products.append(Product(asin, weight, neglected, listings))

    def offered(self, marketplace_id: str) -> list[Product]:
        """The products sold in a marketplace."""
        return [p for p in self.products if any(key[0] == marketplace_id for key in p.listings)]


def _price(dollars: float, market: Marketplace) -> int:
    amount = dollars * market.price_factor
    if not market.decimals:
        return max(100, round(amount / 10) * 10 - 20)
    return int(amount) * 100 + 99
