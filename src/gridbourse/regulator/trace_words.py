"""What a trace and an audit say around the findings, in English and in Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gridbourse.market.types import DealState, Side
from gridbourse.text import Language


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language; what stands in braces is filled in."""

    html_language: str
    colon: str
    deal: str
    holds: str
    fails: str
    faults: str
    fault: str
    who: str
    slave_chain: str
    summary: str
    columns: tuple[str, str, str]
    step_holds: str
    all_hold: str
    not_all_hold: str
    sound: str
    parties: Mapping[Side, str]
    states: Mapping[DealState, str]


WORDS: Mapping[Language, Words] = {
    "en": Words(
        html_language="en",
        colon=": ",
        deal="Deal {number}",
        holds="every step holds",
        fails="does not hold",
        faults="What does not hold",
        fault="{party}, step {number}",
        who="{user}, {location}; ",
        slave_chain="slave chain of master {name}",
        summary="{energy} kWh at {price} yuan/kWh, {money} yuan, delivery {delivery}; {state}.",
        columns=("step", "verdict", "finding"),
        step_holds="holds",
        all_hold="Every step holds.",
        not_all_hold="Not every step holds.",
        sound="Every record is where, what and whose it has to be.",
        parties={Side.ASK: "Seller", Side.BID: "Buyer"},
        states={
            DealState.INTENT: "agreed, in its cooling-off time",
            DealState.CONFIRMED: "confirmed by both, not settled yet",
            DealState.ABANDONED: "abandoned",
            DealState.EXPIRED: "expired",
            DealState.SETTLED: "settled",
        },
    ),
    "zh": Words(
        html_language="zh-CN",
        colon="：",
        deal="成交 {number}",
        holds="每一步都成立",
        fails="不成立",
        faults="不成立之处",
        fault="{party}，第 {number} 步",
        who="{user}，{location}；",
        slave_chain="主节点 {name} 的从链",
        summary="{energy} kWh，{price} 元/kWh，共 {money} 元，{delivery} 交割；{state}。",
        columns=("步骤", "结论", "所见"),
        step_holds="成立",
        all_hold="每一步都成立。",
        not_all_hold="有步骤不成立。",
        sound="每条记录的位置、内容和归属都正确。",
        parties={Side.ASK: "卖方", Side.BID: "买方"},
        states={
            DealState.INTENT: "已达成意向，处于犹豫阶段",
            DealState.CONFIRMED: "双方已确认，尚未结算",
            DealState.ABANDONED: "已放弃",
            DealState.EXPIRED: "超时失效",
            DealState.SETTLED: "已结算",
        },
    ),
}
