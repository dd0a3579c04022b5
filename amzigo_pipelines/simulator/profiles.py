"""Who sells: the settings of synthetic sellers, and those of the demo.

Belongs here: what a test or the demo chooses about a seller. Does not belong here: anything that follows from it by
chance. Every credential here is synthetic: it opens nothing but this simulator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from amzigo_pipelines.simulator.marketplaces import BY_COUNTRY, MARKETPLACES

CLIENT_ID = "amzn1.application-oa2-client.synthetic0simulator"
"""The one client id that the simulator accepts. Synthetic."""
CLIENT_SECRET = "amzn1.oa2-cs.v1.synthetic0simulator"  # noqa: S105
"""The client secret that goes with `CLIENT_ID`. Synthetic."""

SILENT = "silent"
FORBIDDEN = "forbidden"


@dataclass(frozen=True)
class SellerProfile:
    """One synthetic seller.

    Attributes:
        seller_id: Amazon's name for the account.
        refresh_token: what opens the account at the simulator's token endpoint.
        marketplace_ids: where the seller sells; the first sells most.
        orders_per_day: on an average day, all marketplaces together.
        sku_count: SKUs, both channels together.
        fba_share: share of products that Amazon fulfils, 0 to 1.
        roles: which of `BUYER` and `RECIPIENT` the application may see.
        missing_role: what asking for another one does: `silent` leaves the data out, `forbidden` answers 403.
        regional_tokens: refresh tokens of single regions (`NA`, `EU`, `FE`); `refresh_token` opens the others.
        left_marketplace_ids: those of its marketplaces in which the seller takes part no more.
        is_brand_owner: whether reports for brand owners are made for it.

    Raises:
        ValueError: an unknown marketplace, role or behaviour.
    """

    seller_id: str
    refresh_token: str
    marketplace_ids: tuple[str, ...]
    orders_per_day: float = 200
    sku_count: int = 60
    fba_share: float = 0.6
    roles: frozenset[str] = frozenset({"BUYER", "RECIPIENT"})
    missing_role: str = SILENT
    regional_tokens: Mapping[str, str] = field(default_factory=dict, hash=False)
    left_marketplace_ids: frozenset[str] = frozenset()
    is_brand_owner: bool = True

    def __post_init__(self) -> None:
        unknown = [m for m in self.marketplace_ids if m not in MARKETPLACES]
        if unknown or not self.marketplace_ids:
            raise ValueError(f"a seller needs marketplaces that the simulator knows, not {unknown}")
        if self.roles - {"BUYER", "RECIPIENT"} or self.missing_role not in (SILENT, FORBIDDEN):
            raise ValueError("roles are BUYER and RECIPIENT, missing_role is silent or forbidden")


@dataclass(frozen=True)
class WorldConfig:
    """A whole world: the same settings always give the same one.

    Attributes:
        seed: picks the world.
        first_day: the UTC day on which every seller starts.
        sellers: who sells, each with an id and a refresh token of their own.

    Raises:
        ValueError: two sellers share an id or a refresh token.
    """

    seed: int
    first_day: date
    sellers: tuple[SellerProfile, ...]

    def __post_init__(self) -> None:
        ids = [seller.seller_id for seller in self.sellers]
        tokens = [t for seller in self.sellers for t in (seller.refresh_token, *seller.regional_tokens.values())]
        if len(set(ids)) != len(ids) or len(set(tokens)) != len(tokens):
            raise ValueError("every seller needs an id and refresh tokens of its own")


def demo_config(first_day: date, orders_per_day: float = 200, seed: int = 20260101) -> WorldConfig:
    """Two sellers: one in the United States and Canada, one in Germany and the United Kingdom."""
    return WorldConfig(
        seed=seed,
        first_day=first_day,
        sellers=(
            SellerProfile(
                seller_id="ASYNTHETICNORTH1",
                refresh_token="Atzr|synthetic-north",  # noqa: S106
                marketplace_ids=(BY_COUNTRY["US"].marketplace_id, BY_COUNTRY["CA"].marketplace_id),
                orders_per_day=orders_per_day,
            ),
            SellerProfile(
                seller_id="ASYNTHETICEUROPE",
                refresh_token="Atzr|synthetic-europe",  # noqa: S106
                marketplace_ids=(BY_COUNTRY["DE"].marketplace_id, BY_COUNTRY["GB"].marketplace_id),
                orders_per_day=orders_per_day,
                fba_share=0.45,
            ),
        ),
    )
