"""One place, the newest wins, nothing is lost without being counted."""

import threading

import pytest

from realtime.mailbox import Closed, Mailbox


def test_the_newest_wins_and_drops_are_counted() -> None:
    box: Mailbox[int] = Mailbox()
    for number in range(5):
        box.put(number)
    assert box.take() == 4
    assert box.drops == 4


def test_nothing_came_in_time() -> None:
    assert Mailbox[int]().take(timeout_s=0) is None


def test_an_item_is_taken_once() -> None:
    box: Mailbox[int] = Mailbox()
    box.put(1)
    assert (box.take(0), box.take(0), box.drops) == (1, None, 0)


def test_what_lies_there_survives_closing_and_nothing_comes_after() -> None:
    box: Mailbox[int] = Mailbox()
    box.put(1)
    box.close()
    box.put(2)
    assert box.take() == 1
    with pytest.raises(Closed):
        box.take()
    assert box.drops == 0


def test_the_error_arrives_after_the_last_item_and_the_first_one_counts() -> None:
    box: Mailbox[int] = Mailbox()
    box.put(1)
    box.close(ValueError("unplugged"))
    box.close()
    assert box.take() == 1
    for _ in range(2):
        with pytest.raises(ValueError, match="unplugged"):
            box.take()


@pytest.mark.parametrize("end", ["put", "close"])
def test_it_wakes_who_waits(end: str) -> None:
    box: Mailbox[int] = Mailbox()
    got: list[object] = []

    def wait() -> None:
        try:
            got.append(box.take())
        except Closed:
            got.append("closed")

    waiting = threading.Thread(target=wait)
    waiting.start()
    box.put(7) if end == "put" else box.close()
    waiting.join(5)
    assert got == [7 if end == "put" else "closed"]


def test_between_threads_every_item_is_taken_or_counted() -> None:
    box: Mailbox[int] = Mailbox()
    taken: list[int] = []

    def take_all() -> None:
        try:
            while True:
                item = box.take()
                assert item is not None
                taken.append(item)
        except Closed:
            pass

    taker = threading.Thread(target=take_all)
    taker.start()
    for number in range(2000):
        box.put(number)
    box.close()
    taker.join(5)
    assert taken == sorted(taken)
    assert taken[-1] == 1999
    assert len(taken) + box.drops == 2000
