"""What a failed step tells Dagster: the sentence for the user, and never a value.

Belongs here: the one translation from our errors, and from anybody's, to `dagster.Failure`. Does not belong here: what
can fail. Every asset's body runs inside `explained()`: Dagster writes an exception's text to its event log and to
stderr, and the text of a foreign exception may quote the row that it tripped over.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from amzigo_pipelines.errors import AmzigoError, machine_refusal, places_in_code


@contextmanager
def explained() -> Iterator[None]:
    """Turn an error within the block into a `Failure` that a person can read.

    Raises:
        dagster.Failure: with our own sentence, which no retry repeats unless the error says that waiting helps; or, for
            an error that is not ours, its type and the places in the code, without its text.
    """
    try:
        yield
    except dg.Failure:
        raise
    except AmzigoError as error:
        raise dg.Failure(description=str(error), allow_retries=error.is_retryable) from None
    except Exception as error:
        refusal = machine_refusal(error)
        if refusal is not None:
            raise dg.Failure(description=refusal, allow_retries=False) from None
        raise dg.Failure(
            description=(
                f"an unexpected {type(error).__name__} stopped this step; its text is withheld because it could hold "
                "buyers' data. The places in the code are in this event's metadata: report them."
            ),
            metadata={"where": dg.MetadataValue.text("\n".join(places_in_code(error)))},
            allow_retries=False,
        ) from None
