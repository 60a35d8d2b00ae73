"""A PostgreSQL server of the tests' own, on a Unix socket."""

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

NOBODY = "nobody"


def programs():
    """Where PostgreSQL's programs are; None if they are not."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "pg_ctl").exists()), None)


@contextmanager
def postgresql(programs):
    """Run a server; gives the URL of an empty database. PostgreSQL does not run as root: then it is nobody's."""
    is_root = os.geteuid() == 0
    # A socket's path is short, and pytest's folders are closed to others.
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as scratch:
        folder = Path(scratch)
        if is_root:
            shutil.chown(folder, NOBODY)

        def run(*command):
            as_user = {"user": NOBODY, "cwd": "/", "extra_groups": []} if is_root else {}
            subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL, **as_user)

        data = folder / "data"
        run(programs / "initdb", "-D", data, "-A", "trust", "-U", "gridbourse", "-E", "UTF8", "--no-sync")
        options = f"-k {folder} -c listen_addresses= -c fsync=off -c unix_socket_permissions=0777"
        run(programs / "pg_ctl", "-D", data, "-l", folder / "log", "-w", "-o", options, "start")
        try:
            yield f"postgresql://gridbourse@/postgres?host={folder}"
        finally:
            run(programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
