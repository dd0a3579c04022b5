"""`amzigo certificate`: what was destroyed, signed: to list, to read, to hand out and to check.

Checking files needs the public key only: no home, no database, no network.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amzigo_pipelines.cli.options import AsJson, Day
from amzigo_pipelines.cli.output import print_json, print_records, print_table, say, shown

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform
    from amzigo_pipelines.retention.certificate_format import Certificate

app = typer.Typer(help="Certificates of destruction: list, read, hand out, check.", no_args_is_help=True)

OfSeller = Annotated[str | None, typer.Option("--seller", "-s", help="Only of this seller, without the others.")]
OfClass = Annotated[str | None, typer.Option("--class", help="Only of this class, such as pii, erasure or hold.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="File to write instead of printing.")]


class Format(StrEnum):
    """How a certificate is shown."""

    TEXT = "text"
    JSON = "json"
    HTML = "html"


@app.command("list")
def list_(
    seller: OfSeller = None, first: Day = None, last: Day = None, of_class: OfClass = None, as_json: AsJson = False
) -> None:
    """List certificates: of a seller, of a class, or issued from one day to another (--first, --last)."""
    from amzigo_pipelines.resources.platform import open_platform

    records = [
        {
            "number": one.number,
            "issued at": one.issued_at,
            "class": one.retention_class,
            "due by": one.day_of_death,
            "sellers": len(one.body["sellers"]),
            **{name: sum(int(s.get(name, 0)) for s in one.body["sellers"]) for name in ("keys", "files", "rows")},
        }
        for one in _chosen(open_platform(), seller, first, last, of_class)
    ]
    print_records("Certificates", records, as_json=as_json, empty="There are no such certificates.")


@app.command()
def show(
    number: Annotated[int, typer.Argument(help="Number, as 'amzigo certificate list' shows it.")],
    seller: OfSeller = None,
    form: Annotated[Format, typer.Option("--format", help="text, json (what is signed) or html (to print).")] = (
        Format.TEXT
    ),
    output: Output = None,
) -> None:
    """Show one certificate, or write it as a file.

    Example: amzigo certificate show 7 --format html -o certificate-7.html
    """
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.retention.certificate_format import CertificateError
    from amzigo_pipelines.retention.certificate_page import page
    from amzigo_pipelines.retention.certificates import load_certificates

    platform = open_platform()
    found = next(load_certificates(platform, [number]), None)
    if found is None:
        raise CertificateError(f"there is no certificate {number}: see 'amzigo certificate list'")
    certificate = found if seller is None else found.excerpt(seller)
    if seller is not None and not certificate.body["sellers"]:
        raise CertificateError(f"certificate {number} states nothing of seller {seller}")
    if form is Format.TEXT and output is None:
        _print(certificate)
        return
    text = page(certificate) if form is Format.HTML else certificate.file_bytes.decode()
    if output is None:
        say_raw(text)
        return
    _write(output, text)
    say(f"wrote certificate {number} to {output}")


@app.command()
def verify(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Certificate files, folders or archives. Default: this installation's.")
    ] = None,
    public_key: Annotated[
        Path | None, typer.Option("--public-key", help="The issuer's public key. Default: this installation's.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check certificates.

    Without files: this installation's whole chain, against its database. With files and --public-key: just those, on
    any machine.
    """
    from amzigo_pipelines.retention.certificate_bundle import Verified, verify_paths
    from amzigo_pipelines.retention.certificate_format import fingerprint, load_public_key

    if paths:
        key = load_public_key(public_key or _own_public_key())
        result = verify_paths(paths, key)
    else:
        from amzigo_pipelines.resources.platform import open_platform
        from amzigo_pipelines.retention.certificates import public_key as own_key
        from amzigo_pipelines.retention.certificates import verify_chain

        platform = open_platform()
        key = own_key(platform) if public_key is None else load_public_key(public_key)
        chain = verify_chain(platform)
        result = verify_paths([platform.home.certificate_dir], key) if chain else Verified((), True)
    if as_json:
        numbers = [certificate.number for certificate in result.certificates]
        print_json({"valid": numbers, "is_whole_chain": result.is_from_first, "public_key": fingerprint(key)})
    else:
        say(result.sentence if result.certificates else "no certificate was issued yet: nothing was checked")
        say(f"public key {fingerprint(key)}")


@app.command()
def export(
    output: Annotated[Path, typer.Option("--output", "-o", help="The ZIP archive to write.")],
    seller: OfSeller = None,
    first: Day = None,
    last: Day = None,
    of_class: OfClass = None,
) -> None:
    """Write certificates into one archive for somebody outside: files, pages to print, the public key.

    With --seller only what is stated of that seller goes out; the signatures hold all the same.

    Example: amzigo certificate export --seller A1EXAMPLE --first 2026-10-01 --last 2026-10-31 -o october.zip
    """
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.retention.certificate_bundle import write_bundle
    from amzigo_pipelines.retention.certificate_format import CertificateError
    from amzigo_pipelines.retention.certificates import public_key as own_key

    platform = open_platform()
    numbers = [one.number for one in _chosen(platform, seller, first, last, of_class)]
    if not numbers:
        raise CertificateError("there are no such certificates, so nothing was written: see 'amzigo certificate list'")
    if output.suffix != ".zip":
        raise CertificateError(f"{output} must end in .zip: that is what is written, and what 'verify' knows it by")
    count = write_bundle(output, _chosen(platform, seller, first, last, of_class), own_key(platform))
    say(f"wrote {count} certificates to {output}")


@app.command("public-key")
def public_key(output: Output = None) -> None:
    """Print the public key that checks this installation's certificates, and its fingerprint."""
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.retention.certificate_format import fingerprint, load_public_key
    from amzigo_pipelines.retention.certificates import PUBLIC_KEY_FILE

    path = open_platform().home.certificate_dir / PUBLIC_KEY_FILE
    key = load_public_key(path)
    if output is not None:
        _write(output, path.read_text("ascii"))
        say(f"wrote the public key to {output}")
    else:
        say_raw(path.read_text("ascii"))
    say(f"fingerprint {fingerprint(key)}")


def say_raw(text: str) -> None:
    """Print text as it is: a certificate's brackets are no markup."""
    print(text, end="")


def _chosen(
    platform: Platform, seller: str | None, first: date | None, last: date | None, of_class: str | None
) -> Iterator[Certificate]:
    """Certificates that were asked for, one at a time; of a seller, excerpts."""
    from amzigo_pipelines.retention.certificates import load_certificates, summaries

    wanted = [
        one.number
        for one in summaries(platform)
        if (first is None or one.issued_at.date() >= first)
        and (last is None or one.issued_at.date() <= last)
        and of_class in (None, one.retention_class)
    ]
    for certificate in load_certificates(platform, wanted):
        if seller is None:
            yield certificate
        elif (excerpt := certificate.excerpt(seller)).body["sellers"]:
            yield excerpt


def _own_public_key() -> Path:
    from amzigo_pipelines.resources.home import HomeError, load_home
    from amzigo_pipelines.retention.certificate_format import PUBLIC_KEY_FILE, CertificateError

    try:
        return load_home().certificate_dir / PUBLIC_KEY_FILE
    except HomeError:
        raise CertificateError(
            "there is no installation here, so give the issuer's public key: --public-key public-key.pem"
        ) from None


def _print(certificate: Certificate) -> None:
    body = certificate.body
    facts: dict[str, Any] = {
        "issued at": certificate.issued_at,
        "class": certificate.retention_class,
        "due on or before": certificate.day_of_death,
        "method": f"{body['method']['standard']}: {body['method']['technique']}",
        "verification": "; ".join(f"{name.replace('_', ' ')}: {shown(v)}" for name, v in body["verification"].items()),
        "code version": body["code_version"],
        "SHA-256": certificate.hash,
        "SHA-256 before": certificate.previous_hash,
    }
    print_table(f"Certificate {certificate.number}", ["", "stated"], list(facts.items()))
    # An erasure names its request, the end of a hold the hold.
    further = [name for name in ("request", "scope", "hold") if any(name in one for one in body["sellers"])]
    names = ("seller", *further, "keys", "files", "rows", "bytes")
    print_table("Destroyed", names, [[one.get(name) for name in names] for one in body["sellers"]])


def _write(path: Path, text: str) -> None:
    from amzigo_pipelines.retention.certificate_format import CertificateError

    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise CertificateError(f"{path} can't be written ({error.strerror}): choose another place") from None
