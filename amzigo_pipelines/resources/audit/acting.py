"""Who acts in this process: a person at a command line, or a run and whoever launched it.

Belongs here: the facts that every entry of the audit trail carries about its actor. Does not belong here: what is
recorded (`trail.py`), and what a role may do (`keys/roles.py`).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from amzigo_pipelines.resources.keys.roles import USER_VARIABLE, login_name, role_of

# Dagster's tags that say what launched a run.
_SCHEDULE, _SENSOR, _BACKFILL, _PERSON = "dagster/schedule_name", "dagster/sensor_name", "dagster/backfill", "user"


@dataclass(frozen=True)
class Acting:
    """Who acts.

    Attributes:
        user: the operating system's login name: what can't be claimed by setting a variable.
        claimed: AMZIGO_USER, where several people share a login; empty if not set.
        role: AMZIGO_ROLE; empty for the unattended service.
        run_id: the Dagster run; empty outside of one.
        job: the run's job.
        launched_by: the schedule, sensor, backfill, command or person that launched the run.
        command: the command line's command, such as `amzigo sql`; empty elsewhere.
        host: the machine.
    """

    user: str
    claimed: str = ""
    role: str = ""
    run_id: str = ""
    job: str = ""
    launched_by: str = ""
    command: str = ""
    host: str = ""

    @property
    def label(self) -> str:
        """In a word: `run 1b2c...`, or `anna (privacy)`."""
        if self.run_id:
            return f"run {self.run_id}"
        name = self.claimed if self.claimed in ("", self.user) else f"{self.claimed} as {self.user}"
        return f"{name or self.user} ({self.role or 'service'})"

    @property
    def reason(self) -> str:
        """Why this process does what it does by itself."""
        return self.job or self.command or "unattended"

    @property
    def facts(self) -> dict[str, str]:
        """What an entry keeps; nothing empty."""
        return {name: value for name, value in vars(self).items() if value}


def process_acting(environment: Mapping[str, str] | None = None) -> Acting:
    """Who acts in this process, as the operating system and the environment say.

    Raises:
        RoleRefused: AMZIGO_ROLE names no role.
    """
    values = os.environ if environment is None else environment
    claimed, role = values.get(USER_VARIABLE, "").strip(), role_of(environment) or ""
    return Acting(login_name(), claimed, role, host=socket.gethostname())


def launcher(tags: Mapping[str, str]) -> str:
    """What launched a run, by its tags."""
    for tag, kind in ((_SCHEDULE, "schedule"), (_SENSOR, "sensor"), (_BACKFILL, "backfill"), (_PERSON, "user")):
        if tags.get(tag):
            return f"{kind} {tags[tag]}"
    return ""
