"""The door: whose share of the service a request takes, how often an account is tried, what ends a token."""

import shutil
import socket
from contextlib import ExitStack
from dataclasses import replace

import httpx
import pytest

from gridbourse.errors import InvalidValue, TooManyAttempts
from gridbourse.service.accounts import ServiceStore
from gridbourse.service.auth.attempts import FAILURES, KNOWN_SECONDS, WINDOW_SECONDS, Attempts
from gridbourse.service.rate_limit import OpenLimit
from gridbourse.service.settings import ServiceSettings
from service import PASSWORD, Service, until

STRICT = ServiceSettings(requests_per_second=0.01, burst=5, sign_ins_per_minute=10_000, streams_per_caller=2)


@pytest.fixture
def strict(prepared, tmp_path):
    service = Service(shutil.copytree(prepared, tmp_path / "region"), STRICT).start()
    yield service
    service.stop()


def bearer(secret):
    return {"Authorization": f"Bearer {secret}"}


def made(client, **asked):
    answer = client.post("/tokens", json={"name": "robot", "scopes": ["read"]} | asked)
    assert answer.status_code == 201, answer.text
    return answer.json()["secret"], answer.json()["token"]


# What ends a token


def test_a_changed_password_ends_the_tokens_of_the_account(service):
    with service.browser("Anna") as anna, service.browser("Bert") as bert:
        own, others = made(anna)[0], made(bert)[0]
        anna.put("/password", params={"account": "Anna"}, json={"old": PASSWORD, "new": "another long one"})
        orders = f"{service.url}/api/v1/orders"
        assert httpx.get(orders, headers=bearer(own)).status_code == 401
        assert httpx.get(orders, headers=bearer(others)).status_code == 200


def test_a_closed_account_leaves_no_token_behind(service):
    with service.browser("Anna") as anna:
        child = made(anna, scopes=["manage", "read"])[0]
        grandchild = made(httpx.Client(base_url=f"{service.url}/api/v1", headers=bearer(child)), expires_in_seconds=60)[
            0
        ]
    service.exchange.credentials.close_account("Anna")
    for secret in (child, grandchild):
        assert httpx.get(f"{service.url}/api/v1/orders", headers=bearer(secret)).status_code == 401


def test_a_token_makes_none_that_outlives_it(shared):
    with shared.browser("Anna") as anna:
        short = made(anna, scopes=["manage", "read"], expires_in_seconds=300)[0]
        with httpx.Client(base_url=f"{shared.url}/api/v1", headers=bearer(short)) as program:
            refused = program.post("/tokens", json={"name": "x", "scopes": ["read"], "expires_in_seconds": 86_400})
            assert refused.status_code == 422
            assert refused.json()["faults"][0]["field"] == "expires_in_seconds"
            assert made(program, expires_in_seconds=120)


def test_a_revoked_token_takes_those_that_it_made_along(shared):
    with shared.browser("Anna") as anna:
        secret, token = made(anna, scopes=["manage", "read"])
        with httpx.Client(base_url=f"{shared.url}/api/v1", headers=bearer(secret)) as program:
            child = made(program, expires_in_seconds=60)[0]
        assert anna.delete(f"/tokens/{token['token_id']}").status_code == 204
        assert httpx.get(f"{shared.url}/api/v1/orders", headers=bearer(child)).status_code == 401


# Whose share


def exhausted(answers):
    return [answer.status_code for answer in answers].count(429) > 0


@pytest.mark.parametrize(
    "headers",
    [
        lambda n: {"Authorization": f"Bearer gbt_{n:043d}"},
        lambda n: {"Authorization": f"Basic {n}"},
        lambda n: {"Cookie": f"gridbourse_session={n:043d}"},
        lambda n: {"X-Forwarded-For": f"198.51.100.{n}"},
    ],
)
def test_what_is_made_up_takes_of_the_share_of_its_address(strict, headers):
    url = f"{strict.url}/api/v1/market/instruments"
    assert exhausted([httpx.get(url, headers=headers(n)) for n in range(8)])


def test_all_tokens_and_sessions_of_one_caller_share(strict):
    with ExitStack() as stack:
        anna = stack.enter_context(strict.browser("Anna"))
        secrets = [made(anna)[0] for _ in range(3)]
        url = f"{strict.url}/api/v1/orders"
        assert exhausted([httpx.get(url, headers=bearer(secret)) for secret in secrets * 2])
        bert = stack.enter_context(strict.browser("Bert"))
        assert bert.get("/orders").status_code == 200, "others have a share of their own"


PROXIES = ServiceSettings(trusted_proxies=("10.0.0.0/8", "127.0.0.1"))


@pytest.mark.parametrize(
    ("settings", "peer", "forwarded", "address"),
    [
        (ServiceSettings(), "127.0.0.1", ["203.0.113.9"], "127.0.0.1"),
        (PROXIES, "203.0.113.5", ["198.51.100.1"], "203.0.113.5"),
        (PROXIES, "127.0.0.1", [], "127.0.0.1"),
        (PROXIES, "127.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        (PROXIES, "127.0.0.1", ["198.51.100.1, 203.0.113.9, 10.1.2.3"], "203.0.113.9"),
        (PROXIES, "127.0.0.1", ["198.51.100.1", "203.0.113.9"], "203.0.113.9"),
        (PROXIES, "127.0.0.1", ["10.9.9.9"], "10.9.9.9"),
        (PROXIES, "127.0.0.1", ["198.51.100.1,,"], "127.0.0.1"),
        (PROXIES, "127.0.0.1", ["not an address"], "not an address"),
    ],
)
def test_the_true_address_is_the_first_that_no_trusted_proxy_has(settings, peer, forwarded, address):
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    assert settings.address_of({"client": (peer, 1), "headers": headers}) == address


@pytest.mark.parametrize("network", ["", "proxy.example", "10.0.0.1/8", "10.0.0.0/33"])
def test_a_trusted_proxy_is_a_network(network):
    with pytest.raises(InvalidValue, match="trusted_proxies"):
        ServiceSettings(trusted_proxies=(network,))


# Guessing


class Clock:
    now = 1_000_000

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def attempts(tmp_path, clock):
    store = ServiceStore(tmp_path / "service.sqlite")
    store.change("INSERT INTO accounts VALUES ('Anna', 'node', 'Anna', '', NULL, 0)")
    yield Attempts(store, clock)
    store.close()


def test_one_account_cannot_be_guessed_at_from_many_addresses(attempts, clock):
    for n in range(FAILURES):
        attempts.begin("Anna", f"203.0.113.{n}")
    with pytest.raises(TooManyAttempts) as refused:
        attempts.begin("Anna", "198.51.100.1")
    assert refused.value.wait_seconds == WINDOW_SECONDS
    attempts.begin("Bert", "198.51.100.1")
    clock.now += WINDOW_SECONDS
    attempts.begin("Anna", "198.51.100.1")


def test_strangers_who_guess_do_not_keep_the_holder_out(attempts, clock):
    attempts.succeed(attempts.begin("Anna", "192.0.2.1"), "Anna", "192.0.2.1")
    for _ in range(FAILURES):
        attempts.begin("Anna", "203.0.113.9")
    attempts.succeed(attempts.begin("Anna", "192.0.2.1"), "Anna", "192.0.2.1")
    for _ in range(FAILURES):
        attempts.begin("Anna", "192.0.2.1")
    with pytest.raises(TooManyAttempts):
        attempts.begin("Anna", "192.0.2.1")
    clock.now += KNOWN_SECONDS
    attempts.begin("Anna", "203.0.113.9")


def test_a_right_password_is_not_counted(attempts):
    for _ in range(FAILURES * 2):
        attempts.succeed(attempts.begin("Anna", "192.0.2.1"), "Anna", "192.0.2.1")


def test_a_guesser_is_told_when_to_come_back(prepared, tmp_path):
    service = Service(shutil.copytree(prepared, tmp_path / "region")).start()
    try:
        with service.browser() as client:
            answers = [
                client.post("/sign-in/password", json={"account": "Anna", "password": f"guess number {n}"})
                for n in range(FAILURES + 1)
            ]
        assert [answer.status_code for answer in answers] == [401] * FAILURES + [429]
        assert 0 < int(answers[-1].headers["Retry-After"]) <= WINDOW_SECONDS
        page = httpx.post(
            f"{service.url}/sign-in", data={"account": "Anna", "password": PASSWORD}, headers={"Origin": service.url}
        )
        assert (page.status_code, "too often" in page.text) == (429, True), "the right password does not tell either"
    finally:
        service.stop()


# What is open


def test_one_caller_follows_some_streams_at_once_and_a_closed_one_makes_room(strict):
    url = f"{strict.url}/api/v1/events"
    with ExitStack() as stack:
        first = stack.enter_context(httpx.stream("GET", url, timeout=30))
        second = stack.enter_context(httpx.stream("GET", url, timeout=30))
        assert (first.status_code, second.status_code, httpx.get(url).status_code) == (200, 200, 429)
        second.close()
        until(lambda: strict.app.state.streams._open == {"127.0.0.1": 1})
    until(lambda: not strict.app.state.streams._open)


def test_a_caller_gets_back_what_it_closed():
    limit = OpenLimit(1)
    assert (limit.take("a"), limit.take("a"), limit.take("b")) == (True, False, True)
    limit.give_back("a")
    assert limit.take("a")


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\nX: " + b"x" * 10**6, b"GET /" + b"x" * 10**6])
def test_an_endless_head_is_cut_off(shared, sent):
    host, port = shared.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as peer:
        try:
            peer.sendall(sent)
            answer = peer.recv(100)
        except OSError:  # it was cut off before all was sent
            answer = b""
        assert answer == b"" or answer.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400"))
    assert httpx.get(f"{shared.url}/health").status_code == 200


def test_more_connections_than_there_is_room_for_shut_nobody_out(prepared, tmp_path):
    few = replace(ServiceSettings(), connections=10, requests_per_second=10_000, burst=10_000)
    service = Service(shutil.copytree(prepared, tmp_path / "region"), few).start()
    try:
        host, port = service.url.removeprefix("http://").split(":")
        with ExitStack() as stack:
            for _ in range(40):
                peer = stack.enter_context(socket.create_connection((host, int(port)), timeout=30))
                peer.sendall(b"GET /health HTTP/1.1\r\nHost: 127")
            assert httpx.get(f"{service.url}/health").status_code == 200
    finally:
        service.stop()


# What the public address decides


@pytest.mark.parametrize(
    ("public_url", "origin", "is_own"),
    [
        ("https://exchange.example", "https://exchange.example", True),
        ("https://exchange.example", "http://exchange.example", False),
        ("https://exchange.example", "https://exchange.example:8443", False),
        ("https://127.0.0.1", "https://localhost", False),
        ("http://127.0.0.1:8000", "http://localhost:8000", True),
        ("http://127.0.0.1:8000", "http://localhost:8001", False),
        ("http://exchange.example:80", "http://localhost:80", False),
    ],
)
def test_a_page_is_our_own_by_the_public_address(public_url, origin, is_own):
    assert (origin in ServiceSettings(public_url=public_url).origins) is is_own


def test_nothing_private_is_cached(shared):
    with httpx.Client(base_url=shared.url, headers={"Origin": shared.url}, follow_redirects=True) as anna:
        anna.post("/sign-in", data={"account": "Anna", "password": PASSWORD})
        for path in ("/", "/energy/deals", "/energy/account", "/network", "/sign-in", "/api/v1/orders", "/nowhere"):
            assert anna.get(path).headers["Cache-Control"] == "no-store", path
        assert "no-store" not in anna.get("/static/console.css").headers.get("Cache-Control", "")


# What is kept of accounts


def test_an_emptied_file_of_accounts_is_refused_by_name(tmp_path):
    path = tmp_path / "service.sqlite"
    store = ServiceStore(path)
    store.change("INSERT INTO accounts VALUES ('Anna', 'node', 'Anna', '', NULL, 0)")
    store.close()
    ServiceStore(path).close()
    path.write_bytes(b"")
    with pytest.raises(InvalidValue, match=r"service\.sqlite.*emptied; restore it"):
        ServiceStore(path)
    assert path.read_bytes() == b"", "nothing is made in its place"


@pytest.mark.parametrize("place", range(0, 60_000, 7_321))
def test_a_damaged_file_of_accounts_is_refused_or_keeps_its_accounts(tmp_path, place):
    path = tmp_path / "service.sqlite"
    store = ServiceStore(path)
    for number in range(200):
        store.change("INSERT INTO accounts VALUES (?, 'node', ?, '', NULL, 0)", f"node {number}", f"node {number}")
    store.close()
    content = bytearray(path.read_bytes())
    content[place : place + 64] = bytes(byte ^ 0xFF for byte in content[place : place + 64])
    path.write_bytes(content)
    try:
        store = ServiceStore(path)
    except InvalidValue:
        return
    assert [row["name"] for row in store.rows("SELECT name FROM accounts")] == sorted(f"node {n}" for n in range(200))
    store.close()
