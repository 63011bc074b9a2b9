"""Which store a database URL means."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from gateway.store.engine import Store, StoreError
from gateway.store.postgres import PostgresStore
from gateway.store.sqlite import SqliteStore


def open_store(database_url: str) -> Store:
    """The store of `sqlite:///file` (relative), `sqlite:////file` (absolute) or `postgresql://…`; not connected yet.

    Raises StoreError for any other URL. A password in the URL is not repeated in the message.
    """
    scheme, _, rest = database_url.partition("://")
    match scheme:
        case "sqlite":
            path = unquote(rest.removeprefix("/"))
            if not rest.startswith("/") or not path:
                raise StoreError("a SQLite URL is sqlite:///folder/file.db, or sqlite:////folder/file.db from the root")
            return SqliteStore(Path(path))
        case "postgresql" | "postgres":
            if not urlsplit(database_url).path.strip("/"):
                raise StoreError("a PostgreSQL URL is postgresql://user:password@host:port/database")
            return PostgresStore(database_url)
        case _:
            raise StoreError(f"a database URL begins with sqlite:// or postgresql://, not {scheme[:20]!r}")
