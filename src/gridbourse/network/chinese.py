"""The regulator's sentences in Chinese, each under its English template (`gridbourse.network.finding`)."""

from __future__ import annotations

CHINESE = {
    # Steps of the walk
    "order on the main chain": "主链上的订单",
    "record on the slave chain": "从链上的记录",
    "inclusion under an anchor": "锚定之下的包含关系",
    "signature of the record": "记录的签名",
    "order as the record states it": "订单与记录一致",
    "pseudonym of the day": "当日假名",
    "answer within the cooling-off time": "犹豫阶段的答复",
    "deal on the slave chain": "从链上的成交",
    "whole slave chain as anchored": "整条从链与锚定一致",
    # What holds
    "order {order} of trader {trader}, carrying leaf {leaf}": "交易者 {trader} 的订单 {order}，带叶哈希 {leaf}",
    "slave chain {name}, record {index} in block {block}": "从链 {name} 第 {block} 区块的记录 {index}",
    "the anchor of blocks {first} to {last}, {count} records, root {root}": (
        "第 {first} 至 {last} 区块的锚定，共 {count} 条记录，根 {root}"
    ),
    "signed by {user}, 0x{author}": "由 {user} 签名，地址 0x{author}",
    "{user}, {location}: {stated}": "{user}，{location}：{stated}",
    "{told}, in place of order {replaced}": "{told}，取代订单 {replaced}",
    "sells {energy} kWh of {kinds} at {price} yuan/kWh in period {period}": (
        "在时段 {period} 以 {price} 元/kWh 卖出{kinds} {energy} kWh"
    ),
    "buys {energy} kWh of {kinds} at {price} yuan/kWh in period {period}": (
        "在时段 {period} 以 {price} 元/kWh 买入{kinds} {energy} kWh"
    ),
    "any type": "任意类型",
    "{first} or {other}": "{first}或{other}",
    "wind": "风电",
    "pv": "光伏",
    "hydro": "水电",
    "thermal": "火电",
    "storage": "储能",
    "mixed": "混合能源",
    "no known type": "未知类型",
    "trader {trader} is {user} on day {day}": "交易者 {trader} 在第 {day} 日是 {user}",
    "the main chain has no answer of this party": "主链上没有这一方的答复",
    "{verb} by {user}, {place}": "{user} 已{verb}，见{place}",
    "{state}, {place}": "{state}，见{place}",
    "intent": "交易意向",
    "confirmed": "确认",
    "abandoned": "放弃",
    "expired": "超时失效",
    "settled": "结算",
    "{count} records of slave chain {name}": "从链 {name} 的 {count} 条记录",
    # What does not: the main chain
    "main chain: the deal's price {price} is outside its orders'": "主链：成交价 {price} 不在双方报价之间",
    "main chain, order {order}: slave chain {name} has no order record with its leaf {leaf}; its master placed what "
    "nobody recorded, or changed or dropped the record": (
        "主链订单 {order}：从链 {name} 没有叶哈希为 {leaf} 的订单记录；主节点提交了无人记录的订单，或篡改、丢弃了记录"
    ),
    "main chain, order {order}: {place} already stands for order {first}": (
        "主链订单 {order}：{place} 已对应订单 {first}"
    ),
    "main chain, order {order}: {found}, but {place} states: {stated}": (
        "主链订单 {order}：{found}，而{place} 写的是：{stated}"
    ),
    "main chain, trader {trader} is not {user} of {place}": "主链交易者 {trader} 不是{place} 中的 {user}",
    "main chain, order {order}: stands beside {replaced}, which it replaces": (
        "主链订单 {order}：与它所取代的订单 {replaced} 并存"
    ),
    "main chain, deal {deal}: {verb} for {user}, who signed no such record on slave chain {name}": (
        "主链成交 {deal}：代 {user} {verb}，而其在从链 {name} 上没有签过这样的记录"
    ),
    "main chain, order {order}: withdrawn without a record of its user": "主链订单 {order}：被撤回，而用户没有相应记录",
    "main chain, order {order}: withdrawn before the revocation of its user was anchored": (
        "主链订单 {order}：在其用户的注销记录锚定之前就被撤回"
    ),
    # What does not: a whole slave chain
    "{first}; {more}": "{first}；{more}",
    "slave chain {name} cannot be read: {error}": "无法读取从链 {name}：{error}",
    "slave chain {name} is not open to the regulator: nothing on it is proven": (
        "从链 {name} 未向监管方开放：其上的一切都得不到证明"
    ),
    "slave chain {name} records no key for day {day}": "从链 {name} 没有记录第 {day} 日的密钥",
    "slave chain {name} does not record deal {deal} as {state}": "从链 {name} 没有把成交 {deal} 记为{state}",
    "slave chain {name} is not the one that its master registered": "从链 {name} 不是其主节点登记的那一条",
    "slave chain {name} has {count} records, {anchored} are anchored": (
        "从链 {name} 有 {count} 条记录，而锚定了 {anchored} 条"
    ),
    "slave chain {name}, records {start} to {end}, anchored with blocks {first} to {last}: the chain does not hold "
    "these records": "从链 {name} 的记录 {start} 至 {end}（随第 {first} 至 {last} 区块锚定）：链上不是这些记录",
    "slave chain {name}: its ledger was handed over to 0x{address}, which is not its master on the main chain": (
        "从链 {name}：账本被移交给 0x{address}，而主链上它不是该主节点"
    ),
    # What does not: a record
    "{place} is not anchored yet": "{place} 尚未锚定",
    "{place} is not in the log anchored with blocks {first} to {last}": (
        "{place} 不在随第 {first} 至 {last} 区块锚定的日志中"
    ),
    "{place}: the master did not take this order up to the main chain": "{place}：主节点没有把这个订单提交到主链",
    "{place}: the master did not take this cancellation up": "{place}：主节点没有执行这项撤单",
    "{place}: states deal {deal}, which is not on the main chain": "{place}：写有成交 {deal}，而主链上没有这笔成交",
    "{place}: states deal {deal} otherwise than the main chain": "{place}：所写的成交 {deal} 与主链不符",
    "{place}, of 0x{author} does not open for the regulator: {error}": (
        "{place}（作者 0x{author}）监管方无法解开：{error}"
    ),
    "{place}, {wrong}": "{place}：{wrong}",
    "has not the index or leaf of its content": "序号或叶哈希与内容不符",
    "is not what its author signed": "不是其作者所签",
    "speaks for {user!r}, whom the master never took in": "代 {user} 发言，而主节点从未接纳过该用户",
    "speaks for {user!r}, who is revoked": "代 {user} 发言，而该用户已注销",
    "speaks for {user!r}, but 0x{author} signed it": "代 {user} 发言，而签名的是 0x{author}",
    "gives {user!r} other keys without its signature": "未经 {user} 签名就更换其密钥",
    "states another key for day {day}, whose users are named already": "为第 {day} 日另写密钥，而当日用户已经命名",
    "may only be written by the master": "只能由主节点书写",
    # What does not: schedules, capacities, statements
    "{place}: states capacities, but {user} is no dispatch node": "{place}：写有输电容量，而 {user} 不是调度节点",
    "{place}: sums a nomination that is on no slave chain, leaf {leaf}": (
        "{place}：汇总了任何从链上都没有的申报，叶哈希 {leaf}"
    ),
    "{place}: {field} is not the sum of the nominations that it names": "{place}：{field} 不等于所列申报之和",
    "{place}: names schedules that are not of its master's nodes in zone {zone}": (
        "{place}：所列计划不属于其主节点在分区 {zone} 的节点"
    ),
    "{place}: {field} in period {period} is {nominated} Wh, its schedules say {scheduled} Wh": (
        "{place}：时段 {period} 的 {field} 为 {nominated} 瓦时，而其计划为 {scheduled} 瓦时"
    ),
    "main chain: {published} Wh from zone {start} to {end} in period {period} stand in no record": (
        "主链：时段 {period} 从分区 {start} 到 {end} 的 {published} 瓦时没有调度记录"
    ),
    "{place}: states the deals of {user} in period {period} otherwise than the main chain": (
        "{place}：所写的 {user} 在时段 {period} 的成交与主链不符"
    ),
}
