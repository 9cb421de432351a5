"""Order-book sequencing: the right book or a `SequenceGap`, never a wrong one called in sync."""

import itertools
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack.api.depth import MAX_BUFFERED_DIFFS, DepthSequence
from hummingbot.connector.exchange.backpack.api.errors import SequenceGap


class Diff(NamedTuple):
    """Updates from the first id to the last, and the quantities they end at, zero for none."""

    first_update_id: int
    last_update_id: int
    levels: tuple[tuple[int, int], ...] = ()


@pytest.fixture
def sequence():
    """A sequence without a snapshot."""
    return DepthSequence("ABC_USDC")


def test_sequence_without_a_snapshot_keeps_every_diff(sequence):
    """Nothing is to be applied yet."""
    assert sequence.accept(Diff(1, 1)) is None
    assert sequence.accept(Diff(2, 4)) is None
    assert not sequence.in_sync
    assert sequence.last_update_id is None


def test_start_without_any_diff_begins_at_the_snapshot(sequence):
    """The next diff continues it."""
    assert sequence.start(10) == []
    assert sequence.in_sync
    diff = Diff(11, 11)
    assert sequence.accept(diff) is diff
    assert sequence.last_update_id == 11


def test_start_drops_what_the_snapshot_holds_and_returns_the_rest_in_order(sequence):
    """The first one kept may overlap the snapshot."""
    diffs = [Diff(1, 3), Diff(4, 9), Diff(10, 12), Diff(13, 13), Diff(14, 20)]
    for diff in diffs:
        sequence.accept(diff)
    assert sequence.start(11) == diffs[2:]
    assert sequence.last_update_id == 20


@pytest.mark.parametrize("snapshot", [20, 21, 500])
def test_start_from_a_snapshot_ahead_of_the_diffs_waits_for_more(sequence, snapshot):
    """Nothing of what was kept is applied; what comes is dropped up to the snapshot."""
    sequence.accept(Diff(1, 20))
    assert sequence.start(snapshot) == []
    assert sequence.accept(Diff(snapshot, snapshot)) is None
    overlapping = Diff(snapshot - 1, snapshot + 2)
    assert sequence.accept(overlapping) is overlapping
    assert sequence.last_update_id == snapshot + 2


def test_start_from_a_snapshot_too_old_is_a_gap_and_keeps_the_diffs(sequence):
    """A newer snapshot is all that is needed."""
    sequence.accept(Diff(10, 12))
    sequence.accept(Diff(13, 13))
    with pytest.raises(SequenceGap) as caught:
        sequence.start(8)
    assert (caught.value.symbol, caught.value.expected, caught.value.found) == ("ABC_USDC", 9, 10)
    assert not sequence.in_sync
    assert sequence.start(9) == [Diff(10, 12), Diff(13, 13)]


def test_start_with_a_hole_in_the_kept_diffs_is_a_gap(sequence):
    """Even where the snapshot meets the first of them."""
    for diff in (Diff(1, 1), Diff(3, 3)):
        sequence.accept(diff)
    with pytest.raises(SequenceGap) as caught:
        sequence.start(0)
    assert (caught.value.expected, caught.value.found) == (2, 3)
    assert sequence.start(2) == [Diff(3, 3)]


def test_accept_after_a_hole_is_a_gap_and_keeps_the_diff_that_showed_it(sequence):
    """The book is wrong from here on, until a snapshot."""
    sequence.start(10)
    late = Diff(13, 14)
    with pytest.raises(SequenceGap) as caught:
        sequence.accept(late)
    assert (caught.value.expected, caught.value.found) == (11, 13)
    assert not sequence.in_sync
    assert sequence.accept(Diff(15, 15)) is None
    assert sequence.start(12) == [late, Diff(15, 15)]
    assert sequence.in_sync


def test_accept_of_a_repeated_diff_is_ignored(sequence):
    """It is in the book already."""
    sequence.start(10)
    sequence.accept(Diff(11, 13))
    for repeated in (Diff(11, 13), Diff(12, 12), Diff(1, 13)):
        assert sequence.accept(repeated) is None
    assert sequence.last_update_id == 13


def test_ids_that_start_again_while_a_snapshot_is_awaited_void_what_was_kept(sequence):
    """No snapshot would ever connect to the old ones."""
    for diff in (Diff(900, 905), Diff(906, 910), Diff(1, 2), Diff(3, 3)):
        sequence.accept(diff)
    assert sequence.start(1) == [Diff(1, 2), Diff(3, 3)]
    assert sequence.last_update_id == 3


def test_reset_forgets_snapshot_and_diffs(sequence):
    """After a reconnect nothing of before may be used."""
    sequence.start(10)
    sequence.accept(Diff(11, 11))
    sequence.reset()
    assert not sequence.in_sync
    sequence.accept(Diff(50, 50))
    sequence.reset()
    assert sequence.start(20) == []
    assert sequence.last_update_id == 20


def test_start_again_while_in_sync_goes_by_the_new_snapshot(sequence):
    """The caller has replaced its book, forwards or backwards."""
    sequence.start(10)
    sequence.accept(Diff(11, 11))
    assert sequence.start(30) == []
    assert sequence.accept(Diff(12, 12)) is None
    assert sequence.start(5) == []
    with pytest.raises(SequenceGap):
        sequence.accept(Diff(31, 31))


def test_buffer_is_bounded_and_its_overflow_shows_as_a_gap():
    """The oldest go; a snapshot from before what is left is too old, a newer one is right."""
    sequence = DepthSequence("ABC_USDC")
    for update_id in range(1, MAX_BUFFERED_DIFFS + 2):
        sequence.accept(Diff(update_id, update_id))
    with pytest.raises(SequenceGap):
        sequence.start(0)
    assert len(sequence.start(1)) == MAX_BUFFERED_DIFFS


@given(st.integers(0, 5), st.integers(0, 12), st.integers(0, 14))
def test_buffer_of_any_size_never_returns_more_than_it_may_hold(size, count, snapshot):
    """Nor anything out of sequence."""
    sequence = DepthSequence("ABC_USDC", max_buffered=size)
    for update_id in range(1, count + 1):
        sequence.accept(Diff(update_id, update_id))
    oldest = max(1, count - size + 1)
    if snapshot + 1 < oldest and size and count:
        with pytest.raises(SequenceGap):
            sequence.start(snapshot)
    else:
        kept = sequence.start(snapshot)
        assert len(kept) <= size
        assert [diff.last_update_id for diff in kept] == list(
            range(max(snapshot + 1, oldest), count + 1) if size else ()
        )


# --- any split, loss, repetition and order --------------------------------------------------

UPDATES = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3)), min_size=1, max_size=14)


def books(updates):
    """The true book after each update, from none of them to all."""
    book: dict[int, int] = {}
    states = [{}]
    for price, quantity in updates:
        book[price] = quantity
        states.append({level: amount for level, amount in book.items() if amount})
    return states


def split(draw, updates):
    """The updates as diffs: contiguous runs of any length, each with the quantities it ends at."""
    cuts = draw(st.sets(st.integers(1, len(updates) - 1))) if len(updates) > 1 else set()
    bounds = [0, *sorted(cuts), len(updates)]
    return [
        Diff(start + 1, end, tuple(dict(updates[start:end]).items()))
        for start, end in itertools.pairwise(bounds)
    ]


class Client:
    """A book kept by the rules of the sequence, and by nothing else."""

    def __init__(self, states, size):
        self.states = states
        self.sequence = DepthSequence("ABC_USDC", max_buffered=size)
        self.book = {}

    def apply(self, diff):
        self.book |= dict(diff.levels)
        self.book = {price: quantity for price, quantity in self.book.items() if quantity}

    def take(self, step):
        """A diff, the update id of a snapshot, or ``None`` for a lost connection."""
        try:
            if step is None:
                self.sequence.reset()
            elif isinstance(step, int):
                kept = self.sequence.start(step)
                self.book = dict(self.states[step])
                for diff in kept:
                    self.apply(diff)
            elif (diff := self.sequence.accept(step)) is not None:
                self.apply(diff)
        except SequenceGap:
            assert not self.sequence.in_sync

    def check(self):
        """What is called in sync is the true book of that moment."""
        if self.sequence.in_sync:
            assert self.book == self.states[self.sequence.last_update_id]


@settings(max_examples=500, deadline=None)
@given(st.data(), UPDATES, st.integers(0, 6))
def test_sequence_of_any_diffs_and_snapshots_is_right_or_not_in_sync(data, updates, size):
    """Diffs of two different splits, lost, repeated and in any order, snapshots at any point."""
    states = books(updates)
    diffs = split(data.draw, updates) + split(data.draw, updates)
    step = st.sampled_from(diffs) | st.integers(0, len(updates)) | st.none()
    client = Client(states, size)
    for taken in data.draw(st.lists(step, max_size=25)):
        client.take(taken)
        client.check()


@settings(max_examples=300, deadline=None)
@given(st.data(), UPDATES)
def test_sequence_of_undisturbed_diffs_ends_in_the_last_book(data, updates):
    """Whenever the snapshot comes and however old it is, if the diffs before it were kept."""
    diffs = split(data.draw, updates)
    arrival = data.draw(st.integers(0, len(diffs)))
    client = Client(books(updates), MAX_BUFFERED_DIFFS)
    for diff in diffs[:arrival]:
        client.take(diff)
    reached = diffs[arrival - 1].last_update_id if arrival else 0
    client.take(data.draw(st.integers(0 if arrival else reached, len(updates))))
    for diff in diffs[arrival:]:
        client.take(diff)
    assert client.sequence.last_update_id == len(updates)
    assert client.sequence.in_sync
    client.check()


@settings(max_examples=300, deadline=None)
@given(st.data(), UPDATES)
def test_sequence_after_any_disturbance_recovers_with_the_newest_snapshot(data, updates):
    """However wrong it went, one snapshot that is new enough puts it right."""
    diffs = split(data.draw, updates)
    client = Client(books(updates), 6)
    for taken in data.draw(st.lists(st.sampled_from(diffs), max_size=25)):
        client.take(taken)
    client.take(len(updates))
    assert client.sequence.in_sync
    client.check()


@settings(max_examples=200, deadline=None)
@given(st.data(), UPDATES)
def test_sequence_with_a_lost_diff_reports_the_gap_at_the_next(data, updates):
    """At once, and with the update that is missing."""
    diffs = split(data.draw, updates)
    if len(diffs) < 2:
        return
    lost = data.draw(st.integers(0, len(diffs) - 2))
    client = Client(books(updates), 6)
    client.take(0)
    for diff in diffs[:lost]:
        client.take(diff)
    with pytest.raises(SequenceGap) as caught:
        client.sequence.accept(diffs[lost + 1])
    assert caught.value.expected == diffs[lost].first_update_id
    assert caught.value.found == diffs[lost + 1].first_update_id
    assert not client.sequence.in_sync
