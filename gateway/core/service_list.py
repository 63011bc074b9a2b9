"""A panel's list of services as panels really send it, row by row: what can be read is read, what cannot is named."""

from typing import Final

from gateway.core.lenient import Json
from gateway.core.messages import ServiceRow, ServicesReply
from gateway.core.scalars import as_flag, as_text, as_whole, first_of, plain
from gateway.core.service import find_type

# Texts of a stranger that we keep and repeat in every reply; longer ones are cut.
NAME_MAX: Final = 500
DESCRIPTION_MAX: Final = 10_000
ROWS_MAX: Final = 100_000  # rows of one list
KEY_MAX: Final = 64  # of a panel's own id
_DEPTH_MAX: Final = 4  # how deep a list may be wrapped (Q56)

_ID_NAMES: Final = ("service", "id", "service_id", "serviceId", "ID")
_RATE_NAMES: Final = ("rate", "price", "cost", "price_per_k", "rate_per_1000")


def read_services(value: Json, *, decimal_comma: bool) -> ServicesReply | None:
    """The list of services in a value: the first array of objects with an id and a rate, or None (Q56, Q57, Q74)."""
    rows = _find_list(value, _DEPTH_MAX)
    if rows is None:
        return None
    services: list[ServiceRow] = []
    unreadable: list[str] = []
    for number, row in enumerate(rows[:ROWS_MAX], 1):
        read = _row(row, decimal_comma=decimal_comma)
        if isinstance(read, ServiceRow):
            services.append(read)
        else:
            unreadable.append(f"row {number}: {read}")
    if len(rows) > ROWS_MAX:
        unreadable.append(f"{len(rows) - ROWS_MAX} rows over {ROWS_MAX}")
    return ServicesReply(tuple(services), tuple(unreadable))


def _find_list(value: Json, depth: int) -> list[Json] | None:
    match value:
        case list():
            if any(_is_service(row) for row in value):
                return value
            inner: list[Json] = value if len(value) <= _DEPTH_MAX else []
        case dict():
            inner = list(value.values())
        case _:
            return None
    if depth == 0:
        return None
    return next((found for each in inner if (found := _find_list(each, depth - 1)) is not None), None)


def _is_service(row: Json) -> bool:
    return first_of(row, _ID_NAMES) is not None and first_of(row, _RATE_NAMES) is not None


def _row(row: Json, *, decimal_comma: bool) -> ServiceRow | str:
    """A row, or what is wrong with it."""
    if not isinstance(row, dict):
        return "no object"
    key = (as_text(first_of(row, _ID_NAMES)) or "").strip()
    if not key or len(key) > KEY_MAX:
        return "no id"
    rate = plain(first_of(row, _RATE_NAMES), decimal_comma=decimal_comma)
    if rate is None or rate.startswith("-"):
        return f"service {key} has no rate"
    minimum = as_whole(first_of(row, ("min", "minimum")), decimal_comma=decimal_comma)
    maximum = as_whole(first_of(row, ("max", "maximum")), decimal_comma=decimal_comma)
    word = (as_text(row.get("type")) or "").strip()
    known = find_type(word) if word else None
    return ServiceRow(
        service=key,
        name=_cut(as_text(row.get("name")), NAME_MAX),
        type=word[:NAME_MAX] if known is None else known.name,
        category=_cut(as_text(row.get("category")), NAME_MAX),
        rate=rate,
        min=1 if minimum is None else minimum,
        max=0 if maximum is None else maximum,
        dripfeed=as_flag(row.get("dripfeed")),
        refill=as_flag(row.get("refill")),
        cancel=as_flag(row.get("cancel")),
        description=_cut(as_text(first_of(row, ("description", "desc"))), DESCRIPTION_MAX),
        average_time=as_text(row.get("average_time")),
    )


def _cut(text: str | None, length: int) -> str:
    """A text of at most so many characters, without what no database keeps."""
    return "" if text is None else text.replace("\x00", "")[:length].encode("utf-8", "replace").decode().strip()
