"""One call of one operation, and the state that operations share.

Belongs here: what an operation is handed. Does not belong here: routing and faults on the wire (`app.py`, `wire.py`).
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from starlette.datastructures import QueryParams

from amzigo_pipelines.clock import Clock
from amzigo_pipelines.simulator.answers import invalid
from amzigo_pipelines.simulator.faults import Fault, FaultBoard
from amzigo_pipelines.simulator.kiosk_shelf import QueryShelf
from amzigo_pipelines.simulator.lwa import CODE_LIFETIME_S, LoginWithAmazon
from amzigo_pipelines.simulator.profiles import SellerProfile
from amzigo_pipelines.simulator.rates import Buckets
from amzigo_pipelines.simulator.report_shelf import ReportShelf
from amzigo_pipelines.simulator.sealing import Sealer
from amzigo_pipelines.simulator.seller_world import SellerWorld
from amzigo_pipelines.simulator.world import World


@dataclass(frozen=True)
class SimulatorSettings:
    """How the simulator behaves.

    Attributes:
        rate_scale: multiplies Amazon's rates and bursts; 1 is the real thing.
        token_lifetime_s: life of an access token, in real seconds.
        code_lifetime_s: life of an authorisation code, in real seconds.
        deliver_notification: puts Amazon's notification of a new client secret into the application's queue; None
            for an application that registered no queue.
        page_token_lifetime_s: life of a pagination token of orders.
        inventory_token_lifetime_s: life of a pagination token of inventory.
        report_queue_s: real seconds a report, or a query of Data Kiosk, waits in IN_QUEUE.
        report_work_s: real seconds it is IN_PROGRESS.
        report_cooldown_s: a report of the same type and marketplaces asked for within so many seconds of the last
            one fails; 0 for never.
        report_cooldowns_s: the same for single types of report, which go before `report_cooldown_s`.
        report_cooldown_status: how it fails: `FATAL` or `CANCELLED`.
        report_compression: whether documents are gzipped.
        report_gzip_members: of how many gzip members a document consists, as Amazon's big ones do.
        report_charset: overrides the encoding of every document, e.g. `utf-8`; None for each marketplace's own.
        report_names_charset: whether the download's Content-Type says the charset.
        report_localised: whether the header of the listings report is in the language of the marketplace, as
            Amazon has it in Germany and Japan.
        document_link_lifetime_s: life of a document's link.
        kiosk_page_rows: rows of one document of Data Kiosk, the rest is on further pages; 0 for all in one.
        bulk_order_lines: lines of the report of all orders, whatever the seller sold: its lines are repeated under
            other order ids; 0 for what there is.
        order_report_has_item_ids: whether it has the column `order-item-id`, as it has since May 2026, undocumented.
        order_report_is_regional: whether it has the orders of all of the seller's marketplaces in the region,
            whichever was asked for, as some accounts see.
        settlements_listed_twice: whether each settlement report is listed again a day later, under another report id.
    """

    rate_scale: float = 1.0
    token_lifetime_s: float = 3_600.0
    code_lifetime_s: float = CODE_LIFETIME_S
    deliver_notification: Callable[[Mapping[str, Any]], None] | None = None
    page_token_lifetime_s: float = 86_400.0
    inventory_token_lifetime_s: float = 30.0
    report_queue_s: float = 0.02
    report_work_s: float = 0.03
    report_cooldown_s: float = 0.0
    report_cooldowns_s: Mapping[str, float] = field(default_factory=dict)
    report_cooldown_status: str = "FATAL"
    report_compression: bool = True
    report_gzip_members: int = 1
    report_charset: str | None = None
    report_names_charset: bool = True
    report_localised: bool = False
    document_link_lifetime_s: float = 300.0
    kiosk_page_rows: int = 0
    bulk_order_lines: int = 0
    order_report_has_item_ids: bool = False
    order_report_is_regional: bool = False
    settlements_listed_twice: bool = False


@dataclass
class Traffic:
    """What was asked and what was answered; no parameter and no body is kept."""

    requests: Counter[str] = field(default_factory=Counter)
    log: deque[tuple[str, int]] = field(default_factory=lambda: deque(maxlen=1_000))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, operation: str, status: int) -> None:
        """Count an answered call."""
        with self.lock:
            self.requests[operation] += 1
            self.log.append((operation, status))


class Simulator:
    """The state behind the HTTP application.

    Args:
        world: the synthetic sellers.
        clock: the simulator's clock: orders are seen as of it.
        settings: how to behave.
    """

    def __init__(self, world: World, clock: Clock, settings: SimulatorSettings) -> None:
        self.world = world
        self.clock = clock
        self.settings = settings
        self.faults = FaultBoard()
        self.traffic = Traffic()
        self.buckets = Buckets(settings.rate_scale)
        self.login = LoginWithAmazon(world.config, settings.token_lifetime_s, settings.code_lifetime_s)
        self.reports = ReportShelf()
        self.queries = QueryShelf()
        self.sealer = Sealer(f"synthetic-{world.config.seed}".encode(), clock)


@dataclass
class Call:
    """One call that passed the door: its token and rate are fine.

    Attributes:
        query: query parameters, which may repeat.
        path: parameters in the path.
        body: the parsed JSON body, or None.
        origin: scheme, host and port of this server, for links to it; not taken from the Host header, which the
            client library mangles.
        fault: the fault that is due for this call, if any.
    """

    simulator: Simulator
    profile: SellerProfile
    now: datetime
    query: QueryParams
    path: dict[str, str]
    body: Any
    origin: str
    fault: Fault | None

    @property
    def epoch(self) -> int:
        """The simulator's present, in whole epoch seconds."""
        return int(self.now.timestamp())

    def seller(self) -> SellerWorld:
        """The caller's world, made until now."""
        return self.simulator.world.seller(self.profile.seller_id, self.now)

    def has_fault(self, kind: str) -> bool:
        """Whether a fault of a kind is due."""
        return self.fault is not None and self.fault.kind == kind

    def values(self, name: str, allowed: Sequence[str] | frozenset[str] | None = None) -> list[str]:
        """A list parameter, given by commas or by repetition, without duplicates.

        Raises:
            Refusal: 400, a value is not among the allowed ones.
        """
        out = list(dict.fromkeys(v.strip() for raw in self.query.getlist(name) for v in raw.split(",") if v.strip()))
        if allowed is not None and any(value not in allowed for value in out):
            raise invalid(f"{name} has a value that is not supported.")
        return out
