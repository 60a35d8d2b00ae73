"""What people call the region, its masters and its nodes: shown to them, and signed by nobody."""

from dataclasses import replace

import pytest
from small_market import DAY
from test_pages import visitor

from gridbourse.region.description_file import read_region, write_region
from gridbourse.text import DisplayName
from service import Service

NAMES = {"roofs": DisplayName("Sunny Roofs", "阳光屋顶"), "grid": DisplayName(), "Anna": DisplayName(zh="安娜家")}


@pytest.fixture(scope="module")
def named(prepared, tmp_path_factory):
    """A region that was set up without display names, and whose file has some since."""
    folder = tmp_path_factory.mktemp("named") / "region"
    folder.mkdir()
    for path in prepared.rglob("*"):
        target = folder / path.relative_to(prepared)
        target.mkdir() if path.is_dir() else target.write_bytes(path.read_bytes())
    spec = read_region(folder / "region.toml")
    masters = tuple(
        replace(
            master,
            display_name=NAMES[master.name],
            nodes=tuple(replace(node, display_name=NAMES.get(node.node_id, DisplayName())) for node in master.nodes),
        )
        for master in spec.masters
    )
    write_region(
        replace(spec, masters=masters, display_name=DisplayName("Small Valley", "小河谷")), folder / "region.toml"
    )
    service = Service(folder).start()
    yield service
    service.stop()


@pytest.mark.parametrize(
    ("language", "region", "master", "node"),
    [("zh", "小河谷", "阳光屋顶", "安娜家"), ("en", "Small Valley", "Sunny Roofs", "安娜家")],
)
def test_pages_call_everybody_by_name(named, language, region, master, node):
    with visitor(named, "roofs", language) as browser:
        page = browser.get("/network").text
        assert all(name in page for name in (region, f'<a href="/chains/roofs">{master}</a>', f">{node}<"))
        assert '<a href="/chains/grid">grid</a>' in page
        assert master in browser.get("/chains/roofs").text


def test_the_api_tells_both_languages_beside_the_short_name(named):
    with named.browser("Anna") as browser:
        assert browser.get("/market/settings").json()["region_display_name"] == {"en": "Small Valley", "zh": "小河谷"}
        (roofs, _) = browser.get("/masters").json()
        assert (roofs["name"], roofs["display_name"]) == ("roofs", {"en": "Sunny Roofs", "zh": "阳光屋顶"})
        (anna,) = browser.get("/nodes").json()
        assert (anna["node_id"], anna["display_name"]["zh"]) == ("Anna", "安娜家")
        assert browser.get(f"/statements/{DAY}").json()["display_names"] == {"Anna": {"en": "", "zh": "安娜家"}}


def test_a_vote_says_who_gave_it_by_name(named):
    with visitor(named, "roofs", "en") as browser:
        answer = browser.post("/network/votes/member", data={"master": "grid", "action": "suspend"})
        assert answer.status_code in (200, 303), answer.text
        assert "<td>Sunny Roofs</td>" in browser.get("/network").text
