"""What regulator and service say, in Chinese, each under its English template (`gridbourse.text`)."""

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
    "{place}: sums a nomination that nobody submitted, leaf {leaf}": "{place}：汇总了无人提交的申报，叶哈希 {leaf}",
    "{place}: does not sum the nominations that were submitted": "{place}：没有汇总已提交的全部申报",
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
    # What does not: totals, imbalance prices, and what follows from them
    "main chain, submission {index} of {name}": "主链，{name} 的提交 {index}",
    "{place} does not open for the regulator: {error}": "{place} 监管方无法解开：{error}",
    "{place}: sums records or blocks that were not there": "{place}：汇总了当时并不存在的记录或区块",
    "{place}: states {stated} Wh in period {period}, slave chain {name} says {found} Wh": (
        "{place}：时段 {period} 写的是 {stated} 瓦时，而从链 {name} 上是 {found} 瓦时"
    ),
    "main chain: the imbalance price of period {period} does not take in what was submitted since": (
        "主链：时段 {period} 的不平衡价格没有计入其后提交的总量"
    ),
    "main chain: the imbalance price of period {period} is {price} yuan/kWh for {region} Wh, but what was "
    "traded and submitted makes {due} yuan/kWh for {found} Wh": (
        "主链：时段 {period} 的不平衡价格为 {price} 元/kWh（{region} 瓦时），而按成交和提交的总量应为 {due} 元/kWh"
        "（{found} 瓦时）"
    ),
    "main chain: the imbalance prices of day {day} did not wait for what {name} has to submit": (
        "主链：第 {day} 日的不平衡价格没有等待 {name} 提交总量"
    ),
    "main chain: {name} did not submit in time what it metered on day {day}": (
        "主链：{name} 没有按时提交第 {day} 日的计量总量"
    ),
    "{place}: settles other energies than were metered for {user}": "{place}：{user} 的结算电量与其计量电量不符",
    "{place}: settles {user} in period {period} at {price} yuan/kWh, which was not published": (
        "{place}：{user} 在时段 {period} 按 {price} 元/kWh 结算，而该价格从未公布"
    ),
    "{place}: what was metered for {user} is not settled at the published price": (
        "{place}：{user} 的计量电量没有按公布的价格结算"
    ),
    # The service: who may do what
    "to {right} you have to sign in": "{right}须先登录",
    "a {kind} may not {right}": "{kind}无权{right}",
    "this token lacks the scope {scope}, which is needed to {right}": "此令牌缺少范围 {scope}，无法{right}",
    "read the market": "查看市场",
    "sign in": "登录",
    "read chains": "查看区块链",
    "read what is one's own or below one": "查看自己及下属的内容",
    "read a node's orders, deals, money and energy": "查看节点的订单、成交、资金和电量",
    "place, amend and cancel orders, and answer deals": "提交、修改和撤销订单以及答复成交",
    "make and revoke one's API tokens": "制作和吊销自己的接口令牌",
    "keep accounts of one's nodes": "管理下属节点的账户",
    "credit deposits": "记入押金",
    "vote": "投票",
    "hand in meter readings": "提交电表读数",
    "enter meters of one's nodes": "登记下属节点的电表",
    "trace and audit": "追溯和审计",
    "nobody": "未登录者",
    "node": "功能节点",
    "master": "主节点",
    "regulator": "监管方",
    "a session is used from pages of {own} only; programs use an API token": (
        "会话只能用于 {own} 的页面；程序请使用接口令牌"
    ),
    "the token is unknown, revoked or has run out; make a new one": "令牌不存在、已吊销或已过期；请重新制作",
    "only the settlement agent credits deposits": "只有结算主节点可以记入押金",
    "slave chain {name} is private: its master, the nodes below it and the regulator read it; "
    "everybody sees its blocks' heads and its anchors": (
        "从链 {name} 是私有链：只有其主节点、下属节点和监管方可读；区块头和锚定对所有人可见"
    ),
    "the keys of {name!r} are not kept here; sign the record, then POST {path}": (
        "{name} 的密钥不保存在此；请自行签名记录并提交到 {path}"
    ),
    # The service: what there is not
    "there is no {path} here": "此处没有 {path}",
    "there is no order {order} of yours": "您没有订单 {order}",
    "there is no deal {deal} of yours": "您没有成交 {deal}",
    "there is no node {name!r} of yours": "您没有节点 {name}",
    "you have no node {name!r}": "您没有节点 {name}",
    "you have no account {name!r}": "您没有账户 {name}",
    "you have no token {name!r}": "您没有令牌 {name}",
    "none of your nodes has an account {name!r}": "您的节点都没有账户 {name}",
    "the owner of {name!r} has never set limits": "{name} 的所有者从未设定限额",
    "the main chain has no deal {deal}": "主链上没有成交 {deal}",
    "the main chain has no records of its own; name a slave chain": "主链本身没有记录；请指明一条从链",
    "there is no chain {name!r}; there are {names}": "没有链 {name}；现有 {names}",
    "slave chain {name} is not kept here, but by its master": "从链 {name} 不保存在此，而由其主节点保存",
    "chain {name} has no block {height}": "链 {name} 上没有第 {height} 区块",
    "chain {name} has no transaction {hash}": "链 {name} 上没有交易 {hash}",
    "chain {name} has no record {index}": "链 {name} 上没有记录 {index}",
    "there is no record with leaf {leaf} that you may see": "没有您可以查看的、叶哈希为 {leaf} 的记录",
    "{text!r} is no hash": "{text} 不是哈希",
    # The service: what can no longer be done
    "nothing of order {order} waits any more": "订单 {order} 已没有等待成交的部分",
    "deal {deal} was {verb} before": "成交 {deal} 此前已{verb}",
    "deal {deal} can no longer be {verb}: it is {state}, its cooling-off time is over": (
        "成交 {deal} 已不能{verb}：状态为{state}，犹豫期已过"
    ),
    "record {index} of {name} is not anchored yet; ask again after the next anchor": (
        "{name} 的记录 {index} 尚未锚定；请在下一次锚定之后再试"
    ),
    "Idempotency-Key {key!r} came with another order before; give each order a key of its own": (
        "幂等键 {key} 此前已用于另一份订单；请为每份订单使用各自的键"
    ),
    "the region's process ended before the region was open; see the log": "区域进程在打开区域之前已结束；请查看日志",
    "the service is stopping; try again when it is back": "服务正在停止；请在恢复后再试",
    "readings: {refused} of {count} are refused, first {fault}; the others are taken": (
        "读数：{count} 个中有 {refused} 个被拒收，首个为 {fault}；其余已收下"
    ),
    "the MQTT broker {broker} is not reached; readings over the API are taken": (
        "无法连接代理服务器 {broker}；经接口提交的读数仍会收下"
    ),
    "meter {meter} is not heard": "收不到电表 {meter} 的读数",
    "the head-end is starting; try again when it is there": "采集前置机正在启动；请稍后再试",
    "refused by the contract: {rule}": "合约拒绝：{rule}",
    "the chain cannot do this now: {reason}": "区块链暂时无法执行：{reason}",
    # The service: signing in
    "account or password is wrong": "账户或密码错误",
    "{name!r} takes no part in this region any more": "{name} 已不再参与本区域",
    "{address} is the key of nobody in this region": "{address} 不是本区域任何一方的密钥",
    "message: not as ERC-4361 writes it; sign the text that {path} gives": (
        "消息：格式与规范不符；请签署 {path} 给出的文本"
    ),
    "signature: not that of {address} over this message": "签名：不是 {address} 对此消息的签名",
    "Nonce: was used, is too old, or was not given out here; ask for a new message": (
        "随机数：已用过、已过期或不是此处发出的；请重新获取消息"
    ),
    "Version: give 1": "版本：应为 1",
    "domain: this is {domain}": "域名：此处是 {domain}",
    "URI: give one on {domain}": "网址：应位于 {domain}",
    "Chain ID: this region's is {chain_id}": "链编号：本区域为 {chain_id}",
    "Issued At: lies in the future": "签发时间：晚于现在",
    "Expiration Time: is over; ask for a new message": "失效时间：已过；请重新获取消息",
    "Not Before: is not yet reached": "生效时间：尚未到达",
    "{field}: give a time as RFC 3339 writes it": "{field}：请按规范的格式给出时间",
    "{field}: there is no such time": "{field}：没有这样的时间",
    # The service: wrong input
    "{field}: {value} is not valid; give {remedy}": "{field}：{value} 无效；应为{remedy}",
    "a number of kWh with at most 3 decimals": "以 kWh 计、最多 3 位小数的数",
    "a price from 0 to 6.5535 yuan/kWh with at most 4 decimals": "0 至 6.5535 元/kWh、最多 4 位小数的价格",
    "an amount of yuan with at most 7 decimals": "以元计、最多 7 位小数的金额",
    "an energy from 0 to 2^40 - 1 Wh": "0 至 2^40 - 1 瓦时的电量",
    "a price from 0 to 65535 ticks of 0.0001 yuan/kWh": "0 至 65535 个 0.0001 元/kWh 的价格",
    "a delivery period number below 2^24": "小于 2^24 的交割时段编号",
    "a quota from 0 to 2^48 - 1 Wh": "0 至 2^48 - 1 瓦时的配额",
    "a price no higher than the highest, {cap}": "不高于最高价 {cap} 的价格",
    "exactly one energy type": "恰好一种能源类型",
    "one or more energy types": "一种或多种能源类型",
    "the `next_cursor` of the page before, unchanged": "上一页给出的游标，不加改动",
    "an order's id, 16 hexadecimal digits": "订单编号，16 位十六进制数字",
    "a name that no other account has": "未被其他账户使用的名称",
    "one of {names}": "{names} 之一",
    "a node of this region that trades on day {day}": "本区域在第 {day} 日参与交易的节点",
    "{least} to {most} characters": "{least} 至 {most} 个字符",
    "one of them, or take CSV: a PDF has at most {most} lines": "其中一个节点，或改用表格文件：文档最多 {most} 行",
    # The service: limits
    "this name is not served here; name the service as its operator does": (
        "此处不以该名称提供服务；请使用运营者公布的名称"
    ),
    "a body has at most {most} bytes": "请求正文最多 {most} 字节",
    "too many requests; wait {seconds} s": "请求过多；请等待 {seconds} 秒",
    "the service failed; its log says why": "服务出错；原因见其日志",
    # The service: alarms and what the search finds
    "{job}: {reason}": "{job}：{reason}",
    "the masters' rounds do not take place; see the log": "主节点的撮合与结算没有进行；见日志",
    "{count} records without an anchor": "{count} 条记录尚未锚定",
    "{count} periods of the day without a reading": "当日有 {count} 个时段没有读数",
    "{name}, {kind}, {place}": "{name}，{kind}，{place}",
    "{side} of {trader}": "{trader} 的{side}",
    "ask": "卖单",
    "bid": "买单",
    "record {index} of {chain}": "{chain}的记录 {index}",
    "block {height} of {chain}": "{chain}的第 {height} 区块",
    "deal {deal}, {seller} to {buyer}, {state}": "成交 {deal}，{seller} 售予 {buyer}，{state}",
    "trader {number}": "交易者 {number}",
    "trader {number} is {node} on {date}": "{date} 的交易者 {number} 是 {node}",
    "transaction in block {height} of {chain}": "{chain}第 {height} 区块中的交易",
    "the main chain": "主链",
    "slave chain {name}": "从链 {name} ",
    "dispatch": "调度",
    "efficiency": "能效分析",
    "monitoring": "监测",
    "services": "能源服务",
    "industrial": "工业",
    "commercial": "商业",
    "residential": "居民",
    "ev": "电动汽车",
}
