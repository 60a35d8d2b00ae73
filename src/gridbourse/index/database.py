"""Where the index lies: a SQLite file beside the region, or a PostgreSQL database that several machines share."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any, Self

from sqlalchemy import ColumnElement, Connection, Engine, Executable, Table, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError

from gridbourse.errors import IndexUnavailable, InvalidValue
from gridbourse.region.layout import INDEX_FILE, INDEX_URL_FILE

_PRAGMAS = (
    "journal_mode = WAL",
    # What a power cut takes is read from the chains again; what it leaves is whole either way.
    "synchronous = NORMAL",
    "busy_timeout = 10000",
    "temp_store = MEMORY",
    "cache_size = -16384",
)
_INTEGER_BITS = 63
KEYS_AT_ONCE = 512
"""So many rows are looked up by one query."""


class Database:
    """Reads and writes rows.

    Parameters
    ----------
    engine
        The database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def of(cls, folder: Path) -> Self:
        """The database of the region in a folder: that which `INDEX_URL_FILE` names, or a file in the folder.

        Raises
        ------
        InvalidValue
            The URL is none, or that of a database that is not supported or not installed.
        """
        setting = folder / INDEX_URL_FILE
        return cls.at_url(setting.read_text("utf-8").strip()) if setting.exists() else cls.in_file(folder / INDEX_FILE)

    @classmethod
    def in_file(cls, path: Path) -> Self:
        """A SQLite file, readable by its owner only, which is made if it is not there."""
        _make_file(path)
        engine = create_engine(f"sqlite:///{path}", pool_size=8, max_overflow=-1)

        @event.listens_for(engine, "connect")
        def prepare(connection: Any, _: object) -> None:
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")

        return cls(engine)

    @classmethod
    def at_url(cls, url: str) -> Self:
        """A PostgreSQL database. Raises like `of`."""
        remedy = "a PostgreSQL URL, like postgresql://gridbourse@db.example.org/valley"
        try:
            parsed = make_url(url)
            if parsed.get_backend_name() != "postgresql":
                raise InvalidValue(INDEX_URL_FILE, "another URL", remedy)
            return cls(create_engine(parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True))
        except (ArgumentError, NoSuchModuleError) as error:
            raise InvalidValue(INDEX_URL_FILE, "another URL", remedy) from error
        except ModuleNotFoundError as error:
            raise InvalidValue(
                INDEX_URL_FILE, "a database", "PostgreSQL's driver: pip install 'gridbourse[postgresql]'"
            ) from error

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction: all that is written in it stands afterwards, or nothing.

        Raises
        ------
        IndexUnavailable
            The database is not reached, or has no room.
        """
        try:
            with self._engine.begin() as connection:
                yield connection
        except OperationalError as error:
            raise IndexUnavailable(f"the index cannot be written: {error.orig}") from error
        except self._engine.dialect.loaded_dbapi.OperationalError as error:
            raise IndexUnavailable(f"the index cannot be written: {error}") from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to read on. Raises like `writing`."""
        try:
            with self._engine.connect() as connection:
                yield connection
        except OperationalError as error:
            raise IndexUnavailable(f"the index cannot be read: {error.orig}") from error
        except self._engine.dialect.loaded_dbapi.OperationalError as error:
            raise IndexUnavailable(f"the index cannot be read: {error}") from error

    def rows(self, statement: Executable, **parameters: object) -> Sequence[Any]:
        """All rows of a query."""
        with self.reading() as connection:
            return connection.execute(statement, parameters).all()

    def first(self, statement: Executable, **parameters: object) -> Any:
        """The first row of a query; None if there is none."""
        with self.reading() as connection:
            return connection.execute(statement, parameters).first()

    def value(self, statement: Executable, **parameters: object) -> Any:
        """The first column of a query's first row; None if there is none."""
        with self.reading() as connection:
            return connection.execute(statement, parameters).scalar()

    def rows_with(
        self, table: Table, key: Sequence[str], keys: Iterable[Any], condition: ColumnElement[bool] | None = None
    ) -> list[tuple[Any, ...]]:
        """Rows by many keys: as the function of this name."""
        with self.reading() as connection:
            return list(rows_with(connection, table, key, keys, condition))

    @property
    def name(self) -> str:
        """How it is called in messages, without a password."""
        return self._engine.url.render_as_string(hide_password=True)

    def discard(self) -> None:
        """Put away a SQLite file that is damaged; an empty one takes its place."""
        self._engine.dispose()
        if path := self._engine.url.database if self._engine.dialect.name == "sqlite" else None:
            for suffix in ("", "-wal", "-shm"):
                Path(f"{path}{suffix}").unlink(missing_ok=True)
            _make_file(Path(path))

    def close(self) -> None:
        """Let go of it."""
        self._engine.dispose()


def _make_file(path: Path) -> None:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def is_integer(number: int) -> bool:
    """Whether a number fits the databases' integers: no other stands in any column."""
    return -(1 << _INTEGER_BITS) <= number < 1 << _INTEGER_BITS


def insert_rows(connection: Connection, table: Table, rows: Iterable[object]) -> None:
    """Insert values that have the table's columns as attributes.

    What every block needs goes to the driver as it is, many rows at once: SQLAlchemy's own way takes several times as
    long as the database for the few rows of a step.
    """
    _execute_many(connection, _insertion(table, connection.dialect.name), rows)


def update_rows(connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[object]) -> None:
    """Set some columns of rows, found by their primary keys, to what values have as attributes."""
    _execute_many(connection, _update(table, tuple(columns), connection.dialect.name), rows)


def rows_with(
    connection: Connection,
    table: Table,
    key: Sequence[str],
    keys: Iterable[Any],
    condition: ColumnElement[bool] | None = None,
) -> Iterator[tuple[Any, ...]]:
    """Rows whose columns `key` have one of some values, as the driver tells them, in the order of the table's columns.

    Parameters
    ----------
    connection
        To the database.
    table, key
        Where, and by which columns.
    keys
        Values: of several columns tuples.
    condition
        That of the partial index over these columns.
    """
    wanted = list(dict.fromkeys(keys))
    for first in range(0, len(wanted), KEYS_AT_ONCE):
        portion = wanted[first : first + KEYS_AT_ONCE]
        parameters = portion if len(key) == 1 else [value for values in portion for value in values]
        # Padded by what nothing equals, so that a few statements do for every number of keys, and stay prepared.
        count = 1 << (len(portion) - 1).bit_length()
        parameters += [None] * ((count - len(portion)) * len(key))
        cursor = connection.connection.cursor()
        cursor.execute(_selection(table, tuple(key), count, connection.dialect.name, condition), parameters)
        yield from cursor.fetchall()


_Statement = tuple[str, "attrgetter[Any]"]


def _execute_many(connection: Connection, statement: _Statement, rows: Iterable[object]) -> None:
    sql, values = statement
    if parameters := [values(row) for row in rows]:
        connection.connection.cursor().executemany(sql, parameters)


@cache
def _selection(
    table: Table, key: tuple[str, ...], count: int, dialect: str, condition: ColumnElement[bool] | None
) -> str:
    """The text of a query by many keys.

    SQLite goes through the whole table where it is asked whether several columns are among rows of values; joined to
    them it uses an index (https://www.sqlite.org/optoverview.html#manual_control_of_query_plans_using_cross_join).
    """
    columns = ", ".join(str(column) for column in table.c)
    one = ", ".join([_mark(dialect)] * len(key))
    many = ", ".join([one if len(key) == 1 else f"({one})"] * count)
    if len(key) > 1 and dialect == "sqlite":
        places = [f"{table.name}.{column} = column{number}" for number, column in enumerate(key, start=1)]
        found = f"(VALUES {many}) CROSS JOIN {table.name} ON {' AND '.join(places)}"
    else:
        place = ", ".join(key) if len(key) == 1 else f"({', '.join(key)})"
        found = f"{table.name} WHERE {place} IN ({many})"
    return f"SELECT {columns} FROM {found}" + (f" AND {condition}" if condition is not None else "")  # noqa: S608


@cache
def _insertion(table: Table, dialect: str) -> _Statement:
    columns = list(table.c.keys())
    marks = ", ".join([_mark(dialect)] * len(columns))
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks})", attrgetter(*columns)  # noqa: S608


@cache
def _update(table: Table, columns: tuple[str, ...], dialect: str) -> _Statement:
    keys = [column.name for column in table.primary_key]
    settings, found = (
        joint.join(f"{column} = {_mark(dialect)}" for column in names)
        for joint, names in ((", ", columns), (" AND ", keys))
    )
    return f"UPDATE {table.name} SET {settings} WHERE {found}", attrgetter(*columns, *keys)  # noqa: S608


def _mark(dialect: str) -> str:
    return "?" if dialect == "sqlite" else "%s"
