"""The synthetic people who buy: names, addresses, phones, e-mails, and the words they write.

Belongs here: making a person out of parts. Does not belong here: what they buy, or who may see them.

Faker is asked once a locale for a stock of parts (it is too slow to be asked for every order) and a person is put
together from them by arithmetic on a number. That number is unique for each seller and person, and names, street lines
and e-mails keep it: no two persons share them, so a test may search files for a person's bytes.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from amzigo_pipelines.simulator.marketplaces import Marketplace

# The first people of each seller and marketplace: early buyers come again most often, so canaries are met all the time.
CANARIES = 3
_STRIDE = 1009  # sellers interleave: person i of seller h has number i * _STRIDE + h
_KANA = "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワ"

_REGIONS: dict[str, tuple[str, ...]] = {
    "US": ("CA", "TX", "FL", "NY", "PA", "IL", "OH", "GA", "NC", "MI", "WA", "AZ", "CO", "OR", "VT"),
    "CA": ("ON", "QC", "BC", "AB", "MB", "NS", "SK"),
    "MX": ("Jalisco", "Nuevo León", "Puebla", "Yucatán", "Querétaro", "Sonora"),
    "GB": ("Kent", "Essex", "Devon", "Greater London", "Lancashire", "Norfolk", "Surrey"),
    "DE": ("Bayern", "Berlin", "Hamburg", "Hessen", "Sachsen", "Nordrhein-Westfalen", "Baden-Württemberg"),
    "FR": ("Île-de-France", "Bretagne", "Occitanie", "Normandie", "Grand Est"),
    "JP": ("東京都", "大阪府", "北海道", "愛知県", "福岡県", "神奈川県", "京都府"),
}


@dataclass(frozen=True, slots=True)
class Person:
    """A synthetic buyer or recipient. Every field but city, region and country identifies them.

    A canary has a name that nobody else could have, and something in every field, so that each leak shows by it.
    """

    number: int
    name: str
    email: str
    phone: str
    address_line_1: str
    address_line_2: str
    address_line_3: str
    city: str
    district: str
    region: str
    postal_code: str
    country: str
    company: str
    tax_number: str
    instruction: str
    is_canary: bool = False

    def strings(self) -> tuple[str, ...]:
        """The strings that identify this person and are long enough to search for (postal codes are not)."""
        return tuple(
            text
            for text in (
                self.name,
                self.email,
                self.phone,
                self.address_line_1,
                self.address_line_2,
                self.address_line_3,
                self.district,
                self.company,
                self.tax_number,
                self.instruction,
            )
            if text
        )


@dataclass(frozen=True, slots=True)
class _Parts:
    first: tuple[str, ...]
    last: tuple[str, ...]
    cities: tuple[str, ...]
    companies: tuple[str, ...]


@cache
def _parts(locale: str) -> _Parts:
    from faker import Faker  # imported late: it takes longer than all the rest of the simulator

    fake = Faker(locale)
    fake.seed_instance(zlib.crc32(locale.encode()))

    def draw(method: Callable[[], str], count: int) -> tuple[str, ...]:
        return tuple(sorted({str(method()).replace("\n", " ") for _ in range(count)}))

    return _Parts(
        first=draw(fake.first_name, 450),
        last=draw(fake.last_name, 700),
        cities=draw(fake.city, 120),
        companies=draw(fake.company, 90),
    )


def _scatter(number: int, size: int) -> int:
    """A one-to-one shuffle of 0..size-1: multiply by a number that shares no factor with size."""
    factor = 2_654_435_761
    while _common_factor(factor, size):
        factor += 2
    return number * factor % size


def _common_factor(a: int, b: int) -> bool:
    while b:
        a, b = b, a % b
    return a != 1


def _letters(number: int, length: int, alphabet: str) -> str:
    out = []
    for _ in range(length):
        number, digit = divmod(number, len(alphabet))
        out.append(alphabet[digit])
    return "".join(out)


def _name(parts: _Parts, mixed: int, japanese: bool, number: int) -> str:
    first = parts.first[mixed % len(parts.first)]
    rest = mixed // len(parts.first)
    last = parts.last[rest % len(parts.last)]
    if japanese:  # few family names are stored: a made-up reading keeps every name apart
        reading = _letters(_scatter(number, len(_KANA) ** 6), 6, _KANA)
        return f"{last} {first}（{reading}）"  # noqa: RUF001 -- as the Japanese write it
    return f"{first} {last}-{parts.last[rest // len(parts.last) % len(parts.last)]}"


def _postal_code(country: str, n: int) -> str:
    letters = "ABCEGHJKLMNPRSTVXY"
    if country == "CA":
        return (
            f"{letters[n % 18]}{n // 18 % 10}{letters[n // 180 % 18]} "
            f"{n // 3240 % 10}{letters[n // 32400 % 18]}{n // 583200 % 10}"
        )
    if country == "GB":
        return f"{letters[n % 18]}{letters[n // 18 % 18]}{1 + n // 324 % 98} {n // 32000 % 10}{letters[n % 17]}X"
    if country == "JP":
        return f"{100 + n % 899}-{n // 899 % 10000:04d}"
    return f"{10000 + n % 89999:05d}"


def _phone(country: str, n: int) -> str:
    """A number in each country's range for fiction (where it has one), told apart by the extension."""
    head = {
        "US": "+1 206-555-01",
        "CA": "+1 416-555-01",
        "MX": "+52 55 5550 01",
        "GB": "+44 20 7946 09",
        "DE": "+49 30 23125 0",
        "FR": "+33 1 99 00 01 ",
        "JP": "+81 3-0000-00",
    }[country]
    return f"{head}{n % 100:02d} ext. {n:08d}"


def _address_line(country: str, parts: _Parts, n: int, number: int) -> str:
    last = parts.last[n % len(parts.last)]
    house = 1000 + number  # the number is unique, so the line is
    if country == "DE":
        return f"{last}-Straße {house}"
    if country == "FR":
        return f"{house} rue {last}"
    if country == "MX":
        return f"Avenida {last} {house}"
    if country == "JP":
        return f"{last}町{1 + n % 9}丁目{house}番地{n % 900 + 100}号"
    return f"{house} {last} {('Street', 'Avenue', 'Lane', 'Crossing')[n % 4]}"


class People:
    """The people of one seller in one marketplace, each made from a running number.

    Args:
        seller_id: whose buyers they are; another seller's share no name, e-mail or street line with them.
        marketplace: where they buy.
        seed: the world's seed.
    """

    def __init__(self, seller_id: str, marketplace: Marketplace, seed: int) -> None:
        self._marketplace = marketplace
        self._offset = zlib.crc32(f"{seller_id}/{marketplace.marketplace_id}".encode()) % _STRIDE
        self._parts = _parts(marketplace.locale)
        self._size = len(self._parts.first) * len(self._parts.last) ** 2
        self._salt = zlib.crc32(f"{seed}/{seller_id}/people".encode())
        self._japanese = marketplace.country == "JP"

    def person(self, index: int, is_business: bool) -> Person:
        """The person of a running number; the same number always gives the same person.

        Args:
            index: the running number, from 0.
            is_business: whether to give them a company and, outside North America, a tax number.
        """
        market, parts = self._marketplace, self._parts
        number = index * _STRIDE + self._offset
        mixed = _scatter(number, self._size)
        n = (number * 48_271 + self._salt) % 2_147_483_647
        name = _name(parts, mixed, self._japanese, number)
        last = parts.last[n // 7 % len(parts.last)]
        mail = _letters(_scatter(number, 36**10), 10, "0123456789abcdefghijklmnopqrstuvwxyz")
        is_canary = index < CANARIES
        if is_canary:
            name = f"Canary Zzyzxwren-{number}"
        company = tax_number = ""
        if is_business:
            company = f"{parts.companies[n // 11 % len(parts.companies)]} No. {number}"
            if market.country in ("GB", "DE", "FR"):
                tax_number = f"{market.country}{999_000_000_000 + number}"
        return Person(
            number=number,
            name=name,
            email=f"synthetic{mail}@marketplace.amazon.{market.domain_suffix}",
            phone=_phone(market.country, number),
            address_line_1=_address_line(market.country, parts, n, number),
            address_line_2=f"{last} House, Unit {number}" if n % 5 == 0 or is_canary else "",
            address_line_3=f"c/o {last}, Floor {number}" if n % 43 == 0 or is_canary else "",
            city=parts.cities[n // 3 % len(parts.cities)],
            district=f"{last} District {number}" if n % 17 == 0 or is_canary else "",
            region=_REGIONS[market.country][n // 13 % len(_REGIONS[market.country])],
            postal_code=_postal_code(market.country, n),
            country=market.country,
            company=company,
            tax_number=tax_number,
            instruction=f"Leave it with {last} at number {number}, please" if n % 9 == 0 or is_canary else "",
            is_canary=is_canary,
        )


def gift_message(rng: random.Random, giver: Person, recipient: Person) -> str:
    """What a giver writes on the card: it names both."""
    wish = rng.choice(("Happy birthday", "Merry Christmas", "Get well soon", "Congratulations", "Thank you so much"))
    return f"{wish}, {recipient.name}! With love from {giver.name}"


def cancel_reason(rng: random.Random, buyer: Person) -> str:
    """What a buyer writes when asking for a cancellation: free text that names them."""
    why = rng.choice(("ordered this twice", "found the wrong size", "need it sooner", "moved house last week"))
    return f"{buyer.name} {why}, please cancel"


def return_comment(rng: random.Random, buyer: Person) -> str:
    """What a buyer writes on a return: free text that names them."""
    why = rng.choice(("arrived broken", "is smaller than it looks", "does not work", "came too late for me"))
    return f"It {why}. Call me, {buyer.name}"


def feedback_comment(rng: random.Random, buyer: Person, rating: int) -> str:
    """What a buyer writes about the seller: free text that names them."""
    good, bad = ("Fast and well packed", "Just as described"), ("Took far too long", "Nobody answers my messages")
    return f"{rng.choice(good if rating > 3 else bad)}. {buyer.name}"
