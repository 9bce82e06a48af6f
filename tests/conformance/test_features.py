"""Every feature in the table is shown by a test, or says why not."""

from __future__ import annotations

import features


def test_every_feature_is_shown_or_has_a_reason() -> None:
    """A row without a test stands in features_waiting.yaml."""
    assert [row.id for row, reason in features.missing() if not reason] == []


def test_reasons_are_for_features_that_are_not_shown() -> None:
    """A row that is shown waits for nothing: take it off features_waiting.yaml."""
    known = features.features()
    shown = features.shown()
    assert [name for name in features.waiting() if name not in known or name in shown] == []


def test_only_known_features_are_named() -> None:
    """Cases and marked tests name rows of the table."""
    named = {*features.shown(), *features.postponed()}
    ours = {name for name in named if name.split(".")[0] in features.AREAS}
    assert sorted(ours - set(features.features())) == []
