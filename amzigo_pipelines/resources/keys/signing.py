"""The installation's signature: one Ed25519 key for certificates of destruction and for heads of the audit trail.

Belongs here: under which names its halves are kept. Does not belong here: making it (`retention/certificates.py`), and
what is signed.
"""

from __future__ import annotations

SIGNING_SECRET = "certificate-signing-key"  # noqa: S105 - the name of a secret
# In the home's `certificates/`.
PUBLIC_KEY_FILE = "public-key.pem"
