"""Ids and random numbers that are the same whenever a decision is taken again."""

from __future__ import annotations

import uuid

from harness import SECOND, START

from maestrale.engine.identity import SEQUENCE_STEP, Identity


def test_the_same_seed_and_sequence_give_the_same_everything() -> None:
    one, two = (Identity("seed", 7, START) for _ in range(2))
    for _ in range(50):
        assert one.next_id() == two.next_id()
        assert one.next_order() == two.next_order()
        assert one.random() == two.random()
        assert one.uuid() == two.uuid()


def test_another_seed_or_sequence_gives_other_ids_and_numbers() -> None:
    identities = [Identity("seed", 7, START), Identity("other", 7, START), Identity("seed", 8, START)]
    assert len({identity.next_id() for identity in identities}) == 3
    assert len({identity.uuid() for identity in identities}) == 3
    assert len({identity.random() for identity in identities}) == 3


def test_ids_are_uuids_of_version_7_and_hold_the_time() -> None:
    found = uuid.UUID(Identity("seed", 1, START).next_id())
    assert (found.version, found.variant) == (7, uuid.RFC_4122)
    assert found.int >> 80 == START // 1000


def test_ids_sort_by_time_and_then_by_order_of_asking() -> None:
    identity = Identity("seed", 1, START)
    ids = [identity.next_id() for _ in range(5000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 5000
    assert all(uuid.UUID(text).version == 7 for text in ids[::500])
    assert Identity("a", 1, START + SECOND).next_id() > ids[-1]


def test_ids_of_another_decision_at_the_same_time_do_not_clash() -> None:
    first, second = Identity("seed", 1, START), Identity("seed", 2, START)
    assert not {first.next_id() for _ in range(500)} & {second.next_id() for _ in range(500)}


def test_order_grows_within_and_across_decisions() -> None:
    first, second = Identity("seed", 1, START), Identity("seed", 2, START)
    orders = [first.next_order(), first.next_order(), second.next_order()]
    assert orders == sorted(set(orders))
    assert orders[0] >= SEQUENCE_STEP


def test_random_ids_are_uuids_of_version_4() -> None:
    identity = Identity("seed", 1, START)
    found = [uuid.UUID(identity.uuid()) for _ in range(200)]
    assert {each.version for each in found} == {4}
    assert {each.variant for each in found} == {uuid.RFC_4122}
    assert len(set(found)) == 200


def test_random_numbers_fill_the_unit_interval() -> None:
    identity = Identity("seed", 1, START)
    numbers = [identity.random() for _ in range(1000)]
    assert all(0 <= number < 1 for number in numbers)
    assert len(set(numbers)) == 1000
    assert 0.45 < sum(numbers) / 1000 < 0.55
