"""Columns of a report that are not what they used to be: new, gone, renamed, or in quotes.

Belongs here: changing a finished table. Does not belong here: which report it strikes (`faults.py`, `api_reports.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ColumnDrift:
    """What Amazon changed about the columns of a flat file, without a word.

    Attributes:
        extra: names of new columns, at the end; their fields are `synthetic-` and the line's number.
        missing: names of columns that are gone.
        renamed: old name to new name.
        is_quoted: whether every field stands in quotation marks.
    """

    extra: Sequence[str] = ()
    missing: Sequence[str] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    is_quoted: bool = False

    def applied_to(self, text: str) -> str:
        """A table with a header line as it looks after the change. A sentence (no tab in it) stays as it is.

        Raises:
            ValueError: a column that is to go or to change its name does not exist: the test is wrong.
        """
        lines = text.splitlines()
        if "\t" not in lines[0]:
            return text
        names = lines[0].split("\t")
        unknown = sorted({*self.missing, *self.renamed} - set(names))
        if unknown:
            raise ValueError(f"the report has no columns {unknown}")
        kept = [position for position, name in enumerate(names) if name not in self.missing]
        table = [[self.renamed.get(names[position], names[position]) for position in kept] + list(self.extra)]
        for number, line in enumerate(lines[1:], start=1):
            fields = line.split("\t")
            table.append([fields[position] for position in kept] + [f"synthetic-{number}"] * len(self.extra))
        if self.is_quoted:
            table = [[f'"{value}"' for value in row] for row in table]
        return "\n".join("\t".join(row) for row in table) + "\n"
