"""Backup while the service runs, restore that refuses tricks, upgrade of older files."""

import io
import json
import os
import signal
import sqlite3
import tarfile

import pytest
from click.testing import CliRunner
from serving_process import serving
from small_market import ask
from test_trade import place

from gridbourse.cli.main import gridbourse
from gridbourse.errors import ChainCorrupted, InvalidValue
from gridbourse.node.folder.backup import restore
from gridbourse.node.region import Region
from gridbourse.service.upgrade import upgrade
from service import PATIENCE_SECONDS, Service, until


@pytest.fixture
def archive(folder, tmp_path):
    path = tmp_path / "backup.tar"
    result = CliRunner().invoke(gridbourse, ["region", "backup", str(folder), str(path)])
    assert result.exit_code == 0, result.output
    return path


def rewritten(archive, change):
    """The archive with other members: `change` is given a list of (member, content) and gives back another."""
    with tarfile.open(archive) as tar:
        members = [(entry, tar.extractfile(entry).read()) for entry in tar]
    path = archive.with_name("changed.tar")
    with tarfile.open(path, "w") as tar:
        for entry, content in change(members):
            if entry.isreg():
                entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def member(name, kind=tarfile.REGTYPE, target=""):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry


def listing(members, name, content=b"x"):
    """The list in front names one more file."""
    import hashlib

    (head, text), *rest = members
    stated = json.loads(text)
    stated["members"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return [(head, json.dumps(stated).encode()), *rest]


def test_a_backup_of_a_running_service_holds_every_order_it_has_answered(service, tmp_path):
    with service.browser("Anna") as anna:
        order = place(anna, ask(), key="k")
        service.ask(service.exchange.back_up(tmp_path / "backup.tar"))
        place(anna, ask(2_000))
    assert (tmp_path / "backup.tar").stat().st_mode & 0o077 == 0
    restore(tmp_path / "backup.tar", tmp_path / "again")
    again = Service(tmp_path / "again").start()
    try:
        with again.browser("Anna") as anna:
            assert [found["order_id"] for found in anna.get("/orders").json()["items"]] == [order["order_id"]]
            assert place(anna, ask(), key="k")["order_id"] == order["order_id"]
    finally:
        again.stop()


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "/tmp/evil",
        "keys/../../evil",
        "keys/nodes/../../../evil",
        "keys/./evil",
        "keys//evil",
        "region.toml/evil",
        "evil.chain/../x",
        "evil",
        "keys/nodes/a/b",
        "keys\\evil",
        "..",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused_even_if_it_is_listed(archive, tmp_path, name):
    changed = rewritten(archive, lambda members: [*listing(members, name), (member(name), b"x")])
    with pytest.raises(InvalidValue, match="archive"):
        restore(changed, tmp_path / "target" / "again")
    assert not (tmp_path / "target" / "again").exists()
    assert not list((tmp_path / "target").iterdir())
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_what_is_no_plain_file_is_refused(archive, tmp_path, kind):
    name = "keys/nodes/evil"
    changed = rewritten(
        archive, lambda members: [*listing(members, name, b""), (member(name, kind, "/etc/passwd"), b"")]
    )
    with pytest.raises(InvalidValue, match="archive"):
        restore(changed, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def changed_byte(members):
    return [(entry, content[:-1] + b"#" if entry.name == "main.chain" else content) for entry, content in members]


@pytest.mark.parametrize(
    "change",
    [
        changed_byte,
        lambda members: members[1:],
        lambda members: members[:-1],
        lambda members: [*members, members[-1]],
        lambda members: [*members, (member("keys/nodes/more"), b"x")],
        lambda members: [(members[0][0], b"{}"), *members[1:]],
        lambda members: [(members[0][0], b'{"format": 99, "members": {}}'), *members[1:]],
        lambda members: [],
    ],
)
def test_an_archive_that_is_not_what_was_written_is_refused(archive, tmp_path, change):
    with pytest.raises(InvalidValue, match="archive"):
        restore(rewritten(archive, change), tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_chain_that_was_changed_before_it_was_listed_is_found_out(archive, tmp_path):
    def forge(members):
        forged = [
            (entry, content.replace(b"\x02\xf8", b"\x02\xf9", 1) if entry.name == "main.chain" else content)
            for entry, content in members
        ]
        (content,) = [content for entry, content in forged if entry.name == "main.chain"]
        return listing(forged, "main.chain", content)

    with pytest.raises((ChainCorrupted, InvalidValue)):
        restore(rewritten(archive, forge), tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    (tmp_path / "noise").write_bytes(os.urandom(5_000))
    with pytest.raises(InvalidValue, match="archive"):
        restore(tmp_path / "noise", tmp_path / "again")


def test_nothing_is_overwritten(archive, folder):
    with pytest.raises(InvalidValue, match="folder"):
        restore(archive, folder)
    result = CliRunner().invoke(gridbourse, ["region", "backup", str(folder), str(archive)])
    assert isinstance(result.exception, InvalidValue)


TOKENS_THEN = """CREATE TABLE tokens (
    id TEXT PRIMARY KEY, digest BLOB NOT NULL UNIQUE, name TEXT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,
    scopes TEXT NOT NULL, wrapped_keys BLOB, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID"""


def test_an_older_region_is_brought_to_todays_form(folder):
    for path in (folder / "keys").rglob("*.json"):
        stored = json.loads(path.read_text("utf-8"))
        for own in stored["keys"]:
            del own["suite"]
        path.write_text(json.dumps(stored), "utf-8")
    with sqlite3.connect(folder / "service.sqlite") as db:
        for name in ("decisions", "failed_sign_ins", "known_addresses", "tokens", "audit_reports", "attempts"):
            db.execute(f"DROP TABLE {name}")
        db.execute(TOKENS_THEN)
        db.execute("PRAGMA user_version = 1")
    with pytest.raises(InvalidValue):
        Region.open(folder)
    changed = upgrade(folder)
    assert "service.sqlite: schema 4 instead of 1" in changed
    assert upgrade(folder) == []
    Region.open(folder).close()


def test_a_service_file_of_a_newer_version_is_left_alone(folder):
    with sqlite3.connect(folder / "service.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(InvalidValue, match="older version"):
        upgrade(folder)


def test_a_served_region_is_backed_up_on_a_signal(folder, tmp_path):
    (tmp_path / "backups").mkdir()
    with serving(folder, "--backups", tmp_path / "backups") as running:
        running.process.send_signal(signal.SIGUSR1)
        (archive,) = until(lambda: list((tmp_path / "backups").glob("region-*.tar")))
        restore(archive, tmp_path / "again")
        running.process.terminate()
        assert running.process.wait(PATIENCE_SECONDS) in {0, -signal.SIGTERM}
