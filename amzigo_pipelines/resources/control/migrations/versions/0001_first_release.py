"""The tables of the first release, 0.1.0.

Belongs here: one step of the control database's schema, both ways. Once released it is never changed.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from amzigo_pipelines.resources.control.schema import Instant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "ads_profiles",
        sa.Column("seller_id", sa.String(length=32), nullable=False),
        sa.Column("marketplace_id", sa.String(length=32), nullable=False),
        sa.Column("profile_id", sa.String(length=32), nullable=False),
        sa.Column("connected_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("seller_id", "marketplace_id"),
    )
    op.create_table(
        "alert_messages",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("told", sa.Text(), nullable=False),
        sa.Column("written_at", Instant(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", Instant(), nullable=False),
        sa.Column("sent_at", Instant(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_table(
        "alerts",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("alert_key", sa.Text(), nullable=False),
        sa.Column("severity", sa.String(length=8), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("opened_at", Instant(), nullable=False),
        sa.Column("seen_at", Instant(), nullable=False),
        sa.Column("told_at", Instant(), nullable=False),
        sa.Column("resolved_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index(op.f("ix_alerts_alert_key"), "alerts", ["alert_key"], unique=False)
    op.create_table(
        "audit",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("seller_id", sa.String(length=32), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("previous_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("audit_at", "audit", ["at_us"], unique=False)
    op.create_table(
        "audit_head",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_table(
        "audit_key",
        sa.Column("public", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("public"),
    )
    op.create_table(
        "audit_marks",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("signed_at", Instant(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", "kind"),
    )
    op.create_table(
        "authorisation_states",
        sa.Column("state_hash", sa.String(length=64), nullable=False),
        sa.Column("region", sa.String(length=2), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("state_hash"),
    )
    op.create_table(
        "backups",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("backup_id", sa.String(length=32), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("files", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("backup_id"),
    )
    op.create_table(
        "certificates",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("certificate_id", sa.String(length=32), nullable=False),
        sa.Column("run_id", sa.String(length=32), nullable=True),
        sa.Column("seller_id", sa.String(length=32), nullable=False),
        sa.Column("retention_class", sa.String(length=16), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=False),
        sa.Column("issued_at", Instant(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("certificate_id"),
    )
    op.create_table(
        "client_secrets",
        sa.Column("application", sa.String(length=16), nullable=False),
        sa.Column("fingerprint", sa.String(length=16), nullable=False),
        sa.Column("since", Instant(), nullable=False),
        sa.Column("is_exact", sa.Boolean(), nullable=False),
        sa.Column("asked_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("application"),
    )
    op.create_table(
        "data_keys",
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("seller_id", sa.String(length=32), nullable=False),
        sa.Column("key_class", sa.String(length=16), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=False),
        sa.Column("kek_purpose", sa.String(length=16), nullable=False),
        sa.Column("kek_version", sa.Integer(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("destroyed_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("key_id"),
    )
    op.create_index("data_keys_due", "data_keys", ["key_class", "expires_on"], unique=False)
    op.create_index(
        "data_keys_one_alive",
        "data_keys",
        ["seller_id", "key_class", "expires_on"],
        unique=True,
        sqlite_where=sa.text("destroyed_at IS NULL AND key_class != 'hold'"),
        postgresql_where=sa.text("destroyed_at IS NULL AND key_class != 'hold'"),
    )
    op.create_table(
        "erasure_requests",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seller_id", sa.String(length=32), nullable=False),
        sa.Column("scope", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("buyer_key", sa.String(length=64), nullable=True),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("times_asked", sa.Integer(), nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("approved_at", Instant(), nullable=True),
        sa.Column("started_at", Instant(), nullable=True),
        sa.Column("finished_at", Instant(), nullable=True),
        sa.Column("certificate", sa.Integer(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("erasure_requests_subject", "erasure_requests", ["seller_id", "subject"], unique=False)
    op.create_table(
        "failed_partitions",
        sa.Column("seller_id", sa.String(length=32), nullable=False),
        sa.Column("dataset", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("failed_at", Instant(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seller_id", "dataset", "day"),
    )
    op.create_table(
        "high_water",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "incidents",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seller_ids", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("exposed_from", Instant(), nullable=False),
        sa.Column("exposed_until", Instant(), nullable=True),
        sa.Column("detected_at", Instant(), nullable=False),
        sa.Column("opened_at", Instant(), nullable=False),
        sa.Column("contained_at", Instant(), nullable=True),
        sa.Column("drafted_at", Instant(), nullable=True),
        sa.Column("notified_at", Instant(), nullable=True),
        sa.Column("closed_at", Instant(), nullable=True),
        sa.Column("root_cause", sa.Text(), nullable=True),
        sa.Column("actions", sa.Text(), nullable=False),
        sa.Column("no_notice_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_table(
        "installation",
        sa.Column("installation_id", sa.String(length=32), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("installation_id"),
    )
    op.create_table(
        "kek_versions",
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("destroyed_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("purpose", "version"),
    )
    op.create_table(
        "kept_answers",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seller_id", sa.String(length=32), nullable=False),
        sa.Column("dataset", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kept_at", Instant(), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("kept_answers_partition", "kept_answers", ["seller_id", "dataset", "day"], unique=False)
    op.create_table(
        "known_refusals",
        sa.Column("seller_id", sa.String(length=32), nullable=False),
        sa.Column("dataset", sa.String(length=64), nullable=False),
        sa.Column("since", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("seller_id", "dataset"),
    )
    op.create_table(
        "mart_quality_results",
        sa.Column("seller_id", sa.String(length=32), nullable=False),
        sa.Column("mart", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("checked_at", Instant(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("rules", sa.Integer(), nullable=False),
        sa.Column("errors", sa.Integer(), nullable=False),
        sa.Column("warnings", sa.Integer(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seller_id", "mart", "version"),
    )
    op.create_table(
        "partitions",
        sa.Column("dataset", sa.String(length=64), nullable=False),
        sa.Column("seller_id", sa.String(length=32), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("pii_rows", sa.BigInteger(), nullable=False),
        sa.Column("pii_rows_dropped", sa.BigInteger(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("committed_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("dataset", "seller_id", "day"),
    )
    op.create_table(
        "quality_results",
        sa.Column("seller_id", sa.String(length=32), nullable=False),
        sa.Column("dataset", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("checked_at", Instant(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("rules", sa.Integer(), nullable=False),
        sa.Column("errors", sa.Integer(), nullable=False),
        sa.Column("warnings", sa.Integer(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seller_id", "dataset", "day", "version"),
    )
    op.create_table(
        "quarantine",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seller_id", sa.String(length=32), nullable=False),
        sa.Column("datasets", sa.Text(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("taken_at", Instant(), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=False),
        sa.Column("path", sa.String(length=255), nullable=False),
        sa.Column("closed_at", Instant(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_table(
        "rate_buckets",
        sa.Column("application", sa.String(length=16), nullable=False),
        sa.Column("seller_id", sa.String(length=32), nullable=False),
        sa.Column("operation", sa.String(length=64), nullable=False),
        sa.Column("tokens", sa.Double(), nullable=False),
        sa.Column("rate_per_s", sa.Double(), nullable=False),
        sa.Column("burst", sa.Double(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("application", "seller_id", "operation"),
    )
    op.create_table(
        "reports",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("order_key", sa.String(length=64), nullable=False),
        sa.Column("seller_id", sa.String(length=32), nullable=False),
        sa.Column("report_type", sa.String(length=128), nullable=False),
        sa.Column("marketplace_ids", sa.Text(), nullable=False),
        sa.Column("starts_at", Instant(), nullable=True),
        sa.Column("ends_at", Instant(), nullable=True),
        sa.Column("options_hash", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("report_id", sa.String(length=64), nullable=True),
        sa.Column("document_id", sa.Text(), nullable=True),
        sa.Column("next_token", sa.Text(), nullable=True),
        sa.Column("asked_at", Instant(), nullable=False),
        sa.Column("finished_at", Instant(), nullable=True),
        sa.Column("retry_at", Instant(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sqlite_autoincrement=True,
    )
    op.create_index("reports_order", "reports", ["order_key", "number"], unique=False)
    op.create_index("reports_retry", "reports", ["state", "retry_at"], unique=False)
    op.create_table(
        "restore_drills",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("backup_id", sa.String(length=32), nullable=False),
        sa.Column("started_at", Instant(), nullable=False),
        sa.Column("finished_at", Instant(), nullable=False),
        sa.Column("has_passed", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_table(
        "retention_runs",
        sa.Column("run_id", sa.String(length=32), nullable=False),
        sa.Column("seller_id", sa.String(length=32), nullable=False),
        sa.Column("retention_class", sa.String(length=16), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("started_at", Instant(), nullable=False),
        sa.Column("finished_at", Instant(), nullable=True),
        sa.Column("keys_destroyed", sa.BigInteger(), nullable=False),
        sa.Column("files_destroyed", sa.BigInteger(), nullable=False),
        sa.Column("rows_destroyed", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_id"),
    )
    op.create_index("retention_runs_day", "retention_runs", ["retention_class", "expires_on"], unique=False)
    op.create_table(
        "reviews",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("starts_at", Instant(), nullable=False),
        sa.Column("ends_at", Instant(), nullable=False),
        sa.Column("built_at", Instant(), nullable=False),
        sa.Column("findings", sa.Integer(), nullable=False),
        sa.Column("report", sa.LargeBinary(), nullable=False),
        sa.Column("signed_at", Instant(), nullable=True),
        sa.Column("sign_off", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("reviews_once", "reviews", ["kind", "starts_at"], unique=True)
    op.create_table(
        "secrets",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("kek_version", sa.Integer(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("destroyed_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "seen_settings",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("seen_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "seller_freezes",
        sa.Column("seller_id", sa.String(length=32), nullable=False),
        sa.Column("incident_id", sa.String(length=32), nullable=False),
        sa.Column("frozen_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("seller_id"),
    )
    op.create_table(
        "sellers",
        sa.Column("seller_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("marketplace_ids", sa.Text(), nullable=False),
        sa.Column("added_at", Instant(), nullable=False),
        sa.Column("removed_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("seller_id"),
    )
    op.create_table(
        "tombstones",
        sa.Column("seller_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("request", sa.Integer(), nullable=False),
        sa.Column("erased_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("seller_id", "kind", "subject"),
    )
    op.create_table(
        "holds",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seller_id", sa.String(length=32), nullable=False),
        sa.Column("scope", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("buyer_key", sa.String(length=64), nullable=True),
        sa.Column("datasets", sa.Text(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=True),
        sa.Column("last_day", sa.Date(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("authority", sa.Text(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("added_at", Instant(), nullable=False),
        sa.Column("secured_at", Instant(), nullable=True),
        sa.Column("released_at", Instant(), nullable=True),
        sa.Column("certificate", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["key_id"],
            ["data_keys.key_id"],
        ),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_table(
        "lake_files",
        sa.Column("path", sa.String(length=255), nullable=False),
        sa.Column("dataset", sa.String(length=64), nullable=False),
        sa.Column("seller_id", sa.String(length=32), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("family", sa.String(length=16), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("destroyed_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(
            ["key_id"],
            ["data_keys.key_id"],
        ),
        sa.PrimaryKeyConstraint("path"),
    )
    op.create_index("lake_files_due", "lake_files", ["state", "family", "expires_on"], unique=False)
    op.create_index("lake_files_key", "lake_files", ["key_id"], unique=False)
    op.create_index("lake_files_partition", "lake_files", ["seller_id", "dataset", "day"], unique=False)
    op.create_table(
        "marts",
        sa.Column("seller_id", sa.String(length=32), nullable=False),
        sa.Column("path", sa.String(length=255), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("published_at", Instant(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["key_id"],
            ["data_keys.key_id"],
        ),
        sa.PrimaryKeyConstraint("seller_id"),
    )
    op.create_table(
        "vault_files",
        sa.Column("hold", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=255), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("copied_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["hold"],
            ["holds.number"],
        ),
        sa.PrimaryKeyConstraint("hold", "source"),
    )


def downgrade() -> None:
    """Back to nothing."""
    op.drop_table("vault_files")
    op.drop_table("marts")
    op.drop_index("lake_files_partition", table_name="lake_files")
    op.drop_index("lake_files_key", table_name="lake_files")
    op.drop_index("lake_files_due", table_name="lake_files")
    op.drop_table("lake_files")
    op.drop_table("holds")
    op.drop_table("tombstones")
    op.drop_table("sellers")
    op.drop_table("seller_freezes")
    op.drop_table("seen_settings")
    op.drop_table("secrets")
    op.drop_index("reviews_once", table_name="reviews")
    op.drop_table("reviews")
    op.drop_index("retention_runs_day", table_name="retention_runs")
    op.drop_table("retention_runs")
    op.drop_table("restore_drills")
    op.drop_index("reports_retry", table_name="reports")
    op.drop_index("reports_order", table_name="reports")
    op.drop_table("reports")
    op.drop_table("rate_buckets")
    op.drop_table("quarantine")
    op.drop_table("quality_results")
    op.drop_table("partitions")
    op.drop_table("mart_quality_results")
    op.drop_table("known_refusals")
    op.drop_index("kept_answers_partition", table_name="kept_answers")
    op.drop_table("kept_answers")
    op.drop_table("kek_versions")
    op.drop_table("installation")
    op.drop_table("incidents")
    op.drop_table("high_water")
    op.drop_table("failed_partitions")
    op.drop_index("erasure_requests_subject", table_name="erasure_requests")
    op.drop_table("erasure_requests")
    op.drop_index(
        "data_keys_one_alive",
        table_name="data_keys",
        sqlite_where=sa.text("destroyed_at IS NULL AND key_class != 'hold'"),
        postgresql_where=sa.text("destroyed_at IS NULL AND key_class != 'hold'"),
    )
    op.drop_index("data_keys_due", table_name="data_keys")
    op.drop_table("data_keys")
    op.drop_table("client_secrets")
    op.drop_table("certificates")
    op.drop_table("backups")
    op.drop_table("authorisation_states")
    op.drop_table("audit_marks")
    op.drop_table("audit_key")
    op.drop_table("audit_head")
    op.drop_index("audit_at", table_name="audit")
    op.drop_table("audit")
    op.drop_index(op.f("ix_alerts_alert_key"), table_name="alerts")
    op.drop_table("alerts")
    op.drop_table("alert_messages")
    op.drop_table("ads_profiles")
