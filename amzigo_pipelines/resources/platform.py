"""All parts of an installation, opened together: what an asset or a command is handed.

Belongs here: which object is built from which. Does not belong here: what any of them does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING

from amzigo_pipelines.clock import Clock, SystemClock
from amzigo_pipelines.resources.home import Home, load_home

if TYPE_CHECKING:
    from amzigo_pipelines.resources.ads.accounts import AdsAccounts
    from amzigo_pipelines.resources.ads.client import AdsPartner
    from amzigo_pipelines.resources.alerts.book import AlertBook
    from amzigo_pipelines.resources.alerts.delivery import Delivery
    from amzigo_pipelines.resources.audit.sums import Sums
    from amzigo_pipelines.resources.audit.trail import AuditTrail
    from amzigo_pipelines.resources.control.database import ControlDatabase
    from amzigo_pipelines.resources.keys.backup_keys import BackupKeys
    from amzigo_pipelines.resources.keys.keks import KekStore
    from amzigo_pipelines.resources.keys.store import KeyStore
    from amzigo_pipelines.resources.lake.store import Lake
    from amzigo_pipelines.resources.lake.vault import Vault
    from amzigo_pipelines.resources.marts.warehouse import Warehouse
    from amzigo_pipelines.resources.quarantine.store import Quarantine
    from amzigo_pipelines.resources.reports.desk import ReportDesk
    from amzigo_pipelines.resources.sellers import Seller, SellerRegistry
    from amzigo_pipelines.resources.spapi.client import SellingPartner
    from amzigo_pipelines.resources.spapi.errors import Asked
    from amzigo_pipelines.resources.spapi.secret_rotation import ClientSecretBook


class Platform:
    """One installation. Parts are opened when first used, so that a command pays only for what it needs.

    Not thread-safe: one for each process, or for each run.

    Args:
        home: the installation's folder and settings.
        clock: where all parts get the time from.
        environment: where the keys look up AMZIGO_ROLE and AMZIGO_KEK; the process's own when None.
    """

    def __init__(self, home: Home, clock: Clock | None = None, environment: Mapping[str, str] | None = None) -> None:
        self.home = home
        self._environment = environment
        self.clock: Clock = clock or SystemClock()

    @cached_property
    def control(self) -> ControlDatabase:
        """The control database."""
        from amzigo_pipelines.resources.control.database import ControlDatabase

        return ControlDatabase(self.home.database_url)

    @cached_property
    def keks(self) -> KekStore:
        """The key-encryption keys."""
        from amzigo_pipelines.resources.keys.keks import KekStore

        return KekStore(self.home, self._environment, self.installation_id)

    def installation_id(self) -> str:
        """Which installation this is; asked of the control database once."""
        return self._installation_id

    @cached_property
    def _installation_id(self) -> str:
        return self.control.installation_id()

    @cached_property
    def backup_keys(self) -> BackupKeys:
        """The keys of backups."""
        from amzigo_pipelines.resources.keys.backup_keys import BackupKeys

        return BackupKeys(self.home, self.clock, self._environment, self.installation_id)

    @cached_property
    def keys(self) -> KeyStore:
        """The data keys."""
        from amzigo_pipelines.resources.keys.store import KeyStore

        return KeyStore(self.control, self.keks, self.clock, self._sums.add)

    @cached_property
    def sellers(self) -> SellerRegistry:
        """The connected sellers."""
        from amzigo_pipelines.resources.sellers import SellerRegistry

        return SellerRegistry(self.control, self.keys, self.clock, self.audit)

    @cached_property
    def ads_accounts(self) -> AdsAccounts:
        """The sellers' advertising accounts."""
        from amzigo_pipelines.resources.ads.accounts import AdsAccounts

        return AdsAccounts(self.control, self.keys, self.clock, self.audit)

    @cached_property
    def client_secrets(self) -> ClientSecretBook:
        """How old the application's client secret is."""
        from amzigo_pipelines.resources.spapi.secret_rotation import ClientSecretBook

        return ClientSecretBook(self.control, self.clock, self.audit)

    @cached_property
    def audit(self) -> AuditTrail:
        """The audit trail."""
        from amzigo_pipelines.resources.audit.acting import process_acting
        from amzigo_pipelines.resources.audit.trail import AuditTrail

        return AuditTrail(self.control, self.keys, self.clock, self.home, self._sums, process_acting(self._environment))

    @cached_property
    def _sums(self) -> Sums:
        from amzigo_pipelines.resources.audit.sums import Sums

        return Sums(self.clock)

    def _note_call(self, api: str, asked: Asked, outcome: str, received: int) -> None:
        """Count an answer of Amazon's. Between calls no transaction is open: the time to write last minute's counts."""
        self.audit.count("call_api", asked.seller_id, f"{api} {asked.operation}", outcome, bytes_=received)
        self.audit.flush_if_due()

    @cached_property
    def alerts(self) -> AlertBook:
        """The book of alerts."""
        from amzigo_pipelines.resources.alerts.book import AlertBook

        return AlertBook(self.control, self.home.alerts, self.clock)

    @cached_property
    def alert_delivery(self) -> Delivery:
        """What hands alerts over to webhooks and mail servers."""
        from amzigo_pipelines.resources.alerts.delivery import Delivery

        return Delivery(self.home, self.control, self.clock, self._environment)

    @cached_property
    def lake(self) -> Lake:
        """The encrypted lake."""
        from amzigo_pipelines.resources.lake.store import Lake

        return Lake(self.home, self.control, self.keys, self.clock, audit=self.audit)

    @cached_property
    def vault(self) -> Vault:
        """Copies of rows under legal holds."""
        from amzigo_pipelines.resources.lake.vault import Vault

        return Vault(self.home, self.control, self.keys, self.clock)

    @cached_property
    def quarantine(self) -> Quarantine:
        """Batches that did not fit."""
        from amzigo_pipelines.resources.quarantine.store import Quarantine

        return Quarantine(self.home, self.control, self.keys, self.clock)

    @cached_property
    def desk(self) -> ReportDesk:
        """The desk that asks for reports and keeps track of them."""
        from amzigo_pipelines.resources.reports.desk import ReportDesk

        return ReportDesk(self.control, self.clock)

    @cached_property
    def warehouse(self) -> Warehouse:
        """The warehouse of marts."""
        from amzigo_pipelines.resources.marts.warehouse import Warehouse

        return Warehouse(self.home, self.control, self.keys, self.lake, self.clock, audit=self.audit)

    def connected_datasets(self, seller_id: str) -> list[str]:
        """The datasets that can be extracted for a seller.

        All but those of sources that it has not connected, and those that Amazon refuses it for good.
        """
        from amzigo_pipelines.catalog.registry import DATASETS
        from amzigo_pipelines.resources.control.known_refusals import KnownRefusals

        has_ads = self.ads_accounts.get(seller_id) is not None
        refused = KnownRefusals(self.control).of(seller_id)
        return [
            name
            for name, dataset in DATASETS.items()
            if (has_ads or not dataset.source.is_optional) and name not in refused
        ]

    def selling_partner(self, seller_id: str) -> SellingPartner:
        """A client that acts for one seller at Amazon, or at the simulator in a `test` home.

        Raises:
            AmzigoError: no such seller, no credentials, or an address that this kind of home may not talk to.
        """
        return self.partner_for(self.sellers.get(seller_id), self.sellers.refresh_tokens(seller_id))

    def partner_for(self, seller: Seller, refresh_tokens: Mapping[str, str]) -> SellingPartner:
        """The same for a seller that need not be connected yet.

        Args:
            seller: id and marketplaces.
            refresh_tokens: by region.
        """
        from amzigo_pipelines.resources.control.freezes import check_not_frozen
        from amzigo_pipelines.resources.spapi.auth import credentials_for, endpoint_for, renewed_credentials
        from amzigo_pipelines.resources.spapi.client import SellingPartner
        from amzigo_pipelines.resources.spapi.pacing import SharedPacer
        from amzigo_pipelines.resources.spapi.rate_buckets import RateBuckets

        credentials = credentials_for(self.home)
        if not self.home.is_simulators_client:
            # Taken note of as early as possible: from its first sight on its days are counted.
            self.client_secrets.age(credentials)
        return SellingPartner(
            seller=seller,
            refresh_tokens=refresh_tokens,
            credentials=credentials,
            endpoint=endpoint_for(self.home),
            clock=self.clock,
            observe=partial(self._note_call, "SP-API"),
            renew=lambda: renewed_credentials(self.home),
            # In real time, whatever our clock says: Amazon counts in real time.
            pacer=SharedPacer(
                RateBuckets(self.control),
                credentials.client_id,
                seller.seller_id,
                scale=self.home.rate_scale_in_force,
                permit=partial(check_not_frozen, self.control, seller.seller_id),
            ),
        )

    def ads_partner(self, seller_id: str) -> AdsPartner | None:
        """A client that acts for one seller at the Ads API; None if the seller has no advertising account connected.

        Raises:
            AmzigoError: no such seller, no credentials, or an address that this kind of home may not talk to.
        """
        from amzigo_pipelines.resources.ads.auth import ads_credentials_for, ads_endpoint_for
        from amzigo_pipelines.resources.ads.client import AdsPartner
        from amzigo_pipelines.resources.control.freezes import check_not_frozen

        account = self.ads_accounts.get(self.sellers.get(seller_id).seller_id)
        if account is None:
            return None
        return AdsPartner(
            account,
            self.ads_accounts.refresh_token(seller_id),
            ads_credentials_for(self.home),
            ads_endpoint_for(self.home),
            observe=partial(self._note_call, "Ads API"),
            permit=partial(check_not_frozen, self.control, seller_id),
        )


# What the command line does with each installation that a command opens: it writes the login down.
on_open: Callable[[Platform], None] | None = None


def open_platform(clock: Clock | None = None) -> Platform:
    """The installation that AMZIGO_HOME names.

    Raises:
        HomeError: there is none, or its settings can't be read.
    """
    platform = Platform(load_home(), clock)
    if on_open is not None:
        on_open(platform)
    return platform
