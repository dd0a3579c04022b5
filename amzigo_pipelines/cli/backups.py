"""`amzigo backup` and `amzigo restore`: what the commands say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from amzigo_pipelines.cli.options import AsJson
from amzigo_pipelines.cli.output import complain, print_json, say


def backup(
    to: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="PLACE", help="A folder, or s3://bucket/prefix. Default: folder of [backup] in amzigo.toml."
        ),
    ] = None,
    keep_days: Annotated[
        int | None, typer.Option(min=1, max=365, help="Its keys are destroyed after so many days. Default: 35.")
    ] = None,
    drill: Annotated[bool, typer.Option("--drill", help="Restore the newest backup to try it out, make none.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make an encrypted backup.

    Of the books, of every seller's business and pseudonymous data, and of the vaults of legal holds; no other PII and
    no key-encryption key is in it. Its own keys lie in the KEK folder: keep a copy of that folder's backup-*.key files
    apart from the backup. For S3 the region (and endpoint) are set under [backup].

    Example: amzigo backup --to /mnt/backups
    """
    from amzigo_pipelines.resources.backup_places import backup_place
    from amzigo_pipelines.resources.keys.roles import acting_user
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.retention.backups import BackupError, make_backup
    from amzigo_pipelines.retention.drill import run_drill

    platform = open_platform()
    if drill:
        result = run_drill(platform, acting_user())
        facts = {"backup": result.backup_id, "made_at": result.created_at, "sellers": result.sellers}
        print_json({**facts, **vars(result.amount)}) if as_json else say(result.sentence)
        return
    settings = platform.home.backup
    if not (to or settings.folder):
        raise BackupError("no folder is named: give --to, or folder under [backup] in amzigo.toml")
    days = settings.keep_days if keep_days is None else keep_days
    place = backup_place(platform.home, to or settings.folder)
    report = make_backup(platform, place, keep_days=days, actor=acting_user())
    if report.frozen:
        complain(f"amzigo: left out, because an incident froze their keys: {', '.join(report.frozen)}")
    if report.holds_left_out:
        complain(
            f"amzigo: without the vaults of {', '.join(report.holds_left_out)}, which an incident froze or the role "
            "may not open"
        )
    for dead in report.not_removed:
        complain(f"amzigo: {dead} is dead, its keys are destroyed, but it can't be removed: remove it by hand")
    if as_json:
        print_json(
            {
                "backup": report.backup_id,
                "path": report.place,
                "expires_on": report.expires_on,
                "bytes": report.bytes,
                "sellers": len(report.sellers),
                "left_out": list(report.frozen),
                "holds": len(report.holds),
                "holds_left_out": list(report.holds_left_out),
                "files": report.total.files,
                "rows": report.total.rows,
            }
        )
        return
    say(
        f"backed up {len(report.sellers)} sellers, {report.total.files:,} files and {report.total.rows:,} rows to "
        f"{report.place} ({report.bytes:,} bytes); it dies on {report.expires_on}"
    )
    say(
        f"without {platform.backup_keys.folder}/backup-*-{report.backup_id[:8]}.key nobody can restore it: keep them "
        "apart from it"
    )


def restore(
    archive: Annotated[str, typer.Argument(help="What 'amzigo backup' made: a file, or s3://bucket/prefix/name.")],
    take_over: Annotated[
        bool, typer.Option("--take-over", help="The KEK folder's database is lost: end its key-encryption keys.")
    ] = False,
    certificates: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Certificates newer than the backup: their erasures are made true again."),
    ] = None,
    region: Annotated[str, typer.Option(help="AWS region of the bucket, for a backup in S3.")] = "",
    endpoint: Annotated[str, typer.Option(metavar="URL", help="Address of S3, where it isn't AWS's own.")] = "",
    as_json: AsJson = False,
) -> None:
    """Restore a backup into a new home.

    Into AMZIGO_HOME, which must not exist yet; the backup's keys are read from the KEK folder (AMZIGO_KEK_DIR, or kek/
    in the new home). What has died since stays dead.

    Example: AMZIGO_HOME=/srv/new amzigo restore /mnt/backups/amzigo-2026-11-20T033000Z-1a2b3c4d.backup
    """
    from amzigo_pipelines.cli.initialise import dagster_settings
    from amzigo_pipelines.clock import SystemClock
    from amzigo_pipelines.resources.backup_settings import BackupSettings, check_endpoint
    from amzigo_pipelines.resources.home import home_path
    from amzigo_pipelines.retention.restore import restore as restore_backup

    try:
        settings = BackupSettings(region=region, endpoint=check_endpoint(endpoint))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    report = restore_backup(
        archive, home_path(), SystemClock(), take_over=take_over, certificates=certificates, settings=settings
    )
    dagster = report.home.dagster_dir / "dagster.yaml"
    if not dagster.exists():
        dagster.write_text(dagster_settings(), "utf-8")
    total = report.total
    if as_json:
        print_json(
            {
                "backup": report.backup_id,
                "as_of": report.created_at,
                "home": str(report.home.path),
                "sellers": sorted(report.sellers),
                "dead_sellers": report.dead_sellers,
                "holds": len(report.holds),
                "dead_holds": len(report.dead_holds),
                "holds_without_vault": report.holds_without_vault,
                "rows_erased_again": report.erased_again,
                "sellers_erased_again": report.left_again,
                "files": total.files,
                "rows": total.rows,
                "open_pii_days": {seller: list(days) for seller, days in report.open_pii_days.items()},
            }
        )
        return
    say(
        f"restored {len(report.sellers)} sellers, {total.files:,} files and {total.rows:,} rows into "
        f"{report.home.path}, as of {report.created_at:%Y-%m-%d %H:%M} UTC"
    )
    if report.dead_sellers:
        say(f"their parts of the backup have died, nothing came back: {', '.join(report.dead_sellers)}")
    if report.holds_without_vault:
        say(
            f"the backup has nothing of the vaults of {', '.join(report.holds_without_vault)}: these holds go on with "
            "what is in the lake from now on"
        )
    if report.erased_again or report.left_again:
        say(
            f"erased again, as since the backup: {report.erased_again:,} rows"
            + (f" and the sellers {', '.join(report.left_again)}" if report.left_again else "")
        )
    for seller_id, (first, last) in sorted(report.open_pii_days.items()):
        say(f"next, for living PII: amzigo extract --seller {seller_id} --from {first} --to {last} --dataset orders")
    say("then: amzigo doctor, and amzigo publish for every seller")
