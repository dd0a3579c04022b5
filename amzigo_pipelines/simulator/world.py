"""The whole synthetic world: sellers, and how far their time has been made.

Belongs here: finding a seller and making time go on. Does not belong here: what happens to a seller
(`seller_world.py`), who they are (`profiles.py`), and the API in front of it all.
"""

from __future__ import annotations

import threading
from datetime import datetime

from amzigo_pipelines.simulator.profiles import (
    CLIENT_ID,
    CLIENT_SECRET,
    SellerProfile,
    WorldConfig,
    demo_config,
)
from amzigo_pipelines.simulator.seller_world import SellerWorld

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "SellerProfile", "World", "WorldConfig", "demo_config"]


class World:
    """Every seller of a configuration. Time is made as it is asked for; safe to use from several threads.

    Args:
        config: the settings. Nothing else goes in: no clock, no today.
    """

    def __init__(self, config: WorldConfig) -> None:
        self.config = config
        self._lock = threading.Lock()
        self._sellers: dict[str, SellerWorld] = {}

    @property
    def seller_ids(self) -> list[str]:
        """The sellers, in the order of the configuration."""
        return [profile.seller_id for profile in self.config.sellers]

    def profile(self, seller_id: str) -> SellerProfile:
        """The settings of a seller.

        Raises:
            KeyError: there is no such seller.
        """
        for profile in self.config.sellers:
            if profile.seller_id == seller_id:
                return profile
        raise KeyError(seller_id)

    def seller(self, seller_id: str, now: datetime) -> SellerWorld:
        """A seller's world, made at least until an instant.

        Args:
            seller_id: the seller.
            now: timezone-aware; what lies after it may exist and is for the caller to ignore.

        Raises:
            KeyError: there is no such seller.
        """
        profile = self.profile(seller_id)
        with self._lock:
            world = self._sellers.get(seller_id)
            if world is None:
                world = self._sellers[seller_id] = SellerWorld(profile, self.config.seed, self.config.first_day)
            world.extend(int(now.timestamp()))
        return world
