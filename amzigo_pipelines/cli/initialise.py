"""Making a new installation: the steps of `amzigo init`, in an order that a crash in between does no harm to.

Belongs here: what must exist before the first seller is connected. Does not belong here: what the command
says (`installation.py`).
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from amzigo_pipelines.resources.home import Home, HomeError, create_home
from amzigo_pipelines.resources.platform import Platform


def initialise(home: Home) -> Platform:
    """Make a home's folders, KEKs, control database, signing key, audit trail and Dagster's settings.

    The settings file comes last of the folders and first of what needs a home; each later step may be repeated.

    Returns:
        the platform of the new home.

    Raises:
        HomeError: there is a home already, or the folder can't be written.
    """
    from amzigo_pipelines.resources.lake.tombstones import ensure_hash_key
    from amzigo_pipelines.retention.certificates import ensure_signing_key

    create_home(home)
    platform = Platform(home)
    try:
        platform.control.create()
        platform.keys.prepare()
        ensure_signing_key(platform)
        ensure_hash_key(platform.control, platform.keys, home.lock_dir)
        # With it the trail's key pair is made, and its first head is signed.
        platform.audit.record(platform.audit.acting.label, "make_home", None, f"{home.kind} home", "amzigo init")
        platform.audit.sign()
        (home.dagster_dir / "dagster.yaml").write_text(dagster_settings(), "utf-8")
    except OSError as error:
        raise HomeError(
            f"{home.path} can't be written ({error.strerror}): free space or mend its permissions"
        ) from None
    return platform


def dagster_settings() -> str:
    """The text of `dagster.yaml`: from the wheel, or from the checkout that an editable install points to."""
    inside = resources.files("amzigo_pipelines") / "dagster.yaml"
    if inside.is_file():
        return inside.read_text("utf-8")
    return (Path(__file__).parents[2] / "dagster.yaml").read_text("utf-8")
