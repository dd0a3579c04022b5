"""Entries as events of the Open Cybersecurity Schema Framework (OCSF 1.3.0), for a SIEM.

Belongs here: which class and activity an action is, and the attributes that its class requires. Does not belong here:
files (`export.py`). Source: schema.ocsf.io, classes 3001, 3002, 3004, 6003 and 6005.

    type_uid = class_uid * 100 + activity_id; category_uid = class_uid // 1000; time in milliseconds
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from typing import Any

from amzigo_pipelines.resources.audit.trail import AuditEntry

VERSION = "1.3.0"
ACCOUNT_CHANGE, AUTHENTICATION, ENTITY_MANAGEMENT, API_ACTIVITY, DATASTORE_ACTIVITY = 3001, 3002, 3004, 6003, 6005
OTHER = 99
INFORMATIONAL, LOW, MEDIUM, HIGH = 1, 2, 3, 4
_SUCCESS, _FAILURE = 1, 2
_USER, _SYSTEM = 1, 3
_DATABASE = 1


@dataclass(frozen=True)
class Kind:
    """What an action is in OCSF's terms: class, activity of that class, severity, and what it acts on."""

    class_uid: int
    activity_id: int
    severity_id: int = INFORMATIONAL
    on: str = ""


_READ, _CONNECT, _QUERY, _WRITE, _CREATE, _DELETE = 1, 3, 4, 5, 6, 7  # of Datastore Activity
_CREATED, _UPDATED, _DELETED = 1, 3, 4  # of Entity Management
KINDS: dict[str, Kind] = {
    "call_api": Kind(API_ACTIVITY, 2),
    "log_in": Kind(AUTHENTICATION, 1),
    "read_pii": Kind(DATASTORE_ACTIVITY, _READ, LOW, "lake"),
    "read_hold": Kind(DATASTORE_ACTIVITY, _READ, LOW, "vault"),
    "open_key": Kind(DATASTORE_ACTIVITY, _READ, on="keys"),
    "open_secret": Kind(DATASTORE_ACTIVITY, _READ, on="secrets"),
    "make_key": Kind(DATASTORE_ACTIVITY, _CREATE, on="keys"),
    "put_secret": Kind(DATASTORE_ACTIVITY, _WRITE, on="secrets"),
    "destroy_secret": Kind(DATASTORE_ACTIVITY, _DELETE, on="secrets"),
    "destroy_keys": Kind(DATASTORE_ACTIVITY, _DELETE, on="keys"),
    "open_marts": Kind(DATASTORE_ACTIVITY, _CONNECT, on="marts"),
    "query_marts": Kind(DATASTORE_ACTIVITY, _QUERY, on="marts"),
    "export": Kind(DATASTORE_ACTIVITY, _READ, LOW, "marts"),
    "export_audit": Kind(DATASTORE_ACTIVITY, _READ, LOW, "audit trail"),
    "write_lake": Kind(DATASTORE_ACTIVITY, _WRITE, on="lake"),
    "publish_marts": Kind(DATASTORE_ACTIVITY, _WRITE, on="marts"),
    "make_backup": Kind(DATASTORE_ACTIVITY, _READ, LOW, "backup"),
    "restore_backup": Kind(DATASTORE_ACTIVITY, _WRITE, MEDIUM, "backup"),
    "restore_drill": Kind(DATASTORE_ACTIVITY, _READ, on="backup"),
    "erase": Kind(DATASTORE_ACTIVITY, _DELETE, on="lake"),
    "erase_again": Kind(DATASTORE_ACTIVITY, _DELETE, on="lake"),
    "destroy_vault": Kind(DATASTORE_ACTIVITY, _DELETE, on="vault"),
    "delete_audit": Kind(DATASTORE_ACTIVITY, _DELETE, on="audit trail"),
    "change_credentials": Kind(ACCOUNT_CHANGE, 3, LOW),
    "make_home": Kind(ENTITY_MANAGEMENT, _CREATED, on="installation"),
    "change_settings": Kind(ENTITY_MANAGEMENT, _UPDATED, LOW, "settings"),
    "add_seller": Kind(ENTITY_MANAGEMENT, _CREATED, on="seller"),
    "change_seller": Kind(ENTITY_MANAGEMENT, _UPDATED, on="seller"),
    "remove_seller": Kind(ENTITY_MANAGEMENT, _DELETED, on="seller"),
    "connect_ads": Kind(ENTITY_MANAGEMENT, _CREATED, on="advertising account"),
    "disconnect_ads": Kind(ENTITY_MANAGEMENT, _DELETED, on="advertising account"),
    "rotate_kek": Kind(ENTITY_MANAGEMENT, _UPDATED, on="key-encryption key"),
    "add_hold": Kind(ENTITY_MANAGEMENT, _CREATED, on="legal hold"),
    "release_hold": Kind(ENTITY_MANAGEMENT, _DELETED, on="legal hold"),
    "request_erasure": Kind(ENTITY_MANAGEMENT, _CREATED, on="erasure request"),
    "approve_erasure": Kind(ENTITY_MANAGEMENT, _UPDATED, on="erasure request"),
    "refuse_erasure": Kind(ENTITY_MANAGEMENT, _UPDATED, on="erasure request"),
    "confirm_sweep": Kind(ENTITY_MANAGEMENT, _UPDATED, LOW, "retention sweep"),
    "incident_open": Kind(ENTITY_MANAGEMENT, _CREATED, HIGH, "incident"),
    "incident_contain": Kind(ENTITY_MANAGEMENT, _UPDATED, HIGH, "incident"),
    "incident_draft": Kind(ENTITY_MANAGEMENT, _UPDATED, on="incident"),
    "incident_notify": Kind(ENTITY_MANAGEMENT, _UPDATED, on="incident"),
    "incident_close": Kind(ENTITY_MANAGEMENT, _UPDATED, on="incident"),
    "build_review": Kind(ENTITY_MANAGEMENT, _CREATED, on="review"),
    "sign_review": Kind(ENTITY_MANAGEMENT, _UPDATED, on="review"),
}
# An action that somebody adds is told, too; a test asks for its line above.
_UNKNOWN = Kind(ENTITY_MANAGEMENT, OTHER, on="other")


def event(entry: AuditEntry, installation_id: str) -> dict[str, Any]:
    """An entry as an OCSF event."""
    kind = KINDS.get(entry.action, _UNKNOWN)
    is_good = entry.outcome == "ok" or entry.outcome.startswith("2")
    common = {
        "class_uid": kind.class_uid,
        "category_uid": kind.class_uid // 1000,
        "activity_id": kind.activity_id,
        "type_uid": kind.class_uid * 100 + kind.activity_id,
        # Only what the entry itself shows to have failed is more than its kind.
        "severity_id": kind.severity_id if is_good else max(kind.severity_id, LOW),
        "time": _milliseconds(entry.at),
        "count": entry.count,
        "status_id": _SUCCESS if is_good else _FAILURE,
        "status_detail": entry.outcome,
        "message": f"{entry.action}: {entry.subject} ({entry.purpose})",
        "metadata": {
            "version": VERSION,
            "product": {
                "name": "Amzigo Pipelines",
                "vendor_name": "Amzigo",
                "version": metadata.version("amzigo-pipelines"),
            },
            "uid": f"{installation_id}:{entry.number}",
            "sequence": entry.number,
            "event_code": entry.action,
            "log_name": "audit",
        },
        "actor": _actor(entry),
        "unmapped": {
            "actor": entry.actor,
            "seller": entry.seller_id,
            "rows": entry.rows,
            "bytes": entry.bytes,
            "sha256": entry.hash,
            **entry.detail,
        },
    }
    return common | _of_class(entry, kind)


def _of_class(entry: AuditEntry, kind: Kind) -> dict[str, Any]:
    source = {"hostname": entry.acting.host or "unknown"}
    if kind.class_uid == API_ACTIVITY:
        api, _, operation = entry.subject.rpartition(" ")
        code = int(entry.outcome) if entry.outcome.isdecimal() else None
        return {
            "api": {"operation": operation, "service": {"name": api}},
            "src_endpoint": source,
            "dst_endpoint": {"name": api},
            "resources": [{"uid": entry.seller_id or "none", "type": "seller"}],
            **({"http_response": {"code": code}} if code is not None else {}),
        }
    if kind.class_uid == DATASTORE_ACTIVITY:
        database = {"name": kind.on, **({"uid": entry.seller_id} if entry.seller_id else {})}
        return {"src_endpoint": source, "database": database, "type_id": _DATABASE}
    if kind.class_uid == AUTHENTICATION:
        return {"user": _user(entry), "service": {"name": entry.subject}, "src_endpoint": source}
    if kind.class_uid == ACCOUNT_CHANGE:
        account = entry.seller_id or "application"
        return {"user": {"name": account, "uid": account, "type_id": _SYSTEM}, "src_endpoint": source}
    return {"entity": {"name": entry.subject or kind.on, "type": kind.on}, "comment": entry.purpose}


def _actor(entry: AuditEntry) -> dict[str, Any]:
    acting = entry.acting
    run = {"session": {"uid": acting.run_id, "issuer": acting.launched_by}} if acting.run_id else {}
    return {"user": _user(entry), "app_name": acting.command or acting.job or "amzigo", **run}


def _user(entry: AuditEntry) -> dict[str, Any]:
    acting = entry.acting
    groups = [{"name": acting.role}] if acting.role else []
    return {"name": entry.user, "uid": acting.user, "type_id": _USER if acting.command else _SYSTEM, "groups": groups}


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
