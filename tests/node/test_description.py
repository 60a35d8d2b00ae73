"""A region's TOML file: what is written is read, and what is wrong is named."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.chain import ethereum
from gridbourse.crypto.keys import Address
from gridbourse.errors import InvalidValue
from gridbourse.market.types import Role, Settings
from gridbourse.node.folder import chains as engines
from gridbourse.region.description import KINDS_BELOW, Engine, MainChainSpec, MasterSpec, NodeKind, NodeSpec, RegionSpec
from gridbourse.region.description_file import read_region, write_region
from gridbourse.region.names import comparable, require_name
from gridbourse.text import DisplayName

TEXT = """\
name = "Mianyang"
chain_id = 500

[market]
cooling_off_seconds = 300
price_floor_yuan_per_kwh = "0.10"
price_cap_yuan_per_kwh = "1.50"
gate_closure_lead_seconds = 900

[[master]]
name = "grid"
role = "grid"

[[master.node]]
id = "Substation 3"
kind = "dispatch"
location = "Fucheng"
"""

ETHEREUM = '[main_chain]\nengine = "ethereum"\nurl = "http://127.0.0.1:8545"\n'
CONTRACTS = ("consortium", "market", "anchors", "balancing")
ADDRESSES = "".join(f'{name} = "0x{number:040x}"\n' for number, name in enumerate(CONTRACTS))
THREE_ADDRESSES = ADDRESSES.partition("balancing")[0]


def is_name(text):
    try:
        require_name("name", text)
    except InvalidValue:
        return False
    return True


seen = st.characters(exclude_categories=["Cs", "Cc", "Cf", "Co", "Cn", "Zl", "Zp"])
names = st.text(seen, min_size=1, max_size=26).filter(is_name)
texts = st.one_of(st.just(""), names)
words = st.integers(0, 2**32 - 1)
bounds = st.tuples(st.integers(1, 2**16 - 1), st.integers(1, 2**8 - 1))
ticks = st.tuples(st.integers(0, 2**16 - 1), st.integers(0, 2**16 - 1)).map(sorted)


@st.composite
def market_settings(draw):
    floor, cap = draw(ticks)
    roles = draw(st.frozensets(st.sampled_from(Role), min_size=1))
    market = draw(words), floor, cap, draw(words), draw(st.integers(1, 2**16 - 1)), roles
    return Settings(*market, cap, draw(st.integers(0, 1_000)), draw(words), draw(words), *draw(bounds))


display_names = st.builds(DisplayName, st.just("") | names, st.just("") | names)


def others_below(role):
    """What a master may have below it any number of times."""
    return KINDS_BELOW[role] - {NodeKind.OWN}


confirmations = st.one_of(st.just("finalized"), st.integers(0, 1_000))


@st.composite
def regions(draw):
    node_ids = iter(draw(st.lists(names, min_size=8, max_size=8, unique_by=comparable)))
    roles = [Role.GRID, *draw(st.lists(st.sampled_from(Role), max_size=3))]
    master_name = st.from_regex("[a-z0-9-]{1,40}", fullmatch=True).filter(lambda name: name != "main")
    master_names = draw(st.lists(master_name, min_size=len(roles), max_size=len(roles), unique=True))
    masters = tuple(
        MasterSpec(
            name,
            role,
            tuple(
                NodeSpec(next(node_ids), draw(st.sampled_from(sorted(kinds))), draw(texts))
                for kinds in draw(st.sampled_from([(), (KINDS_BELOW[role],), (KINDS_BELOW[role], others_below(role))]))
            ),
            draw(st.sampled_from(["", "http://127.0.0.1:8546"])),
            draw(confirmations),
            display_name=DisplayName(f"{name} & sons", f"公司{name}") if draw(st.booleans()) else DisplayName(),
        )
        for name, role in zip(master_names, roles, strict=True)
    )
    contracts = draw(st.sampled_from([(), tuple(Address(bytes([number]) * 20) for number in (1, 2, 3, 4))]))
    options = draw(confirmations), draw(st.booleans()), draw(st.integers(1, 10_000))
    elsewhere = MainChainSpec(Engine.ETHEREUM, "http://127.0.0.1:8545", contracts, *options)
    main_chain = draw(st.sampled_from([MainChainSpec(), elsewhere]))
    chain_id = draw(st.integers(1, 2**32 - 1))
    return RegionSpec(
        draw(names),
        chain_id,
        draw(market_settings()),
        masters,
        draw(st.booleans()),
        main_chain=main_chain,
        time_zone=draw(st.sampled_from(["UTC", "Asia/Shanghai", "America/Argentina/Buenos_Aires"])),
        display_name=draw(display_names),
    )


@given(spec=regions())
def test_a_region_is_read_as_it_was_written(spec):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "region.toml"
        write_region(spec, path)
        assert read_region(path) == spec


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "region.toml"
        path.write_text(text, "utf-8")
        return read_region(path)

    return read


def test_what_is_left_out_has_a_default(read):
    spec = read(TEXT)
    assert spec == RegionSpec(
        "Mianyang",
        500,
        Settings(300, 1_000, 15_000, 900, 64, frozenset(Role)),
        (MasterSpec("grid", Role.GRID, (NodeSpec("Substation 3", NodeKind.DISPATCH, "Fucheng"),)),),
    )


def test_what_a_network_charges_and_when_it_is_final_reaches_the_engine(read, monkeypatch):
    asked = {}
    monkeypatch.setattr(ethereum, "EthereumChain", lambda url, **options: asked.update(url=url, **options))
    options = 'confirmations = "finalized"\ncharges_gas = true\nfinal_within_seconds = 1800\n'
    engines.reach_main_chain(read(TEXT.replace("[market]", f"{ETHEREUM}{options}[market]")))
    assert asked == {
        "url": "http://127.0.0.1:8545",
        "chain_id": 500,
        "confirmations": "finalized",
        "charges_gas": True,
        "final_within_seconds": 1_800,
        "patience_seconds": engines.MAIN_PATIENCE_SECONDS,
    }


def test_a_node_is_in_the_zone_it_names_and_stays_there_when_written(read, tmp_path):
    spec = read(TEXT.replace('kind = "dispatch"', 'kind = "dispatch"\nzone = 7'))
    assert spec.masters[0].nodes[0].zone == 7
    write_region(spec, tmp_path / "again.toml")
    assert read_region(tmp_path / "again.toml") == spec


REQUIRED = [
    ("name", 'name = "Mianyang"\n'),
    ("chain_id", "chain_id = 500\n"),
    ("market.cooling_off_seconds", "cooling_off_seconds = 300\n"),
    ("market.price_floor_yuan_per_kwh", 'price_floor_yuan_per_kwh = "0.10"\n'),
    ("market.price_cap_yuan_per_kwh", 'price_cap_yuan_per_kwh = "1.50"\n'),
    ("market.gate_closure_lead_seconds", "gate_closure_lead_seconds = 900\n"),
    ("master.name", 'name = "grid"\n'),
    ("master.role", 'role = "grid"\n'),
    ("master.node.id", 'id = "Substation 3"\n'),
    ("master.node.kind", 'kind = "dispatch"\n'),
    ("master.node.location", 'location = "Fucheng"\n'),
]


@pytest.mark.parametrize(("field", "line"), REQUIRED, ids=[field for field, _ in REQUIRED])
def test_a_missing_field_is_named(read, field, line):
    require_named(read, TEXT.replace(line, ""), field)


@pytest.mark.parametrize(("field", "line"), REQUIRED, ids=[field for field, _ in REQUIRED])
def test_a_misspelt_field_is_named(read, field, line):
    name = line.split(" = ")[0]
    misspelt = TEXT.replace(line, line + line.replace(name, name + "x"))
    require_named(read, misspelt, field + "x")


@pytest.mark.parametrize(("field", "line"), REQUIRED, ids=[field for field, _ in REQUIRED])
@pytest.mark.parametrize("value", ["true", "[]", "1.5", "1979-05-27"])
def test_a_field_of_another_type_is_named(read, field, line, value):
    require_named(read, TEXT.replace(line, f"{line.split(' = ')[0]} = {value}\n"), field)


@pytest.mark.parametrize(
    ("field", "line", "wrong"),
    [
        ("chain_id", "chain_id = 500", "chain_id = 0"),
        ("chain_id", "chain_id = 500", "chain_id = 4294967296"),
        ("single_chain", "chain_id = 500", "chain_id = 500\nsingle_chain = 1"),
        ("time_zone", "chain_id = 500", 'chain_id = 500\ntime_zone = "Mars"'),
        ("time_zone", "chain_id = 500", 'chain_id = 500\ntime_zone = "../zone"'),
        ("time_zone", "chain_id = 500", "chain_id = 500\ntime_zone = 8"),
        ("market.cooling_off_seconds", "cooling_off_seconds = 300", "cooling_off_seconds = -1"),
        ("market.gate_closure_lead_seconds", "seconds = 900", "seconds = 4294967296"),
        ("market.max_candidates", "[market]", "[market]\nmax_candidates = 0"),
        ("market.max_candidates", "[market]", "[market]\nmax_candidates = 65536"),
        ("market.price_floor_yuan_per_kwh", '"0.10"', '"0.10001"'),
        ("market.price_floor_yuan_per_kwh", '"0.10"', '"1.51"'),
        ("market.price_cap_yuan_per_kwh", '"1.50"', '"6.5536"'),
        ("market.price_cap_yuan_per_kwh", '"1.50"', '"dear"'),
        ("market.trading_roles", "[market]", "[market]\ntrading_roles = []"),
        ("market.trading_roles", "[market]", '[market]\ntrading_roles = ["regulator"]'),
        ("market.trading_roles", "[market]", "[market]\ntrading_roles = [1]"),
        ("main_chain.engine", "[market]", '[main_chain]\nengine = "paper"\n[market]'),
        ("main_chain.url", "[market]", '[main_chain]\nengine = "ethereum"\n[market]'),
        ("main_chain.url", "[market]", '[main_chain]\nurl = "http://127.0.0.1:8545"\n[market]'),
        ("main_chain", "[market]", "[main_chain]\nconfirmations = 1\n[market]"),
        ("main_chain", "[market]", "[main_chain]\ncharges_gas = true\n[market]"),
        ("main_chain.confirmations", "[market]", f"{ETHEREUM}confirmations = -1\n[market]"),
        ("main_chain.confirmations", "[market]", f'{ETHEREUM}confirmations = "safe"\n[market]'),
        ("main_chain.confirmations", "[market]", f"{ETHEREUM}confirmations = true\n[market]"),
        ("main_chain.charges_gas", "[market]", f"{ETHEREUM}charges_gas = 1\n[market]"),
        ("main_chain.final_within_seconds", "[market]", f"{ETHEREUM}final_within_seconds = 0\n[market]"),
        ("master.slave_chain_confirmations", 'role = "grid"', 'role = "grid"\nslave_chain_confirmations = 1.5'),
        (
            "main_chain.contracts.market",
            "[market]",
            f"{ETHEREUM}[main_chain.contracts]\n{ADDRESSES.splitlines()[0]}\n[market]",
        ),
        (
            "main_chain.contracts.anchors",
            "[market]",
            f'{ETHEREUM}[main_chain.contracts]\n{THREE_ADDRESSES[:-6]}"\n[market]',
        ),
        ("main_chain.contracts.more", "[market]", f"{ETHEREUM}[main_chain.contracts]\n{ADDRESSES}more = 1\n[market]"),
        ("master.slave_chain_url", 'role = "grid"', 'role = "grid"\nslave_chain_url = 8546'),
        ("master.role", 'role = "grid"', 'role = "source"'),
        ("master.role", 'role = "grid"', 'role = "regulator"'),
        ("master.name", 'name = "grid"', 'name = "main"'),
        ("master.name", 'name = "grid"', 'name = "../grid"'),
        ("master.name", 'name = "grid"', 'name = ""'),
        ("master.node.id", '"Substation 3"', '""'),
        ("master.node.id", '"Substation 3"', '"' + "x" * 81 + '"'),
        ("master.node.kind", '"dispatch"', '"nuclear"'),
        ("kind of node Substation 3", 'role = "grid"', 'role = "user"'),
        ("zone of node Substation 3", 'kind = "dispatch"', 'kind = "dispatch"\nzone = 256'),
        ("zone of node Substation 3", 'kind = "dispatch"', 'kind = "dispatch"\nzone = -1'),
        ("master.node.zone", 'kind = "dispatch"', 'kind = "dispatch"\nzone = "north"'),
        ("master", "[[master]]", "[master]"),
        ("master.node", "[[master.node]]", "[master.node]"),
    ],
)
def test_a_wrong_value_is_named(read, field, line, wrong):
    text = TEXT.replace(line, wrong, 1)
    if field.startswith("kind of node"):
        text += '[[master]]\nname = "other"\nrole = "grid"\n[[master.node]]\nid = "A"\nkind = "pv"\nlocation = ""\n'
    require_named(read, text, field)


def test_another_organisations_function_nodes_need_not_be_known(read):
    assert read(TEXT[: TEXT.index("[[master.node]]")]).masters == (MasterSpec("grid", Role.GRID, ()),)


def test_names_that_are_not_the_only_ones_are_named(read):
    require_named(read, TEXT + TEXT[TEXT.index("[[master.node]]") :], "master.node.id")
    require_named(read, TEXT + TEXT[TEXT.index("[[master]]") :].replace("Substation 3", "Substation 4"), "master.name")


@pytest.mark.parametrize("content", [b"name =", b"\xff\xfe", None], ids=["no TOML", "no UTF-8", "no file"])
def test_a_file_that_is_no_toml_is_named(tmp_path, content):
    path = tmp_path / "region.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidValue, match=re.escape(str(path))):
        read_region(path)


def require_named(read, text, field):
    with pytest.raises(InvalidValue) as wrong:
        read(text)
    assert wrong.value.field == field
    assert wrong.value.remedy
