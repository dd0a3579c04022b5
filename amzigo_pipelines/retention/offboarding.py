"""A seller who leaves: every key destroyed, every file unlinked, the token deleted.

Belongs here: the order of those steps. Does not belong here: erasing single buyers or orders.
"""

from __future__ import annotations

from dataclasses import dataclass

from amzigo_pipelines.resources.platform import Platform


@dataclass(frozen=True)
class Removal:
    """What was destroyed of a seller: data keys and files."""

    keys: int
    files: int


def remove_seller(platform: Platform, seller_id: str) -> Removal:
    """Destroy all that is kept of a seller.

    Keys go first: from then on nothing opens, whatever happens to the files. Safe to repeat after a crash.

    Raises:
        UnknownSeller: there is no such seller.
    """
    platform.sellers.get(seller_id)
    keys = platform.keys.destroy([record.key_id for record in platform.keys.alive(seller_id)])
    files = platform.lake.files(seller_id=seller_id)
    platform.lake.destroy_files(files)
    platform.warehouse.drop(seller_id)
    platform.ads_accounts.disconnect(seller_id)
    platform.sellers.remove(seller_id)
    for purpose in ("pii", "pseudonym", "business", "mart"):
        platform.keys.rotate(purpose)
    return Removal(keys=keys, files=len(files))
