"""The control database's tables, as SQLAlchemy Core declarations.

Belongs here: tables, columns, indexes. Does not belong here: any statement (each module beside this one owns the rows
of its own tables), and any column that could hold a buyer's data: the control database holds no PII, ever.

Free-form facts are JSON in a `Text` column, so that SQLite and PostgreSQL behave alike.
"""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Dialect


class Instant(sa.types.TypeDecorator[datetime]):
    """A moment in UTC. SQLite keeps no time zone, so the zone is taken off going in and put back coming out."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC; refuses an instant without a zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant without a time zone can't be stored: use datetime(..., tzinfo=UTC)")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Back to an aware instant in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = sa.MetaData()

# One row: which installation this is. The home carries the same id, so that a sweep under a wrong or an empty database
# can't take a whole lake for rubbish.
installation = sa.Table(
    "installation",
    metadata,
    sa.Column("installation_id", sa.String(32), primary_key=True),
    sa.Column("created_at", Instant, nullable=False),
)

sellers = sa.Table(
    "sellers",
    metadata,
    sa.Column("seller_id", sa.String(32), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("marketplace_ids", sa.Text, nullable=False),  # JSON list
    sa.Column("added_at", Instant, nullable=False),
    sa.Column("removed_at", Instant),
)

# Advertising profiles: which of a seller's marketplaces is which account at the Ads API. Its token is a secret, below.
ads_profiles = sa.Table(
    "ads_profiles",
    metadata,
    sa.Column("seller_id", sa.String(32), primary_key=True),
    sa.Column("marketplace_id", sa.String(32), primary_key=True),
    sa.Column("profile_id", sa.String(32), nullable=False),
    sa.Column("connected_at", Instant, nullable=False),
)

# Versions of key-encryption keys: only which there are and which wraps new keys, never the keys.
kek_versions = sa.Table(
    "kek_versions",
    metadata,
    sa.Column("purpose", sa.String(16), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("is_active", sa.Boolean, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("destroyed_at", Instant),
)

# Small secrets of ours (refresh tokens, the certificates' signing key), wrapped under the KEK purpose "secret".
secrets = sa.Table(
    "secrets",
    metadata,
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("kek_version", sa.Integer, nullable=False),
    sa.Column("wrapped", sa.LargeBinary),  # NULL once destroyed
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("destroyed_at", Instant),
)

data_keys = sa.Table(
    "data_keys",
    metadata,
    sa.Column("key_id", sa.String(32), primary_key=True),
    sa.Column("seller_id", sa.String(32), nullable=False),
    sa.Column("key_class", sa.String(16), nullable=False),
    sa.Column("expires_on", sa.Date, nullable=False),
    sa.Column("kek_purpose", sa.String(16), nullable=False),
    sa.Column("kek_version", sa.Integer, nullable=False),
    sa.Column("wrapped", sa.LargeBinary),  # NULL once destroyed: the row stays as a tombstone
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("destroyed_at", Instant),
)
# One living key for each (seller, class, date of death); tombstones of the same triple may lie beside it. A legal hold
# has a key of its own, whatever other holds end on the same day.
sa.Index(
    "data_keys_one_alive",
    data_keys.c.seller_id,
    data_keys.c.key_class,
    data_keys.c.expires_on,
    unique=True,
    sqlite_where=sa.and_(data_keys.c.destroyed_at.is_(None), data_keys.c.key_class != "hold"),
    postgresql_where=sa.and_(data_keys.c.destroyed_at.is_(None), data_keys.c.key_class != "hold"),
)
sa.Index("data_keys_due", data_keys.c.key_class, data_keys.c.expires_on)

lake_files = sa.Table(
    "lake_files",
    metadata,
    sa.Column("path", sa.String(255), primary_key=True),  # relative to the lake's folder, with "/"
    sa.Column("dataset", sa.String(64), nullable=False),
    sa.Column("seller_id", sa.String(32), nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("family", sa.String(16), nullable=False),
    sa.Column("expires_on", sa.Date, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("key_id", sa.String(32), sa.ForeignKey("data_keys.key_id"), nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column(
        "state", sa.String(16), nullable=False
    ),  # current, garbage (to be unlinked), destroyed (its data is gone)
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("destroyed_at", Instant),
)
sa.Index("lake_files_partition", lake_files.c.seller_id, lake_files.c.dataset, lake_files.c.day)
sa.Index("lake_files_due", lake_files.c.state, lake_files.c.family, lake_files.c.expires_on)
sa.Index("lake_files_key", lake_files.c.key_id)

# What is known of a partition, also that it is empty.
partitions = sa.Table(
    "partitions",
    metadata,
    sa.Column("dataset", sa.String(64), primary_key=True),
    sa.Column("seller_id", sa.String(32), primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("pii_rows", sa.BigInteger, nullable=False),
    sa.Column("pii_rows_dropped", sa.BigInteger, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),  # JSON object
    sa.Column("committed_at", Instant, nullable=False),
)

# The published mart file of each seller.
marts = sa.Table(
    "marts",
    metadata,
    sa.Column("seller_id", sa.String(32), primary_key=True),
    sa.Column("path", sa.String(255), nullable=False),  # relative to the marts' folder
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("key_id", sa.String(32), sa.ForeignKey("data_keys.key_id"), nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("published_at", Instant, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),  # JSON object: rows by table, partition versions it was built from
)

# The latest day on which retention ran. A clock that shows an earlier one is not believed.
high_water = sa.Table(
    "high_water",
    metadata,
    sa.Column("name", sa.String(16), primary_key=True),
    sa.Column("day", sa.Date, nullable=False),
)

# The retention ledger: one row a run over (class, date of death, seller), also one that found nothing.
retention_runs = sa.Table(
    "retention_runs",
    metadata,
    sa.Column("run_id", sa.String(32), primary_key=True),
    sa.Column("seller_id", sa.String(32), nullable=False),
    sa.Column("retention_class", sa.String(16), nullable=False),
    sa.Column("expires_on", sa.Date, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("finished_at", Instant),
    sa.Column("keys_destroyed", sa.BigInteger, nullable=False),
    sa.Column("files_destroyed", sa.BigInteger, nullable=False),
    sa.Column("rows_destroyed", sa.BigInteger, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),  # JSON object
)
sa.Index("retention_runs_day", retention_runs.c.retention_class, retention_runs.c.expires_on)

# Requests to erase a buyer, an order or a seller. Of whom it is only a keyed hash, never a name or an address.
erasure_requests = sa.Table(
    "erasure_requests",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seller_id", sa.String(32), nullable=False),
    sa.Column("scope", sa.String(16), nullable=False),  # order, buyer, seller
    sa.Column("subject", sa.String(64), nullable=False),  # keyed hash, see resources/lake/tombstones.py
    sa.Column("buyer_key", sa.String(64)),  # the buyer's pseudonym; NULL for other scopes and once verified
    sa.Column("source", sa.String(16), nullable=False),  # person, amazon
    sa.Column("state", sa.String(16), nullable=False),  # received, approved, running, verified, certified, refused
    sa.Column("times_asked", sa.Integer, nullable=False),
    sa.Column("received_at", Instant, nullable=False),
    sa.Column("due_on", sa.Date, nullable=False),
    sa.Column("approved_at", Instant),
    sa.Column("started_at", Instant),
    sa.Column("finished_at", Instant),  # certified or refused
    sa.Column("certificate", sa.Integer),
    sa.Column("detail", sa.Text, nullable=False),  # JSON object: what was destroyed so far, reason of a refusal
)
sa.Index("erasure_requests_subject", erasure_requests.c.seller_id, erasure_requests.c.subject)

# What must not come back: keyed hashes of erased orders, buyers and sellers. Never deleted.
tombstones = sa.Table(
    "tombstones",
    metadata,
    sa.Column("seller_id", sa.String(32), primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True),  # order, buyer, seller
    sa.Column("subject", sa.String(64), primary_key=True),
    sa.Column("request", sa.Integer, nullable=False),  # number of the erasure request
    sa.Column("erased_at", Instant, nullable=False),
)

# Legal holds: whose data is kept for a law, a court or a tax office, and until when.
holds = sa.Table(
    "holds",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seller_id", sa.String(32), nullable=False),
    sa.Column("scope", sa.String(16), nullable=False),  # order, buyer, seller
    sa.Column("subject", sa.String(64), nullable=False),  # keyed hash, see resources/lake/tombstones.py
    sa.Column("buyer_key", sa.String(64)),  # the buyer's pseudonym; NULL for other scopes and once the hold is over
    sa.Column("datasets", sa.Text, nullable=False),  # JSON list; empty: all
    sa.Column("first_day", sa.Date),
    sa.Column("last_day", sa.Date),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("authority", sa.Text, nullable=False),
    sa.Column("ends_on", sa.Date, nullable=False),
    sa.Column("key_id", sa.String(32), sa.ForeignKey("data_keys.key_id"), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # active, ending (vault being destroyed), ended
    sa.Column("added_at", Instant, nullable=False),
    sa.Column("secured_at", Instant),  # up to when the lake was looked through for it
    sa.Column("released_at", Instant),  # before its end; NULL where it just expired
    sa.Column("certificate", sa.Integer),
)

# Copies of held rows: one file for each hold and each file of the lake that had some.
vault_files = sa.Table(
    "vault_files",
    metadata,
    sa.Column("hold", sa.Integer, sa.ForeignKey("holds.number"), primary_key=True),
    sa.Column("source", sa.String(255), primary_key=True),  # path of the lake's file
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("copied_at", Instant, nullable=False),
)

# Certificates of destruction, hash-chained by number.
certificates = sa.Table(
    "certificates",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("certificate_id", sa.String(32), nullable=False, unique=True),
    sa.Column("run_id", sa.String(32)),
    sa.Column("seller_id", sa.String(32), nullable=False),
    sa.Column("retention_class", sa.String(16), nullable=False),
    sa.Column("expires_on", sa.Date, nullable=False),
    sa.Column("issued_at", Instant, nullable=False),
    sa.Column("body", sa.Text, nullable=False),  # canonical JSON: what was signed
    sa.Column("previous_hash", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("signature", sa.LargeBinary, nullable=False),
)

# The audit trail, hash-chained by number. Of an entry only when, what and whose is in the clear; who, how much and why
# is sealed (resources/audit/sealing.py).
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at_us", sa.BigInteger, nullable=False),  # microseconds since 1970, UTC
    sa.Column("action", sa.String(64), nullable=False),
    sa.Column("seller_id", sa.String(32)),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("previous_hash", sa.LargeBinary, nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
)
sa.Index("audit_at", audit.c.at_us)

# One row: where the trail ends. Entries cut off at its end are missed by it.
audit_head = sa.Table(
    "audit_head",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
)

# Signed heads of the trail, and the signed ends of what was deleted after its 12 months.
audit_marks = sa.Table(
    "audit_marks",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.String(16), primary_key=True),  # head, deleted
    sa.Column("signed_at", Instant, nullable=False),
    sa.Column("body", sa.Text, nullable=False),  # JSON: what was signed
    sa.Column("signature", sa.LargeBinary, nullable=False),
)

# The public key for which entries are sealed; the private one is among the secrets.
audit_key = sa.Table(
    "audit_key",
    metadata,
    sa.Column("public", sa.LargeBinary, primary_key=True),
    sa.Column("created_at", Instant, nullable=False),
)

# The settings as they were last seen, so that a change gets an entry.
seen_settings = sa.Table(
    "seen_settings",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("seen_at", Instant, nullable=False),
)

# Reviews of the trail (every two weeks) and of who has access (every quarter). What they say, and who signed them off
# with which note, is sealed like the trail.
reviews = sa.Table(
    "reviews",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.String(16), nullable=False),  # trail, access
    sa.Column("starts_at", Instant, nullable=False),
    sa.Column("ends_at", Instant, nullable=False),
    sa.Column("built_at", Instant, nullable=False),
    sa.Column("findings", sa.Integer, nullable=False),
    sa.Column("report", sa.LargeBinary, nullable=False),
    sa.Column("signed_at", Instant),
    sa.Column("sign_off", sa.LargeBinary),
)
sa.Index("reviews_once", reviews.c.kind, reviews.c.starts_at, unique=True)

# Token buckets of Amazon's rates: one for each application, seller and operation; seller "*" where all share one.
rate_buckets = sa.Table(
    "rate_buckets",
    metadata,
    sa.Column("application", sa.String(16), primary_key=True),  # hash of the LWA client id
    sa.Column("seller_id", sa.String(32), primary_key=True),
    sa.Column("operation", sa.String(64), primary_key=True),
    sa.Column("tokens", sa.Double, nullable=False),  # below zero: reserved ahead
    sa.Column("rate_per_s", sa.Double, nullable=False),
    sa.Column("burst", sa.Double, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
)

# The ledger of reports and of Data Kiosk's queries: one row a request. Which one, for what, and how far it has come;
# never what is in it.
reports = sa.Table(
    "reports",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("order_key", sa.String(64), nullable=False),  # hash of everything that tells two orders apart
    sa.Column("seller_id", sa.String(32), nullable=False),
    sa.Column("report_type", sa.String(128), nullable=False),
    sa.Column("marketplace_ids", sa.Text, nullable=False),  # sorted, joined with ","
    sa.Column("starts_at", Instant),
    sa.Column("ends_at", Instant),
    sa.Column("options_hash", sa.String(64), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # asking, asked, done, cancelled, fatal, spoiled
    sa.Column("report_id", sa.String(64)),  # NULL while asking
    sa.Column("document_id", sa.Text),  # NULL of a finished query: Amazon has no data
    sa.Column("next_token", sa.Text),  # of a finished query: what the next page is asked for with
    sa.Column("asked_at", Instant, nullable=False),
    sa.Column("finished_at", Instant),
    sa.Column("retry_at", Instant),  # cancelled or fatal: not worth asking again before
    sa.Column("attempts", sa.Integer, nullable=False),  # requests in a row that came to nothing, this one included
    sqlite_autoincrement=True,
)
sa.Index("reports_order", reports.c.order_key, reports.c.number)
sa.Index("reports_retry", reports.c.state, reports.c.retry_at)

# Sellers who were sent to Amazon's consent page and have not come back yet; the hash of what they bring along.
authorisation_states = sa.Table(
    "authorisation_states",
    metadata,
    sa.Column("state_hash", sa.String(64), primary_key=True),
    sa.Column("region", sa.String(2), nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
)

# How old an application's client secret is. Of the secret only the start of its hash, to see that it was exchanged.
client_secrets = sa.Table(
    "client_secrets",
    metadata,
    sa.Column("application", sa.String(16), primary_key=True),  # hash of the LWA client id
    sa.Column("fingerprint", sa.String(16), nullable=False),
    sa.Column("since", Instant, nullable=False),
    sa.Column("is_exact", sa.Boolean, nullable=False),  # False: first seen then, and older than that
    sa.Column("asked_at", Instant),  # Amazon was asked for a new one, which has not come yet
)

# Sellers whose keys and tokens are refused, since an incident was contained; the row is the freeze.
seller_freezes = sa.Table(
    "seller_freezes",
    metadata,
    sa.Column("seller_id", sa.String(32), primary_key=True),
    sa.Column("incident_id", sa.String(32), nullable=False),
    sa.Column("frozen_at", Instant, nullable=False),
)

# Finished backups: what is in each, to compare a restore with.
backups = sa.Table(
    "backups",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("backup_id", sa.String(32), nullable=False, unique=True),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_on", sa.Date, nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("files", sa.BigInteger, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),  # JSON object: by seller and dataset
)

# Restore drills, also those that failed.
restore_drills = sa.Table(
    "restore_drills",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("backup_id", sa.String(32), nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("finished_at", Instant, nullable=False),
    sa.Column("has_passed", sa.Boolean, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),  # JSON object
)

# Extractions that failed, a row a partition, until it is extracted. The sentence is one of ours and holds no value.
failed_partitions = sa.Table(
    "failed_partitions",
    metadata,
    sa.Column("seller_id", sa.String(32), primary_key=True),
    sa.Column("dataset", sa.String(64), primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("failed_at", Instant, nullable=False),
    sa.Column("sentence", sa.Text, nullable=False),
)

# Answers that wait for their partition to be whole: sealed rows without personal data, gone when it is.
kept_answers = sa.Table(
    "kept_answers",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seller_id", sa.String(32), nullable=False),
    sa.Column("dataset", sa.String(64), nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("kept_at", Instant, nullable=False),
    sa.Column("key_id", sa.String(32), nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
)
sa.Index("kept_answers_partition", kept_answers.c.seller_id, kept_answers.c.dataset, kept_answers.c.day)

# What Amazon refuses a seller for good, by its nature: who owns no brand gets no report on one. Gone once it answers.
known_refusals = sa.Table(
    "known_refusals",
    metadata,
    sa.Column("seller_id", sa.String(32), primary_key=True),
    sa.Column("dataset", sa.String(64), primary_key=True),
    sa.Column("since", Instant, nullable=False),
)

# Batches in quarantine: what did not fit, as counts, and where its encrypted file lies. Never a value.
quarantine = sa.Table(
    "quarantine",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seller_id", sa.String(32), nullable=False),
    sa.Column("datasets", sa.Text, nullable=False),  # JSON list
    sa.Column("first_day", sa.Date, nullable=False),
    sa.Column("last_day", sa.Date, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # open, replayed, dropped, replaced
    sa.Column("taken_at", Instant, nullable=False),
    sa.Column("expires_on", sa.Date, nullable=False),
    sa.Column("path", sa.String(255), nullable=False),  # of its row in lake_files
    sa.Column("closed_at", Instant),
    sa.Column("detail", sa.Text, nullable=False),  # JSON object: sentence, faults as counts by column, records
)

# What the checks found: one row a version of a partition. Counts by rule, never a value.
quality_results = sa.Table(
    "quality_results",
    metadata,
    sa.Column("seller_id", sa.String(32), primary_key=True),
    sa.Column("dataset", sa.String(64), primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("checked_at", Instant, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("rules", sa.Integer, nullable=False),
    sa.Column("errors", sa.Integer, nullable=False),
    sa.Column("warnings", sa.Integer, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),  # JSON object: rows that break a rule, by its name
)

# The same of published marts: one row a mart and published version.
mart_quality_results = sa.Table(
    "mart_quality_results",
    metadata,
    sa.Column("seller_id", sa.String(32), primary_key=True),
    sa.Column("mart", sa.String(64), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("checked_at", Instant, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("rules", sa.Integer, nullable=False),
    sa.Column("errors", sa.Integer, nullable=False),
    sa.Column("warnings", sa.Integer, nullable=False),
    sa.Column(
        "detail", sa.Text, nullable=False
    ),  # JSON object: rows that break a rule by its name, rules that saw none
)

# Security incidents. Texts are a person's, and hold no buyer's data.
incidents = sa.Table(
    "incidents",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seller_ids", sa.Text, nullable=False),  # JSON list
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # open, contained, closed
    sa.Column("exposed_from", Instant, nullable=False),
    sa.Column("exposed_until", Instant),  # NULL while it goes on
    sa.Column("detected_at", Instant, nullable=False),  # the 24 hours count from here
    sa.Column("opened_at", Instant, nullable=False),
    sa.Column("contained_at", Instant),
    sa.Column("drafted_at", Instant),
    sa.Column("notified_at", Instant),  # a person said that the notice was sent
    sa.Column("closed_at", Instant),
    sa.Column("root_cause", sa.Text),
    sa.Column("actions", sa.Text, nullable=False),  # JSON list of what was done, each with its time
    sa.Column("no_notice_reason", sa.Text),
)

# Troubles that stand or stood, and what has to be told of them. Our own sentences only.
alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("alert_key", sa.Text, nullable=False, index=True),
    sa.Column("severity", sa.String(8), nullable=False),  # ERROR, WARN
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("sentence", sa.Text, nullable=False),
    sa.Column("link", sa.Text, nullable=False),
    sa.Column("opened_at", Instant, nullable=False),
    sa.Column("seen_at", Instant, nullable=False),
    sa.Column("told_at", Instant, nullable=False),
    sa.Column("resolved_at", Instant),
)
alert_messages = sa.Table(
    "alert_messages",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("route", sa.Text, nullable=False),
    sa.Column("channel", sa.String(16), nullable=False),  # email, webhook
    sa.Column("told", sa.Text, nullable=False),  # JSON list
    sa.Column("written_at", Instant, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due_at", Instant, nullable=False),
    sa.Column("sent_at", Instant),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
)
