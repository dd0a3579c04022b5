"""Tokens that carry their own content: pagination tokens and signed links.

Belongs here: sealing, opening, age. Does not belong here: what the content means, or access tokens (`lwa.py`).

A token's age is the larger of two: that of the simulator's clock, which a test moves by hours in no time, and real
time, which passes even while a virtual clock stands still.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

from amzigo_pipelines.clock import Clock


class Sealer:
    """Seals small JSON values into tokens that nobody can alter.

    Args:
        secret: the signing key.
        clock: the simulator's clock.
    """

    def __init__(self, secret: bytes, clock: Clock) -> None:
        self._secret = secret
        self._clock = clock

    def stamp(self) -> tuple[float, float]:
        """The present instant: (simulator's epoch second, monotonic second)."""
        return self._clock.now().timestamp(), time.monotonic()

    def age(self, stamp: tuple[float, float]) -> float:
        """Seconds since a stamp, by whichever clock went further."""
        simulated, real = self.stamp()
        return max(simulated - stamp[0], real - stamp[1])

    def sign(self, text: str) -> str:
        """A signature in hexadecimal."""
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()

    def seal(self, value: dict[str, Any]) -> str:
        """A token of a JSON value and the present instant."""
        payload = json.dumps({"v": value, "t": self.stamp()}, separators=(",", ":")).encode()
        signature = hmac.new(self._secret, payload, hashlib.sha256).digest()[:12]
        return base64.urlsafe_b64encode(signature + payload).decode().rstrip("=")

    def open(self, token: str, lifetime_s: float) -> dict[str, Any] | None:
        """The value of a token, or None if it is not ours or too old."""
        try:
            raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except ValueError:
            return None
        signature, payload = raw[:12], raw[12:]
        if not hmac.compare_digest(signature, hmac.new(self._secret, payload, hashlib.sha256).digest()[:12]):
            return None
        content = json.loads(payload)
        if self.age(tuple(content["t"])) > lifetime_s:
            return None
        value: dict[str, Any] = content["v"]
        return value
