"""A household has its money paid out, by API and command line; the settlement agent tells what the bank did."""

import json

import pytest
from click.testing import CliRunner

from gridbourse.cli.payout import payout
from gridbourse.client import Client, payouts, session
from gridbourse.service.rights import Scope
from service import PASSWORD, until

PAYEE = "Bert Bird, DE02 1203 0000 0000 2020 51"
YUAN = 10**7


@pytest.fixture
def bert(service):
    with service.browser("Bert") as client:
        yield client


@pytest.fixture
def agent(service):
    with service.browser("grid") as client:
        yield client


def sent(client):
    """The payouts of which the bank is told."""
    return [own for own in client.get("/payouts").json()["payouts"] if own["state"] == "sent"]


def test_money_is_paid_out_on_request_and_the_user_sees_how_far_that_is(bert, agent):
    assert bert.post("/payouts", json={"money": 30 * YUAN, "payee": PAYEE}).status_code == 204
    (own,) = until(lambda: sent(bert))
    assert (own["money"], own["payee"], own["node_id"], own["standing"]) == (30 * YUAN, PAYEE, "Bert", False)
    path = f"/payouts/{own['reference']}"
    assert agent.post(path, json={"paid": True}).status_code == 204
    assert agent.post(path, json={"paid": True}).status_code == 204
    assert agent.post(path, json={"paid": False}).status_code == 422
    until(lambda: bert.get("/payouts").json()["payouts"][0]["state"] == "paid")


def test_what_the_bank_returns_is_in_the_purse_or_on_a_days_account(bert, agent):
    def money():
        purse = sum(own["money"] for own in bert.get("/payouts").json()["purses"])
        return purse + sum(own["free_money"] for own in bert.get("/deposits").json())

    before = money()
    bert.post("/payouts", json={"money": 30 * YUAN, "payee": PAYEE})
    (own,) = until(lambda: sent(bert))
    assert agent.post(f"/payouts/{own['reference']}", json={"paid": False}).status_code == 204
    until(lambda: money() == before)
    assert bert.get("/payouts").json()["payouts"][0]["state"] == "returned"


def test_who_may_do_what(service, bert, agent):
    bert.post("/payouts", json={"money": YUAN, "payee": PAYEE})
    (own,) = until(lambda: sent(agent))
    assert bert.post(f"/payouts/{own['reference']}", json={"paid": True}).status_code == 403
    assert agent.post("/payouts", json={"money": YUAN, "payee": PAYEE}).status_code == 403
    with service.browser("Anna") as anna, service.browser("roofs") as roofs:
        assert anna.get("/payouts").json() == {"payouts": [], "purses": []}
        assert roofs.get("/payouts").json()["payouts"] == []
        assert roofs.post(f"/payouts/{own['reference']}", json={"paid": True}).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {"money": 0, "payee": PAYEE},
        {"money": -1, "payee": PAYEE},
        {"money": 1, "payee": ""},
        {"money": 1, "payee": "a\nb"},
        {"money": 1},
    ],
)
def test_a_wish_that_says_nothing_possible_is_refused(bert, body):
    assert bert.post("/payouts", json=body).status_code == 422
    assert bert.get("/payouts").json()["payouts"] == []


def test_the_command_line_asks_lists_writes_for_the_bank_and_confirms(service, tmp_path):
    def token(account):
        with Client(service.url) as client:
            client.send(session.sign_in_with_password(account, PASSWORD))
            return client.send(session.create_token("cli", tuple(Scope), 3_600)).secret

    def run(account, *arguments):
        options = ("--url", service.url, "--token", tokens[account])
        outcome = CliRunner().invoke(payout, [*map(str, arguments), *options], catch_exceptions=False)
        assert outcome.exit_code == 0, outcome.output
        return outcome.output

    tokens = {name: token(name) for name in ("Bert", "grid")}
    assert "30 yuan" in run("Bert", "request", "30", PAYEE)
    assert "every day" in run("Bert", "standing", "500", PAYEE)
    file, done = tmp_path / "payouts.csv", tmp_path / "done.csv"

    def is_written():
        run("grid", "file", file)
        return len(file.read_text("utf-8-sig").splitlines()) == 2

    until(is_written)
    reference = file.read_text("utf-8-sig").splitlines()[1].split(",")[0]
    done.write_text(f"reference,state\n{reference},paid\nnonsense,paid\n")
    assert "1 confirmations were taken, 1 lines refused" in run("grid", "confirm", done)
    found = json.loads(run("Bert", "list", "--json"))
    assert [own["state"] for own in found["payouts"]] == ["paid", "waiting"]
    assert "every day" in " ".join(run("Bert", "list").split())


def test_the_client_asks_as_the_api_does(service):
    with Client(service.url) as client:
        client.send(session.sign_in_with_password("Bert", PASSWORD))
        client.send(payouts.request(YUAN, PAYEE))
        assert until(lambda: client.send(payouts.payouts()).payouts)[0].payee == PAYEE
