"""The promises of Amzigo's data policy and of Amazon's policies, row by row, with what keeps each.

Belongs here: the rows. A row that only a deployment can keep says so and names the setting; it never claims more. Does
not belong here: looking for evidence (`data.py`, `protection.py`, `people.py`) and printing (`page.py`, `cli/`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from amzigo_pipelines.compliance import data, people, protection
from amzigo_pipelines.compliance.evidence import Evidence, Promise, look_at

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform

PROMISES = (
    Promise(
        "1.1",
        "Only Amazon data, limited personal data of buyers, and data about nobody is processed.",
        "The catalog: every column has a retention class, one without fails; buyers' data is asked for only where a "
        "dataset needs it and while it may live.",
        "`tests/catalog`, `amzigo dictionary`",
        data.every_column_is_classified,
    ),
    Promise(
        "1.2",
        "Data is used for the promised services only.",
        "A mart for each use; column lineage refuses one that reaches personal data when definitions load.",
        "`tests/warehouse/test_lineage.py`",
        data.every_use_has_its_mart,
    ),
    Promise(
        "1.3",
        "Every processing has a legal basis.",
        "Purpose and legal basis of every dataset, purpose of every personal column: catalog and data dictionary.",
        "`tests/catalog`, `amzigo dictionary`",
        data.every_use_has_its_basis,
        "consent of an Amazon seller is given on Amazon's own page; consent to e-mails of your own is kept by you",
    ),
    Promise(
        "2.1",
        "Data is stored encrypted and geographically distributed.",
        "Encrypted backups without keys of personal data, restored every week as a drill.",
        "`tests/backups`, `amzigo backup --drill`",
        data.backups_are_encrypted_and_made,
        "put the backup folder ([backup] in amzigo.toml) into another region, in an ISO 27001 certified data centre",
    ),
    Promise(
        "2.2",
        "Personal data lives no longer than 30 days after delivery; deletion is automated and monitored.",
        "Keys with dates of death, daily sweeps, a daily check that fails when anything is past its date and warns "
        "five days before; holds are kept apart.",
        "`tests/retention`, `tests/whole/test_retention_proof.py`, `amzigo retention status`",
        data.personal_data_dies_in_time,
    ),
    Promise(
        "DPP",
        "What is not personal lives no longer than 18 months, and is marked with its origin.",
        "Class `business` with 548 days, pseudonyms with 365; the same sweeps and checks. Every partition names its "
        "operation of Amazon's.",
        "`tests/retention`, `amzigo retention status`",
        data.other_data_dies_in_time,
    ),
    Promise(
        "3.1",
        "Data in transit is encrypted with TLS 1.2 or newer.",
        "The least version of every client; plain http to another machine is refused.",
        "`tests/cli/test_bad_input.py`, `tests/extraction/test_spapi.py`",
        protection.transport_is_encrypted,
        "the Dagster UI gets TLS from the proxy in front of it",
    ),
    Promise(
        "3.1",
        "Data at rest is encrypted with AES-256.",
        "Lake, marts, spills, vaults and backups are encrypted from their first byte.",
        "`tests/whole/test_byte_scan.py`, `tests/storage`",
        protection.everything_at_rest_is_encrypted,
    ),
    Promise(
        "3.1",
        "Access is by role and need, with a second factor.",
        "Roles `analyst`, `engineer`, `privacy`, each with the key-encryption keys it may use: an analyst can't open "
        "personal data even with the files.",
        "`tests/keys/test_roles.py`, `amzigo keys list`",
        protection.roles_are_apart,
        "the second factor is the identity provider's, in front of the machine, the Dagster UI and KMS",
    ),
    Promise(
        "3.1",
        "Networks and devices are protected.",
        "Nothing here listens beyond this machine by itself.",
        "-",
        None,
        "firewall, private network, intrusion detection and endpoint protection are those of the machines",
    ),
    Promise(
        "3.1",
        "Credentials are kept in secret managers, exchanged and audited.",
        "Environment or AWS Secrets Manager; ages of keys (365 days) and of the client secret (180) are checked daily.",
        "`tests/cli/test_credentials.py`, `tests/keys/test_rotation.py`",
        protection.credentials_are_young,
    ),
    Promise(
        "3.2",
        "Logins, calls and transfers are logged, encrypted, reviewed every two weeks.",
        "The audit trail: sealed, chained, its head signed, 12 months, no personal data; reviewed every two weeks.",
        "`tests/audit`, `amzigo audit verify`",
        people.everything_done_is_written_down,
        "your SIEM reads what `amzigo audit export` gives; a person signs reviews off",
    ),
    Promise(
        "3.3",
        "Incidents are contained at once and told to Amazon within 24 hours.",
        "`amzigo incident`: contain refuses every use of a seller's keys; the notice with its clock; the record.",
        "`tests/incidents`, `amzigo incident list`",
        people.incidents_are_told_in_time,
        "regulatory bodies are told by you",
    ),
    Promise(
        "4.1",
        "Users are known one by one, rights are reviewed every quarter.",
        "The audit trail names the acting user; the access report lists who can open what, and when it was last used.",
        "`tests/audit`, `amzigo access report`",
        people.access_is_reviewed,
        "accounts are given and taken by the identity provider",
    ),
    Promise(
        "4.2",
        "Test and production are apart; tests use made-up data.",
        "A simulator with synthetic people; a home marked `test` refuses Amazon, a production home the simulator.",
        "`tests/cli/test_bad_input.py`, `tests/simulator`",
        protection.test_and_production_are_apart,
    ),
    Promise(
        "4.3",
        "Employees are trained.",
        "-",
        "-",
        None,
        "training and its record are yours",
    ),
    Promise(
        "5.1",
        "Data is not shared; disclosed only where the law demands it.",
        "No telemetry of any library; what a law demands is kept under a hold and read with a purpose, audited.",
        "`tests/quality`, `tests/erasure/test_holds.py`",
        protection.nothing_calls_home,
    ),
    Promise(
        "6.1",
        "Data is sanitised by NIST SP 800-88; all of it is gone 90 days after a request.",
        "Keys are destroyed and files unlinked, verified; the registry of requests with its deadlines.",
        "`tests/erasure`, `amzigo erase list`",
        people.requests_are_done_in_time,
    ),
    Promise(
        "6.2",
        "Destruction is certified in writing.",
        "Ed25519-signed, chained certificates, as JSON and as a page; checked with the public key alone.",
        "`tests/retention/test_certificates.py`, `amzigo certificate verify`",
        people.destruction_is_certified,
    ),
    Promise(
        "AUP",
        "Sellers' data is never combined, and buyers are not marketed to with it.",
        "One seller a file, key, mart and query; audiences are order ids for Amazon's own messages, never addresses.",
        "`tests/warehouse/test_query.py`, `tests/storage/test_tampering.py`",
        data.sellers_are_kept_apart,
    ),
)


def look(platform: Platform) -> list[Evidence]:
    """Today's evidence of every promise, in order."""
    return [look_at(promise, platform) for promise in PROMISES]
