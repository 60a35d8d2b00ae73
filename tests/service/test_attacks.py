"""Attacks on the service, and what comes of them. What is tried against pages is in tests/browser."""

import contextlib
import csv
import socket
from dataclasses import replace
from io import StringIO
from itertools import islice

import httpx
import pytest
from argon2 import extract_parameters
from eth_account import Account
from eth_account.messages import encode_defunct
from small_market import PERIOD, ask
from test_trade import place

from gridbourse.api.schema import SigningContext
from gridbourse.client import Client, orders, own_keys, session
from gridbourse.crypto.keys import SigningKey
from gridbourse.market.types import EnergyType, Offer, Side
from gridbourse.node.folder.key_rotation import RegionKeys
from gridbourse.service.auth import keystore
from gridbourse.service.settings import ServiceSettings
from service import PASSWORD, Service

ELSEWHERE = "https://evil.example"


@pytest.fixture
def anna(shared):
    with shared.browser("Anna") as client:
        yield client


@pytest.fixture
def nobody(shared):
    with shared.browser() as client:
        yield client


@pytest.fixture
def node_key(shared):
    return RegionKeys(shared.folder).nodes.load_node("Anna").signing


def signed(client, key, change=lambda message: message):
    """Sign in with a key and a message that may have been changed on the way."""
    message = client.post("/sign-in/message", json={"address": f"0x{key.address.hex()}"}).json()["message"]
    message = change(message)
    signature = Account.from_key(key.secret).sign_message(encode_defunct(text=message)).signature
    return {"message": message, "signature": f"0x{signature.hex()}"}


# Sessions


def test_a_session_that_was_ended_is_of_no_use_to_who_stole_its_cookie(shared, anna):
    stolen = dict(anna.cookies)
    anna.delete("/session")
    with shared.browser() as thief:
        thief.cookies.update(stolen)
        assert thief.get("/orders").status_code == 401


def test_a_changed_password_ends_the_sessions_of_a_thief(service):
    with service.browser("Anna") as anna, service.browser() as thief:
        thief.cookies.update(anna.cookies)
        assert thief.get("/orders").status_code == 200
        changed = anna.put("/password", params={"account": "Anna"}, json={"old": PASSWORD, "new": "another long one"})
        assert changed.status_code == 204
        assert thief.get("/orders").status_code == 401


@pytest.mark.parametrize("cookie", ["", "x", "A" * 43, "%00", "é", "A" * 5_000])
def test_a_made_up_cookie_is_nobodys(shared, cookie):
    headers = {"Cookie": f"gridbourse_session={cookie}".encode()}
    assert httpx.get(f"{shared.url}/api/v1/session", headers=headers).json()["kind"] == "nobody"


def test_no_secret_of_a_session_token_or_password_is_in_the_file(service):
    with service.browser("Anna") as anna:
        secret = anna.post("/tokens", json={"name": "robot", "scopes": ["trade"]}).json()["secret"]
        cookie = anna.cookies["gridbourse_session"]
    keys = RegionKeys(service.folder).nodes.load_node("Anna")
    service.stop()
    stored = b"".join(path.read_bytes() for path in service.folder.glob("service.sqlite*"))
    service.stop = lambda: None
    for text in (secret, secret.removeprefix("gbt_"), cookie, PASSWORD, keys.signing.secret.hex()):
        assert text.encode() not in stored
    assert keys.signing.secret not in stored


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(shared):
    answer = httpx.post(f"{shared.url}/api/v1/sign-in/password", json={"account": "Anna", "password": PASSWORD})
    attributes = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
    assert {"httponly", "samesite=lax", "path=/"} <= attributes


# Requests that another site makes the browser send


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": ELSEWHERE},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {},
        {"Referer": ELSEWHERE},
    ],
)
def test_another_site_cannot_act_with_the_browsers_cookie(shared, anna, headers):
    for method, path, body in [
        ("POST", "/orders", ask()),
        ("DELETE", "/session", None),
        ("POST", "/deals/1/confirm", None),
    ]:
        answer = httpx.request(
            method, f"{shared.url}/api/v1{path}", json=body, headers=headers, cookies=dict(anna.cookies)
        )
        assert answer.status_code == 403, (method, path)
    assert anna.get("/session").json()["name"] == "Anna"


def test_another_site_cannot_sign_the_browser_in_as_somebody_else(shared):
    stranger = {"account": "Bert", "password": PASSWORD}
    answer = httpx.post(f"{shared.url}/api/v1/sign-in/password", json=stranger, headers={"Origin": ELSEWHERE})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_no_other_site_may_read_an_answer(shared):
    preflight = {"Origin": ELSEWHERE, "Access-Control-Request-Method": "POST"}
    for answer in (
        httpx.options(f"{shared.url}/api/v1/orders", headers=preflight),
        httpx.get(f"{shared.url}/api/v1/market/settings", headers={"Origin": ELSEWHERE}),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_name_that_an_attacker_points_here_is_not_served(shared):
    for host in ("evil.example", "127.0.0.1.evil.example", "evil.example:80", ""):
        assert httpx.get(f"{shared.url}/api/v1/session", headers={"Host": host}).status_code == 400


# Signatures


def test_a_message_as_wallets_sign_it_signs_in(nobody, node_key):
    assert nobody.post("/sign-in/ethereum", json=signed(nobody, node_key)).json()["name"] == "Anna"


def test_a_signed_message_signs_in_once(nobody, node_key):
    message = signed(nobody, node_key)
    assert nobody.post("/sign-in/ethereum", json=message).status_code == 200
    assert nobody.post("/sign-in/ethereum", json=message).status_code == 401


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("127.0.0.1", "evil.example"),
        ("URI: http://127.0.0.1", "URI: http://evil.example"),
        ("Chain ID: 500", "Chain ID: 1"),
        ("Version: 1", "Version: 2"),
        ("Nonce: ", "Nonce: 0"),
        ("Issued At: 20", "Issued At: 21"),
        ("Expiration Time: 20", "Expiration Time: 19"),
        ("Sign in to", "Sign\nin to"),
    ],
)
def test_a_message_for_elsewhere_or_another_time_signs_in_nowhere(nobody, node_key, old, new):
    changed = signed(nobody, node_key, lambda message: message.replace(old, new))
    assert nobody.post("/sign-in/ethereum", json=changed).status_code == 401


def test_a_signature_of_another_key_signs_nobody_in(nobody, node_key):
    message = signed(nobody, node_key)
    forged = Account.create().sign_message(encode_defunct(text=message["message"])).signature
    assert nobody.post("/sign-in/ethereum", json=message | {"signature": f"0x{forged.hex()}"}).status_code == 401
    for signature in ("0x" + "00" * 65, "0x" + "ff" * 65, message["signature"][:-2] + "05"):
        assert nobody.post("/sign-in/ethereum", json=message | {"signature": signature}).status_code == 401


def test_the_key_of_nobody_signs_nobody_in(nobody):
    assert nobody.post("/sign-in/ethereum", json=signed(nobody, SigningKey.generate())).status_code == 401


# Records


@pytest.fixture
def arno(shared):
    """Holds its own keys."""
    keys = RegionKeys(shared.folder).nodes.load_node("Arno")
    with Client(shared.url) as client:
        message = client.send(session.sign_in_message(keys.address)).message
        client.send(session.sign_in_with_key(message, own_keys.sign_message(keys.signing, message)))
        yield client, keys


def test_a_signed_order_is_taken_once(arno, period):
    client, keys = arno
    context = client.send(orders.signing_context())
    offer = Offer(Side.ASK, EnergyType.STORAGE, period, 500, 3_000)
    raw = own_keys.sign_order(keys, context, offer)
    placed = client.send(orders.relay(raw))
    assert client.send(orders.relay(raw)).order_id == placed.order_id
    assert len(list(client.entries(orders.orders(period=period)))) == 1


def test_nobody_relays_what_another_signed_or_what_is_no_record_of_its_own(arno, period):
    client, keys = arno
    context: SigningContext = client.send(orders.signing_context())
    offer = Offer(Side.ASK, EnergyType.STORAGE, period, 500, 3_000)
    wrong = {
        "another chain": replace(context, chain_id=context.chain_id + 1),
        "another ledger": replace(context, ledger="0x" + "11" * 20),
        "another node": replace(context, node_id="Anna"),
        "a later nonce": replace(context, nonce=context.nonce + 1),
        "readers without the encryption node": replace(context, readers=context.readers[1:]),
    }
    raws = {name: own_keys.sign_order(keys, changed, offer) for name, changed in wrong.items()}
    stranger = replace(keys, signing=SigningKey.generate())
    raws["a stranger's signature"] = own_keys.sign_order(stranger, replace(context, nonce=0), offer)
    raws["noise"] = b"\x02noise"
    for name, raw in raws.items():
        with pytest.raises(Exception, match=r".") as raised:
            client.send(orders.relay(raw))
        assert raised.value.status in {409, 422}, name
    placed = client.send(orders.relay(own_keys.sign_order(keys, context, offer)))
    assert placed.status == "waiting"


# Guessing


def test_another_masters_record_order_and_deal_are_not_shown_to_who_guesses_their_ids(service):
    with service.browser("Anna") as anna, service.browser("Bert") as bert, service.browser("Bea") as bea:
        order = place(anna, ask(1_000, 3_600))
        place(bert, {"side": "bid", "period": PERIOD, "energy_wh": 400, "price_ticks": 3_700})
        for path in (
            f"/orders/{order['order_id']}",
            "/deals/1",
            "/orders?node_id=Anna",
            "/positions?day=1&node_id=Anna",
        ):
            assert bea.get(path).status_code == 404, path
        with service.browser("grid") as grid:
            assert grid.get("/deals/1").json()["node_id"] == "Bert"
            assert grid.get(f"/orders/{order['order_id']}").status_code == 404
            for path in ("/chains/roofs/records", "/chains/roofs/records/0", "/chains/roofs/blocks/3"):
                assert grid.get(path).status_code == 403, path
            assert (
                grid.post("/accounts", json={"name": "a", "node_id": "Anna", "password": PASSWORD}).status_code == 404
            )
        (own,) = bert.get("/chains/grid/records?kind=order").json()["items"]
        assert bert.get(f"/chains/grid/records/{own['index']}").json()["details"]["user_id"] == "Bert"
        assert bea.get(f"/chains/grid/records/{own['index']}").json()["details"] is None
        assert bea.post("/deals/1/abandon").status_code == 404


def test_who_may_not_sign_in_does_not_learn_which_accounts_there_are(nobody, monkeypatch):
    class Hasher:
        """Counts what takes the time."""

        def verify(self, password_hash, password):
            hashed.append(password_hash)
            return hasher.verify(password_hash, password)

    answers, hashed, hasher = [], [], keystore._hasher
    monkeypatch.setattr(keystore, "_hasher", Hasher())
    for turn, account in enumerate(("Anna", "nobody at all"), start=1):
        answer = nobody.post("/sign-in/password", json={"account": account, "password": "wrong wrong wrong"})
        answers.append((answer.status_code, answer.json()))
        assert len(hashed) == turn, "a password is hashed either way"
    assert answers[0] == answers[1]


def test_each_guess_costs_64_mib_and_three_passes():
    made_by_the_service = extract_parameters(keystore._NOBODYS_HASH)  # the tests' own passwords cost less
    assert (made_by_the_service.memory_cost, made_by_the_service.time_cost) == (65_536, 3)


def test_passwords_cannot_be_tried_without_end(prepared, tmp_path):
    import shutil

    folder = shutil.copytree(prepared, tmp_path / "region")
    service = Service(folder, ServiceSettings(sign_ins_per_minute=3)).start()
    try:
        with service.browser() as client:
            tries = [client.post("/sign-in/password", json={"account": "Anna", "password": "wrong"}) for _ in range(5)]
        assert [answer.status_code for answer in tries] == [401, 401, 401, 429, 429]
        assert int(tries[-1].headers["Retry-After"]) >= 1
    finally:
        service.stop()


# Bodies


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b'{"side": "ask"}',
        b'{"side": "ask", "period": 1e9, "energy_wh": 1, "price_ticks": 1}',
        b'{"side": "ask", "period": 1.5, "energy_wh": 1, "price_ticks": 1}',
        b'{"side": "ask", "period": NaN, "energy_wh": 1, "price_ticks": 1}',
        b'{"side": "ask", "period": 1, "energy_wh": -1, "price_ticks": 1}',
        b'{"side": "ask", "period": 1, "energy_wh": 1, "price_ticks": 65536}',
        b'{"side": "ask", "period": 1, "energy_wh": 99999999999999999999999999, "price_ticks": 1}',
        b'{"side": "ask", "period": 1, "energy_wh": true, "price_ticks": 1, "more": 1}',
        b'{"side": "\\ud800", "period": 1, "energy_wh": 1, "price_ticks": 1}',
        b"[" * 10_000,
        b"\xff\xfe",
    ],
)
def test_a_malformed_body_is_told_what_is_wrong(anna, body):
    answer = anna.post("/orders", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


def test_an_oversized_body_is_not_read(shared, anna):
    assert anna.post("/orders", content=b" " * 300_000).status_code == 413

    def endless():
        for _ in range(1_000):
            yield b" " * 10_000

    with contextlib.suppress(httpx.TransportError):
        assert anna.post("/orders", content=endless()).status_code in {400, 413}
    assert httpx.get(f"{shared.url}/health").status_code == 200


def test_a_lying_length_and_a_slow_sender_stop_nobody_else(shared):
    host, port = shared.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as slow:
        slow.sendall(b"POST /api/v1/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{")
        assert httpx.get(f"{shared.url}/health").status_code == 200


def test_what_somebody_writes_comes_back_as_data_and_not_as_a_page(anna):
    answer = anna.post("/orders", content=b'{"side": "<script>"}', headers={"Content-Type": "application/json"})
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


def test_a_cell_of_an_export_is_no_formula_for_a_spreadsheet():
    from gridbourse.files.writing import csv_text

    for text in ("=1+1", "+1", "-1+2", "@sum", "\t=1", "＝1+1", "\u3000=1", "\u200b=1", "\n=1"):
        assert next(islice(csv.reader(StringIO(csv_text(["cell"], [[text]]))), 1, None)) == [f"'{text}"]
    assert csv_text(["cell", "number"], [["wind", -1]]).splitlines()[1] == "wind,-1"
    assert csv_text(["cell", "number"], [["风电", "-0.5"]]).splitlines()[1] == "风电,-0.5"
    assert csv_text(["cell"], []).startswith("\ufeff")
