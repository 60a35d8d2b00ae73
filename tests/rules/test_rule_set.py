"""Sets of rules are data: strict when loaded, named by their content, and each day has its own."""

import shutil
from datetime import date

import pytest

from gridbourse.errors import InvalidValue
from gridbourse.rules.rule_set import SHIPPED, InForce, RuleHistory, find_rule_set, load_rule_set


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(SHIPPED / "sichuan_2026", tmp_path / "own_rules")


def change(folder, file, old, new):
    text = (folder / file).read_text("utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1), "utf-8")


def test_nothing_of_the_shipped_set_claims_to_be_confirmed(rules):
    rows = [
        *(parameter.provenance for parameter in rules.parameters),
        *(row.provenance for row in rules.calendar.rows),
        *(terms.provenance for terms in rules.deviation),
    ]
    assert len(rows) > 60
    assert not any(row.confirmed for row in rows)
    assert all(row.source in rules.sources and row.article for row in rows)


def test_a_set_is_found_by_its_name_or_its_folder(folder, rules):
    assert find_rule_set("sichuan-2026").digest == rules.digest
    assert find_rule_set(str(folder)).digest == rules.digest
    with pytest.raises(InvalidValue, match="sichuan-2026"):
        find_rule_set("atlantis-2026")


def test_a_changed_number_is_another_version(folder, rules):
    change(folder, "parameters.csv", "0.260434", "0.260435")
    assert load_rule_set(folder).version != rules.version


@pytest.mark.parametrize(
    ("file", "old", "new", "names"),
    [
        ("parameters.csv", "energy.agency", "energy.agncy", r"own_rules/parameters\.csv, line 2, parameter.*agency"),
        ("parameters.csv", "0.260434,", "0.26o434,", r"line 2, value.*decimal number"),
        ("parameters.csv", "0.260434,", "nan,", r"line 2, value.*decimal number"),
        ("parameters.csv", "0.260434,yuan/kWh", "0.260434,h", r"line 2, unit.*yuan/kWh, yuan/MWh"),
        ("parameters.csv", "2026-08-01", "01.08.2026", r"line 2, valid_from.*a day like"),
        ("parameters.csv", "2026-08-31", "2026-07-31", r"line 2, valid_to"),
        ("parameters.csv", "price-table-2026-08", "price-table", r"line 2, source.*time-of-use-2025-185"),
        ("parameters.csv", "false", "no", r"line 2, confirmed.*true or false"),
        ("parameters.csv", "代理购电价格", "", r"line 2, article"),
        ("parameters.csv", "parameter,value", "name,value", r"own_rules/parameters\.csv, line 1.*the columns"),
        ("parameters.csv", "factor.tip", "factor.peak", r"line 7, valid_from.*factor\.peak"),
        ("calendar.csv", "00:00,08:00,valley", "00:00,07:45,valley", r"month 3, weekday 1, 07:45.*one base row"),
        ("calendar.csv", "08:00,10:00,flat", "07:45,10:00,flat", r"07:45.*one base row"),
        ("calendar.csv", "00:00,08:00,valley", "00:00,08:10,valley", r"line 2, to.*a quarter hour"),
        ("calendar.csv", "00:00,08:00,valley", "00:00,08:00,night", r"line 2, band.*valley"),
        ("calendar.csv", "3-6 10-11", "3-13", r"line 2, months.*from 1 to 12"),
        ("calendar.csv", "single_part two_part", "one_part", r"line 2, tariffs.*single_part"),
        ("deviation.csv", "source,0.05", "source,1.05", r"line 2, free_short.*from 0 to 1"),
        ("deviation.csv", "storage", "coal", r"line 2, exempt.*storage"),
        ("deviation.csv", "aggregator", "source", r"line 3, valid_from"),
        ("rule_set.toml", 'name = "sichuan-2026"', "name = 3", r"rule_set\.toml, name"),
        ("rule_set.toml", "valid_from = 2026-01-01", 'valid_from = "soon"', r"rule_set\.toml, valid_from"),
        ("rule_set.toml", "Asia/Shanghai", "Asia/Atlantis", r"rule_set\.toml, time_zone"),
        ("rule_set.toml", "read_in", "seen_in", r"rule_set\.toml, sources\.price-table-2026-08"),
        ("rule_set.toml", "[sources", "[[sources", r"rule_set\.toml"),
    ],
)
def test_what_is_wrong_is_named_with_file_field_and_remedy(folder, file, old, new, names):
    change(folder, file, old, new)
    with pytest.raises(InvalidValue, match=names):
        load_rule_set(folder)


def test_a_missing_table_is_named(folder):
    (folder / "calendar.csv").unlink()
    with pytest.raises(InvalidValue, match=r"own_rules/calendar\.csv"):
        load_rule_set(folder)


def test_an_old_day_is_settled_by_its_old_set(folder, rules):
    change(folder, "rule_set.toml", '"sichuan-2026"', '"sichuan-2026-autumn"')
    later = load_rule_set(folder)
    history = RuleHistory([InForce(date(2026, 9, 1), later), InForce(date(2026, 1, 1), rules)])
    assert history.on(date(2026, 8, 31)).version == rules.version
    assert history.on(date(2026, 9, 1)).version == later.version
    assert history.on(date(2027, 5, 1)).version == later.version
    with pytest.raises(InvalidValue, match="day"):
        history.on(date(2025, 12, 31))
    with pytest.raises(InvalidValue, match="from_day"):
        RuleHistory([InForce(date(2026, 1, 1), rules), InForce(date(2026, 1, 1), later)])
