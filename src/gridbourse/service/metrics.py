"""What Prometheus reads: counters of requests, and how the exchange is."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from gridbourse.service.use_cases.service import Exchange

_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The service's metrics; each application has its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "gridbourse_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "gridbourse_request_seconds",
            "Time from request to the end of the answer.",
            ["method", "route"],
            buckets=_BUCKETS,
            registry=self.registry,
        )

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def watch(self, exchange: Exchange) -> None:
        """Let scrapes read an exchange."""
        self.registry.register(_ExchangeCollector(exchange))

    def text(self) -> bytes:
        """All metrics, as Prometheus reads them."""
        return generate_latest(self.registry)


class _ExchangeCollector(Collector):
    """Reads the exchange at each scrape; nothing is counted twice."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def collect(self) -> Iterator[Metric]:
        """Read."""
        exchange = self._exchange
        heights = GaugeMetricFamily("gridbourse_chain_height", "Newest block.", labels=["chain"])
        records = GaugeMetricFamily("gridbourse_slave_records", "Records of a slave chain.", labels=["chain"])
        anchored = GaugeMetricFamily("gridbourse_anchored_records", "Records under an anchor.", labels=["chain"])
        for chain in exchange.chains.chains():
            heights.add_metric([chain.name], chain.height)
            if chain.record_count is not None:
                records.add_metric([chain.name], chain.record_count)
                anchored.add_metric([chain.name], chain.anchored_count or 0)
        yield from (heights, records, anchored)
        deals = GaugeMetricFamily("gridbourse_deals", "Deals by state.", labels=["state"])
        for status, count in exchange.index.trades.counts().items():
            deals.add_metric([status], count)
        yield deals
        readings = CounterMetricFamily("gridbourse_readings", "Meter readings that came.", labels=["outcome"])
        for outcome, number in exchange.metering.counts.items():
            readings.add_metric([outcome], number)
        yield readings
        yield CounterMetricFamily(
            "gridbourse_automatic_offers", "Orders that nodes placed by themselves.", exchange.offering.made
        )
        single = (
            ("gridbourse_silent_meters", "Meters whose reading is overdue.", len(exchange.metering.overdue_meters())),
            (
                "gridbourse_head_end_connected",
                "1 if the MQTT broker is reached.",
                float(exchange.metering.is_listening),
            ),
            ("gridbourse_orders", "Orders that the market took.", exchange.index.orders.placed_count()),
            ("gridbourse_waiting_work", "Records and tasks that wait for the node.", exchange.node.waiting),
            ("gridbourse_watchers", "Open event streams.", exchange.feed.watchers),
            ("gridbourse_alarms", "Things that ask for attention.", len(exchange.alarms())),
            ("gridbourse_last_round_timestamp_seconds", "Last round of the masters.", exchange.last_round_at),
            ("gridbourse_running", "1 if the masters' rounds take place.", float(exchange.is_running)),
        )
        for name, text, value in single:
            yield GaugeMetricFamily(name, text, value)
