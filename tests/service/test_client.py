"""The Python client against a running service: both transports, retries, own keys."""

import asyncio

import httpx
import pytest
from small_market import PERIOD

from gridbourse.api.schema import OrderStatus
from gridbourse.client import AsyncClient, Client, chains, market, orders, own_keys, session
from gridbourse.errors import ServiceProblem
from gridbourse.market.types import EnergyType, Offer, Side
from gridbourse.node.folder.key_rotation import RegionKeys
from service import PASSWORD, PATIENCE_SECONDS, until


def an_ask(period, energy_wh=1_000):
    return Offer(Side.ASK, EnergyType.PV, period, energy_wh, 3_600)


def a_bid(period):
    return Offer(Side.BID, EnergyType.any(), period, 400, 3_700)


@pytest.fixture
def client(shared):
    """Makes clients that are signed in as somebody."""
    opened = []

    def client(name=None, **options):
        opened.append(made := Client(shared.url, **options))
        if name:
            made.send(session.sign_in_with_password(name, PASSWORD))
        return made

    yield client
    for made in opened:
        made.close()


def test_a_program_trades_with_tokens(client, period):
    robots = []
    for name in ("Anna", "Bert"):
        made = client(name).send(session.create_token("robot", ["read", "trade"], 3_600))
        robots.append(client(token=made.secret))
    anna, bert = robots
    assert anna.send(orders.place(an_ask(period))).status is OrderStatus.WAITING
    assert bert.send(market.quote(a_bid(period))).matched_wh == 400
    bert.send(orders.place(a_bid(period)))
    for robot in robots:
        (agreed,) = [deal for deal in robot.entries(orders.deals(status="intent")) if deal.period == period]
        robot.send(orders.confirm(agreed.deal_id))
    until(lambda: bert.send(orders.deal(agreed.deal_id)).status == "settled")
    assert client("regulator").send(chains.trace(agreed.deal_id)).deal_id == agreed.deal_id


def test_the_same_requests_go_through_the_asynchronous_client(shared, period):
    async def trade():
        async with AsyncClient(shared.url) as anna, AsyncClient(shared.url) as bert:
            await anna.send(session.sign_in_with_password("Anna", PASSWORD))
            await bert.send(session.sign_in_with_password("Bert", PASSWORD))
            is_watching = asyncio.Event()
            watching = asyncio.create_task(_first_trade(bert, period, is_watching))
            await asyncio.wait_for(is_watching.wait(), PATIENCE_SECONDS)
            await asyncio.gather(*(anna.send(orders.place(an_ask(period))) for _ in range(5)))
            await bert.send(orders.place(a_bid(period)))
            traded = await asyncio.wait_for(watching, PATIENCE_SECONDS)
            return traded, [order async for order in anna.entries(orders.orders(period=period, limit=2))]

    traded, listed = asyncio.run(trade())
    assert traded["energy_wh"] == 400
    assert len({order.order_id for order in listed}) == 5


async def _first_trade(client, period, is_watching):
    async for event in client.watch(["trades"], period=period):
        is_watching.set()  # the first event says that there is nothing to go on from
        if event.event == "trades":
            return event.data[0]
    return None


def test_an_order_whose_answer_was_lost_is_sent_again_and_placed_once(client, period):
    class LosesFirstAnswer(httpx.HTTPTransport):
        lost = 0

        def handle_request(self, request):
            response = super().handle_request(request)
            if request.url.path.endswith("/orders") and not self.lost:
                self.lost += 1
                response.read()
                raise httpx.ReadError("the line broke")
            return response

    anna = client("Anna", transport=LosesFirstAnswer())
    placed = anna.send(orders.place(an_ask(period)))
    assert [order.order_id for order in anna.entries(orders.orders(period=period))] == [placed.order_id]


def test_a_problem_names_field_and_remedy(client):
    anna = client("Anna")
    with pytest.raises(ServiceProblem) as raised:
        anna.send(orders.place(an_ask(PERIOD, energy_wh=0)))
    assert (raised.value.status, raised.value.kind) == (422, "invalid-value")
    assert raised.value.faults[0][0] == "body.energy_wh"


def test_a_service_that_is_not_there_is_a_problem_too():
    with Client("http://127.0.0.1:9") as nobody, pytest.raises(ServiceProblem, match="cannot be reached"):
        nobody.send(market.settings())


def test_a_holder_of_its_own_key_signs_in_and_signs_its_orders_and_answers(shared, client, period):
    keys = RegionKeys(shared.folder).nodes.load_node("Arno")
    arno, bert = client(), client("Bert")
    message = arno.send(session.sign_in_message(keys.address)).message
    signed_in = arno.send(session.sign_in_with_key(message, own_keys.sign_message(keys.signing, message)))
    assert (signed_in.name, signed_in.keeps_keys) == ("Arno", False)

    offer = Offer(Side.ASK, EnergyType.STORAGE, period, 500, 3_000)
    context = arno.send(orders.signing_context())
    placed = arno.send(orders.relay(own_keys.sign_order(keys, context, offer)))
    assert (placed.node_id, placed.status) == ("Arno", "waiting")
    bert.send(orders.place(a_bid(period)))
    (agreed,) = [deal for deal in arno.entries(orders.deals()) if deal.period == period]
    context = arno.send(orders.signing_context())
    deal = arno.send(orders.relay(own_keys.sign_answer(keys, context, agreed.deal_id, Side.ASK, confirmed=True)))
    assert deal.own_confirmed
    with pytest.raises(ServiceProblem, match="not kept here"):
        arno.send(orders.place(offer))
