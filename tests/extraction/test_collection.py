"""The pause of the cycle collector ends whatever happens, and doesn't undo somebody else's."""

from __future__ import annotations

import gc

import pytest

from amzigo_pipelines.resources.spapi.collection import collection_paused


def test_the_pause_ends_also_after_an_error() -> None:
    with pytest.raises(KeyError), collection_paused():
        assert not gc.isenabled()
        raise KeyError
    assert gc.isenabled()


def test_a_pause_within_a_pause_changes_nothing() -> None:
    with collection_paused():
        with collection_paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()
