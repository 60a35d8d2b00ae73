"""The console speaks Chinese and English, completely."""

import re
from io import BytesIO
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.pofile import read_po

import gridbourse
from gridbourse.api.schema import DealStatus, EnergyTypeName, OrderStatus, SideName
from gridbourse.ledger.kinds import RecordKind
from gridbourse.market.types import Reason, Role
from gridbourse.region.description import NodeKind
from gridbourse.service.language import language_of, preferred_language
from gridbourse.text import LANGUAGES, read_translation

PACKAGE = Path(gridbourse.__file__).parent
SOURCES = [*PACKAGE.glob("web/templates/*.html"), *PACKAGE.rglob("*.py")]


def placeholders(text):
    return {field for _, field, _, _ in Formatter().parse(text) if field}


def test_every_language_has_the_same_names_with_the_same_values_to_put_in():
    english, chinese = (read_translation(tag).texts for tag in LANGUAGES)
    assert english.keys() <= chinese.keys()
    for key, text in english.items():
        assert placeholders(text) == placeholders(chinese[key]), key


@pytest.mark.parametrize("tag", LANGUAGES)
def test_a_catalogue_has_every_text_once_and_none_that_waits_for_its_translation(tag):
    content = (PACKAGE / "locale" / tag / "LC_MESSAGES" / "gridbourse.po").read_bytes()
    catalogue = read_po(BytesIO(content), locale=tag)
    assert content.count(b"\nmsgid ") == len(catalogue)
    assert [entry.id for entry in catalogue if entry.id and (entry.fuzzy or not entry.string)] == []
    assert not catalogue.obsolete


def test_every_text_that_a_page_asks_for_by_name_is_there():
    texts = read_translation("en").texts
    wanted = {
        key
        for source in SOURCES
        for key in re.findall(r"""\bt\(["']([a-z0-9_.]+)["'](?!\s*~)""", source.read_text("utf-8"))
        if not key.endswith(".")
    }
    assert len(wanted) > 200
    assert wanted <= set(texts), wanted - set(texts)


def test_every_text_is_used():
    sources = "".join(source.read_text("utf-8") for source in SOURCES)
    started = set(re.findall(r"""["']([a-z_.]+\.)["'] ~""", sources)) | set(re.findall(r'f"([a-z_.]+\.)\{', sources))
    unused = {key for key in read_translation("en").texts if f'"{key}"' not in sources and f"'{key}'" not in sources}
    assert {key for key in unused if not any(key.startswith(prefix) for prefix in started)} == set()


@pytest.mark.parametrize(
    ("prefix", "names"),
    [
        ("type", EnergyTypeName),
        ("side", SideName),
        ("deal", DealStatus),
        ("order", OrderStatus),
        ("role", [role.name.lower() for role in Role]),
        ("node", NodeKind),
        ("record", [kind.name.lower() for kind in RecordKind]),
        ("reason", [reason.name.lower() for reason in Reason if reason]),
    ],
)
def test_every_name_of_the_market_has_a_text(prefix, names):
    texts = read_translation("zh").texts
    assert [name for name in names if f"{prefix}.{name}" not in texts] == []


def test_chinese_texts_are_chinese():
    same = {key for key, text in read_translation("zh").texts.items() if not re.search("[一-鿿]", text)}
    assert same == {
        *("list.comma", "list.full_stop", "audit.csv", "error.field", "trace.colon", "trace.who"),
        *(
            "{job}: {reason}",
            "{place}, {wrong}",
            "{first}; {more}",
            "{user}, {location}: {stated}",
            "{name}, {kind}, {place}",
        ),
    }


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("de,en;q=0.5,zh;q=0.6", "zh"),
        ("fr", "en"),
        ("", "en"),
        ("zh;q=0,en", "en"),
        ("zh;q=wrong", "en"),
    ],
)
def test_the_browser_says_which_language_its_reader_prefers(header, language):
    assert preferred_language(header) == language


@pytest.mark.parametrize(
    ("cookie", "header", "language"),
    [
        ("gridbourse_language=zh", "en", "zh"),
        ("theme=dark; gridbourse_language=en", "zh", "en"),
        ("gridbourse_language=xx", "zh", "zh"),
        (";;=;gridbourse_language", "zh", "zh"),
        ("", "", "en"),
    ],
)
def test_what_a_reader_chose_on_a_page_goes_before_what_the_browser_prefers(cookie, header, language):
    assert language_of({"cookie": cookie, "accept-language": header}) == language
