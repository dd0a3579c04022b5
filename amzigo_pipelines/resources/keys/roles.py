"""Roles: which key-encryption keys a person may use. AMZIGO_ROLE says in which role a process acts.

Belongs here: the purposes of KEKs and the roles that may open them. Does not belong here: the keys (`keks.py`), and
what is audited.

The role is said, not proven: it turns a mistake into a sentence. What a person really can't open is decided by the
credentials that the person was given: the wrapping keys AMZIGO_KEK_<PURPOSE>, or the policies of the KMS keys
(`docs/keys.md`). Without AMZIGO_ROLE a process is the unattended service, which needs every purpose.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from enum import StrEnum

from amzigo_pipelines.errors import AmzigoError

ROLE_VARIABLE = "AMZIGO_ROLE"
USER_VARIABLE = "AMZIGO_USER"


class KekPurpose(StrEnum):
    """What a KEK wraps. Apart, so that a role can be given some and not others, and PII's can be rotated daily."""

    PII = "pii"
    PSEUDONYM = "pseudonym"
    BUSINESS = "business"
    MART = "mart"
    SECRET = "secret"  # noqa: S105 - the name of a purpose
    HOLD = "hold"


class Role(StrEnum):
    """Who acts."""

    ANALYST = "analyst"
    ENGINEER = "engineer"
    PRIVACY = "privacy"


# An analyst doesn't get `pseudonym`: the key that makes pseudonyms is under it, and with that one could guess buyers.
# An engineer connects sellers and repairs data, and never opens a buyer's data. Privacy needs all: it erases, holds,
# exchanges every KEK, and signs certificates with a key that is a secret.
MAY_OPEN: Mapping[Role, frozenset[KekPurpose]] = {
    Role.ANALYST: frozenset({KekPurpose.MART, KekPurpose.BUSINESS}),
    Role.ENGINEER: frozenset({KekPurpose.MART, KekPurpose.BUSINESS, KekPurpose.PSEUDONYM, KekPurpose.SECRET}),
    Role.PRIVACY: frozenset(KekPurpose),
}


class RoleRefused(AmzigoError):
    """The role may not do that, or there is no such role."""


def role_of(environment: Mapping[str, str] | None = None) -> Role | None:
    """The role in which this process acts; None for the unattended service.

    Raises:
        RoleRefused: AMZIGO_ROLE names no role.
    """
    text = (os.environ if environment is None else environment).get(ROLE_VARIABLE, "").strip()
    if not text:
        return None
    try:
        return Role(text)
    except ValueError:
        raise RoleRefused(f"{ROLE_VARIABLE} is {text!r}: set it to one of {', '.join(Role)}, or not at all") from None


def check_may_open(purpose: KekPurpose, environment: Mapping[str, str] | None = None) -> None:
    """Make sure that the role may use the keys of a purpose.

    Raises:
        RoleRefused: it may not; the sentence names who may.
    """
    role = role_of(environment)
    if role is not None and purpose not in MAY_OPEN[role]:
        others = " or ".join(other for other in Role if purpose in MAY_OPEN[other])
        raise RoleRefused(
            f"the role {role} may not open what is protected by {purpose} keys: ask somebody in the role {others}"
        )


def acting_user(environment: Mapping[str, str] | None = None) -> str:
    """Who acts, for the audit trail: name and role, such as `anna (privacy)` or `anna as ops (privacy)`.

    The name is AMZIGO_USER, where several people share a login; the login's own name is always beside it.

    Raises:
        RoleRefused: AMZIGO_ROLE names no role.
    """
    login = login_name()
    claimed = (os.environ if environment is None else environment).get(USER_VARIABLE, "").strip()
    name = login if claimed in ("", login) else f"{claimed} as {login}"
    return f"{name} ({role_of(environment) or 'service'})"


def login_name() -> str:
    """The login name of the process's user, which no variable changes."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        # A container's user need not have a name.
        return f"user {os.getuid()}"
