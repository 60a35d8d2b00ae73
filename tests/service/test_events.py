"""Server-sent events: what is told, to whom, and what somebody who comes back has missed."""

import json
import threading
from contextlib import contextmanager

import httpx
import pytest
from small_market import ask, bid
from test_trade import place

from service import Service, until


class Watcher:
    """Reads a stream in a thread of its own."""

    def __init__(self, response):
        self.events = []
        self.last_id = None
        self.has_ended = False
        threading.Thread(target=self._read, args=(response,), daemon=True).start()

    def _read(self, response):
        event = {}
        try:
            for line in response.iter_lines():
                if line:
                    name, _, value = line.partition(": ")
                    event[name] = value
                else:
                    self._take(event)
                    event = {}
        except httpx.HTTPError:
            pass
        self.has_ended = True

    def _take(self, event):
        if "event" in event:
            self.last_id = event["id"]
            self.events.append((event["event"], json.loads(event["data"])))

    def told(self, kind):
        return [data for event, data in self.events if event == kind]


@contextmanager
def watching(client, last_id=None, **params):
    headers = {"Last-Event-ID": last_id} if last_id else {}
    with client.stream("GET", "/events", params=params, headers=headers, timeout=None) as response:
        assert response.status_code == 200
        watcher = Watcher(response)
        until(lambda: watcher.events or last_id)
        yield watcher


@pytest.fixture
def anna(shared):
    with shared.browser("Anna") as client:
        yield client


@pytest.fixture
def bert(shared):
    with shared.browser("Bert") as client:
        yield client


def test_everybody_is_told_of_book_and_trades_and_only_the_parties_of_their_deal(shared, anna, bert, period):
    with (
        shared.browser() as nobody,
        watching(nobody, period=period) as public,
        watching(bert, period=period, topics="deals") as own,
    ):
        place(anna, ask(1_000, 3_600, period))
        place(bert, bid(400, 3_700, period))
        (traded,) = until(lambda: public.told("trades"))
        assert (traded[0]["energy_wh"], traded[0]["price_ticks"]) == (400, 3_600)
        level = public.told("book")[-1][-1]
        assert (level["period"], level["side"]) in {(period, "ask"), (period, "bid")}
        deal = until(lambda: own.told("deal"))[0]
        assert (deal["node_id"], deal["side"]) == ("Bert", "bid")
        order = until(lambda: own.told("order"))[0]
        assert (order["node_id"], order["side"]) == ("Bert", "bid")
        assert {told["node_id"] for told in own.told("order") + own.told("deal")} == {"Bert"}
        assert not public.told("deal")
        assert not public.told("order")


def test_who_comes_back_with_the_last_id_misses_nothing_and_is_told_nothing_twice(shared, anna, period):
    with shared.browser() as nobody:
        with watching(nobody, topics="book", period=period) as first:
            place(anna, ask(1_000, 3_601, period))
            until(lambda: first.told("book"))
            last_id = first.last_id
        place(anna, ask(1_000, 3_602, period))
        with watching(nobody, last_id, topics="book", period=period) as second:
            place(anna, ask(1_000, 3_603, period))
            until(lambda: 3_603 in prices_of(second))
            assert prices_of(second) == [3_602, 3_603]
            assert not second.told("reset")


def prices_of(watcher):
    """Prices whose level changed, in the order in which that was told: one by one, or some together."""
    return [level["price_ticks"] for levels in watcher.told("book") for level in levels]


def test_who_comes_back_while_news_are_gathered_is_not_told_to_load_anew(shared, anna, period, monkeypatch):
    feed = shared.exchange.feed
    with shared.browser() as nobody:
        with watching(nobody, topics="book", period=period) as first:
            place(anna, ask(1_000, 3_601, period))
            until(lambda: first.told("book"))
            last_id = first.last_id
        with monkeypatch.context() as gathering:
            gathering.setattr(feed, "_interval_seconds", 3_600)
            place(anna, ask(1_000, 3_602, period))
            with watching(nobody, last_id, topics="book", period=period) as second:
                shared.loop.call_soon_threadsafe(feed._tell)
                until(lambda: prices_of(second))
                assert prices_of(second) == [3_602]
                assert not second.told("reset")
        shared.loop.call_soon_threadsafe(feed._tell)  # what was gathered since would wait for the rest of the hour


def test_who_was_away_for_too_long_is_told_to_load_anew(shared):
    with shared.browser() as nobody, watching(nobody, "1") as watcher:
        until(lambda: watcher.told("reset"))


def test_blocks_and_anchors_of_all_chains_are_told(shared, anna, period):
    with shared.browser() as nobody, watching(nobody, topics=["blocks", "anchors"]) as watcher:
        place(anna, ask(1_000, 3_600, period))
        anchor = until(lambda: watcher.told("anchors"))[0][0]
        assert anchor["master"] in {"roofs", "grid"}
        until(lambda: {"main", "roofs"} <= {block["chain"] for blocks in watcher.told("blocks") for block in blocks})


def test_stopping_the_service_ends_every_stream(folder):
    running = Service(folder).start()
    with running.browser() as nobody, watching(nobody) as watcher:
        running.stop()
        until(lambda: watcher.has_ended)
