"""What those who run the service rely on: health, metrics and their dashboard, the log, refusals at the start."""

import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from region_work import close_main_chain
from test_trade import place

from gridbourse.errors import InvalidValue
from gridbourse.node.hosting.logging import JsonLines
from gridbourse.service.rate_limit import RateLimit
from gridbourse.service.serving import require_safe
from gridbourse.service.settings import ServiceSettings
from service import until

from small_market import ask  # isort: skip

MONITORING = Path(__file__).parents[2] / "examples" / "monitoring"


def test_the_service_says_that_it_is_alive_and_ready(shared):
    assert httpx.get(f"{shared.url}/health").json() == {"status": "alive"}
    until(lambda: httpx.get(f"{shared.url}/ready").status_code == 200)


def test_a_region_that_stopped_is_not_ready_and_refuses_orders_instead_of_losing_them(service):
    with service.browser("Anna") as anna:
        until(lambda: service.exchange.is_running)
        service.region(close_main_chain)
        assert anna.post("/orders", json=ask()).status_code == 503
        until(lambda: httpx.get(f"{service.url}/ready").status_code == 503)


def test_every_metric_of_the_dashboard_and_the_alerts_is_told(shared):
    with shared.browser("Anna") as anna:
        place(anna, ask())
    told = set(re.findall(r"^(gridbourse_\w+)", httpx.get(f"{shared.url}/metrics").text, re.MULTILINE))
    dashboard = json.loads((MONITORING / "grafana-dashboard.json").read_text("utf-8"))
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    expressions.append((MONITORING / "alerts.yml").read_text("utf-8"))
    wanted = {name for expression in expressions for name in re.findall(r"gridbourse_\w+", expression)}
    assert wanted - told == set()
    assert 'route="/orders",status="201"' in httpx.get(f"{shared.url}/metrics").text


def test_a_line_of_the_log_is_one_json_object():
    formatter = JsonLines()
    try:
        raise ValueError("line\nbreak")
    except ValueError:
        record = logging.LogRecord("gridbourse", logging.ERROR, "", 0, "it failed: %s", ("so",), sys.exc_info())
    line = formatter.format(record)
    assert "\n" not in line
    assert json.loads(line)["message"] == "it failed: so"


@pytest.mark.parametrize(
    ("host", "settings", "field"),
    [
        ("0.0.0.0", ServiceSettings(), "public_url"),
        ("192.0.2.1", ServiceSettings(public_url="http://exchange.example"), "public_url"),
        ("0.0.0.0", ServiceSettings(public_url="https://exchange.example"), "allowed_hosts"),
        ("127.0.0.1", ServiceSettings(public_url="exchange.example"), "public_url"),
    ],
)
def test_it_does_not_start_where_others_could_reach_it_unprotected(host, settings, field):
    with pytest.raises(InvalidValue) as raised:
        require_safe(host, settings)
    assert raised.value.field == field


def test_it_starts_on_this_machine_and_behind_tls():
    require_safe("127.0.0.1", ServiceSettings())
    require_safe("::1", ServiceSettings())
    behind = ServiceSettings(public_url="https://exchange.example", allowed_hosts=("exchange.example",))
    require_safe("0.0.0.0", behind)
    assert behind.is_secure


def test_the_command_refuses_in_one_line(tmp_path):
    command = [str(Path(sys.executable).with_name("gridbourse")), "serve", str(tmp_path), "--host", "0.0.0.0"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("gridbourse: public_url")


def test_a_caller_gets_its_burst_and_then_its_rate():
    limit = RateLimit(per_second=2, burst=3)
    assert [limit.take("a", 0.0) for _ in range(3)] == [0, 0, 0]
    assert limit.take("a", 0.0) == pytest.approx(0.5)
    assert limit.take("b", 0.0) == 0
    assert limit.take("a", 0.5) == 0
    assert limit.take("a", 0.5) > 0
