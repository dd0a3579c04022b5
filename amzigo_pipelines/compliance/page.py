"""The table of promises as the page `docs/compliance.md`, written by `make compliance`.

Belongs here: Markdown. Does not belong here: the rows (`table.py`).
"""

from __future__ import annotations

import sys

from amzigo_pipelines.compliance.table import PROMISES

_HEAD = """# What is promised, and what keeps it

Clause by clause: Amzigo's data policy, and Amazon's Data Protection (DPP) and Acceptable Use Policies (AUP) where they
ask for more. The proof holds at any time; what speaks for an installation *today* is shown by

    amzigo doctor --compliance          # also --json

row by row: `green` with what was found, `red` with what to do, `deployment` where only whoever runs the installation
can keep the promise. It exits with 1 when a row is red. What could not be looked at is red: no evidence is not good
evidence.

Written by `make compliance` from `amzigo_pipelines/compliance/table.py`.

| clause | promise | kept by | proof | left to the deployment |
|---|---|---|---|---|
"""


def page() -> str:
    """All of it."""
    rows = [
        f"| {one.clause} | {one.promise} | {one.kept_by} | {one.proof} | {one.deployment or '-'} |" for one in PROMISES
    ]
    return _HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
