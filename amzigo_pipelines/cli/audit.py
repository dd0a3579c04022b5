"""`amzigo audit`: looking at the trail, checking it, taking it out for a SIEM, and signing its reviews off.

Belongs here: what the commands say. Does not belong here: the trail (`resources/audit/`), and reviews
(`review/reviews.py`).
"""

from __future__ import annotations

import json
import re
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amzigo_pipelines.cli.options import AsJson, parse_instant
from amzigo_pipelines.cli.output import complain, print_json, print_records, print_table, say

if TYPE_CHECKING:
    from amzigo_pipelines.resources.audit.chain import Head
    from amzigo_pipelines.resources.audit.trail import AuditEntry
    from amzigo_pipelines.review.reviews import Review

app = typer.Typer(help="The audit trail: look at it, check it, export it, review it.", no_args_is_help=True)
reviews_app = typer.Typer(help="The fortnightly reviews of the trail.", no_args_is_help=True)
app.add_typer(reviews_app, name="review")

FOLLOW_EVERY_S = 2.0
_RUN_ID = re.compile(r"^(run [0-9a-f]{8})[0-9a-f-]{28}$")
Since = Annotated[
    datetime | None,
    typer.Option("--since", parser=parse_instant, metavar="TIME", help="Not older, such as 2026-11-20T14:30 (UTC)."),
]
OfSeller = Annotated[str | None, typer.Option("--seller", "-s", help="Only what concerns this seller.")]
OfAction = Annotated[str | None, typer.Option("--action", help="Only this action, such as read_pii.")]
OfUser = Annotated[str | None, typer.Option("--user", help="Only of this login, AMZIGO_USER, actor or run.")]


@app.command()
def tail(
    seller: OfSeller = None,
    action: OfAction = None,
    user: OfUser = None,
    since: Since = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="The newest so many.")] = 50,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is written, until Ctrl-C; JSON comes in lines.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the newest entries.

    Example: amzigo audit tail --action read_pii --since 2026-11-01
    """
    from amzigo_pipelines.resources.platform import open_platform

    trail = open_platform().audit
    entries = trail.read(seller, action, since, limit, user)
    if not follow:
        records = [_record(entry) for entry in entries]
        if as_json:
            print_json(records)
        elif not records:
            say("No entry fits.")
        else:
            # What a terminal has room for; --json has all of it. Of a run the beginning of its id tells it from others.
            shown = ("number", "at", "who", "action", "seller", "on", "rows", "bytes", "outcome")
            short = [{**record, "who": _RUN_ID.sub(r"\1", record["who"])} for record in records]
            print_table("Audit trail", shown, [[record[name] for name in shown] for record in short])
        return
    after = trail.head().number
    while True:
        for entry in entries:
            print(_line(entry, as_json), flush=True)
        time.sleep(FOLLOW_EVERY_S)
        entries = list(trail.entries(seller, action, since, user, after))
        after = max(after, entries[-1].number) if entries else after


@app.command()
def verify(
    expect: Annotated[
        str | None,
        typer.Option("--expect", metavar="NUMBER:HASH", help="An entry as an export wrote it down; has to be there."),
    ] = None,
    public_key: Annotated[
        Path | None, typer.Option("--public-key", help="Check signed heads with this key instead of the home's.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check that no entry was changed, removed, moved or cut off.

    Looks at every entry, at the signed heads and at where the trail says that it ends. Fails with the first entry that
    doesn't fit.

    Example: amzigo audit verify --expect 4711:9f2c...
    """
    from amzigo_pipelines.resources.audit.marks import AuditError, load_public
    from amzigo_pipelines.resources.platform import open_platform

    expected = _head(expect) if expect else None
    public = load_public(public_key) if public_key else None
    if public_key and public is None:
        raise AuditError(f"there is no file {public_key}: give the public key's PEM file")
    found = open_platform().audit.verified(public, expected)
    if as_json:
        print_json(
            {
                "entries": found.entries,
                "first": found.first,
                "last": found.head.number,
                "sha256": found.head.hash.hex(),
                "signed_through": found.signed_through,
                "signed_at": found.signed_at,
            }
        )
        return
    say(f"{found.entries:,} entries, {found.first:,} to {found.head.number:,}: nothing is changed, missing or moved")
    signed = f"{found.signed_at:%Y-%m-%d %H:%M} UTC" if found.signed_at else "never"
    later = found.head.number - found.signed_through
    say(f"signed through entry {found.signed_through:,} ({signed}); {later:,} later ones are chained, not signed yet")
    say(f"head {found.head.number}:{found.head.hash.hex()}")


@app.command()
def export(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The encrypted file to write; 'amzigo audit open' reads it.")
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Print OCSF JSON lines on stdout, unencrypted: for a SIEM's collector.")
    ] = False,
    seller: OfSeller = None,
    action: OfAction = None,
    user: OfUser = None,
    since: Since = None,
) -> None:
    """Take entries out as OCSF events (JSON lines): encrypted into a file, or plain to a SIEM.

    The export is itself an entry. Keep the head that is told at the end: 'amzigo audit verify --expect' asks for it.

    Example: amzigo audit export --since 2026-11-01 -o november.audit
    """
    from amzigo_pipelines.resources.audit.export import events, export_file, line
    from amzigo_pipelines.resources.platform import open_platform

    if plain == (output is not None):
        raise typer.BadParameter("choose one: --output FILE (encrypted), or --plain (unencrypted, on stdout)")
    platform = open_platform()
    trail = platform.audit
    what = ", ".join(
        f"{name} {value}"
        for name, value in (("seller", seller), ("action", action), ("user", user), ("since", since))
        if value
    )
    where = "plain on stdout" if output is None else "encrypted file"
    trail.record(trail.acting.label, "export_audit", seller, f"{what or 'all entries'}, {where}", "amzigo audit export")
    entries = trail.entries(seller, action, since, user)
    if output is None:
        head, number = trail.head(), 0
        for number, one in enumerate(events(platform, entries), 1):  # noqa: B007 - counted
            print(line(one))
    else:
        done = export_file(platform, entries, output)
        head, number = done.head, done.events
    complain(f"{number:,} events; head {head.number}:{head.hash.hex()}")


@app.command("open")
def open_(file: Annotated[Path, typer.Argument(help="A file of 'amzigo audit export'.")]) -> None:
    """Print an exported file's events, decrypted: OCSF JSON lines.

    Example: amzigo audit open november.audit
    """
    from amzigo_pipelines.resources.audit.export import line, read_file
    from amzigo_pipelines.resources.platform import open_platform

    trail = open_platform().audit
    trail.record(trail.acting.label, "export_audit", None, "an exported file was opened", "amzigo audit open")
    for one in read_file(trail.opener, file):
        print(line(one))


@reviews_app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List all reviews, of the trail and of access, and who signed them off."""
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.review.reviews import contents, list_reviews

    platform = open_platform()
    records = []
    for review in list_reviews(platform):
        _, sign_off = contents(platform, review)
        records.append({**_of(review), "signed by": sign_off and sign_off["by"], "note": sign_off and sign_off["note"]})
    print_records("Reviews", records, as_json=as_json, empty="No review yet: 'amzigo audit review build' makes one.")


@reviews_app.command()
def show(review_id: Annotated[str, typer.Argument(metavar="REVIEW")], as_json: AsJson = False) -> None:
    """Show what a review found.

    Example: amzigo audit review show R3
    """
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.review.reviews import contents, get

    platform = open_platform()
    review = get(platform, review_id)
    report, sign_off = contents(platform, review)
    if as_json:
        print_json({**_of(review), "report": report, "sign_off": sign_off})
        return
    if "findings" not in report:
        say(f"{review.review_id} is a report of access: 'amzigo audit review show {review.review_id} --json' shows it")
    else:
        rows = [[one["rule"], one["user"] or None, one["number"], one["sentence"]] for one in report["findings"]]
        print_table(f"{review.review_id}: {report['entries']:,} entries", ["rule", "who", "times", "finding"], rows)
        volumes = [[one["user"], one["action"], one["count"], one["rows"], one["bytes"]] for one in report["volumes"]]
        print_table("Everything that was done", ["who", "action", "times", "rows", "bytes"], volumes)
    say(
        f"signed off by {sign_off['by']}: {sign_off['note']}"
        if sign_off
        else f'not signed off: amzigo audit review sign {review.review_id} --note "..."'
    )


@reviews_app.command()
def build() -> None:
    """Build the reviews of all two-week spans that are over and have none; a schedule does it, too."""
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.review.reviews import build_trail_review, due_spans

    platform = open_platform()
    spans = due_spans(platform)
    for start, end in spans:
        review = build_trail_review(platform, start, end)
        say(f"{review.review_id}: {start:%Y-%m-%d} to {end:%Y-%m-%d}, {review.findings} findings to look at")
    if not spans:
        say("Nothing to build: two weeks must be over and hold entries.")


@reviews_app.command()
def sign(
    review_id: Annotated[str, typer.Argument(metavar="REVIEW")],
    note: Annotated[str, typer.Option("--note", help="What was looked at, and what was done about it.")],
) -> None:
    """Record that you reviewed it.

    Example: amzigo audit review sign R3 --note "PII reads were the tax office's; ben's exports were asked for"
    """
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.review.reviews import sign_off

    platform = open_platform()
    review = sign_off(platform, review_id, note)
    say(f"{review.review_id} is signed off by {platform.audit.acting.label}")


def _of(review: Review) -> dict[str, Any]:
    return {
        "review": review.review_id,
        "kind": review.kind,
        "from": review.starts_at.date(),
        "to": review.ends_at.date(),
        "built": review.built_at,
        "findings": review.findings,
        "signed": review.signed_at,
    }


def _record(entry: AuditEntry) -> dict[str, Any]:
    acting = entry.acting
    return {
        "number": entry.number,
        "at": entry.at,
        "who": entry.actor,
        "user": entry.user,
        "login": acting.user,
        "role": acting.role or "service",
        "run": acting.run_id or None,
        "launched_by": acting.launched_by or None,
        "command": acting.command or None,
        "host": acting.host or None,
        "action": entry.action,
        "seller": entry.seller_id,
        "on": entry.subject,
        "rows": entry.rows,
        "bytes": entry.bytes,
        "times": entry.count,
        "outcome": entry.outcome,
        "why": entry.purpose,
        "detail": entry.detail,
        "sha256": entry.hash,
    }


def _line(entry: AuditEntry, as_json: bool) -> str:
    if as_json:
        return json.dumps(_record(entry), default=str, ensure_ascii=False)
    told = f"{entry.number} {entry.at:%Y-%m-%d %H:%M:%S} {entry.actor}: {entry.action} {entry.subject}"
    return f"{told} of {entry.seller_id or 'no seller'}, {entry.outcome} ({entry.purpose})"


def _head(text: str) -> Head:
    from amzigo_pipelines.resources.audit.chain import Head

    number, _, sha256 = text.partition(":")
    try:
        head = Head(int(number), bytes.fromhex(sha256))
    except ValueError:
        head = Head(0, b"")
    if head.number < 1 or len(head.hash) != 32:
        raise typer.BadParameter(f"{text!r} is no head: write it as an export told it, number:hash")
    return head
