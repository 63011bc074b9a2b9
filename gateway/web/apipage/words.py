"""Words: what users are told about actions, parameters, status words, errors and asking again, in plain sentences.

What stands between backticks is shown as code. The texts and limits themselves are core's.
"""

from typing import Final

import msgspec

from gateway.core import errors
from gateway.core.fields import BODY_MAX, FIELDS_MAX
from gateway.core.messages import IDS_MAX, Action, StatusWord
from gateway.core.requests import IDEMPOTENCY_KEY_MAX
from gateway.core.service_fields import LINES_MAX

ACTIONS: Final = {
    Action.SERVICES: (
        "List the services",
        (
            "What is sold, at which rate. The list is always whole: in trouble it is an error, never a shorter list. "
            "Send back its `ETag` as `If-None-Match` and an unchanged list is HTTP 304 without a body."
        ),
    ),
    Action.ADD: (
        "Place an order",
        (
            "Which fields an order has depends on the type of its service. Whoever is charged gets an order id; an "
            "`error` means that nothing was charged."
        ),
    ),
    Action.STATUS: (
        "See how orders stand",
        "One order or many in one call. All five values are texts, and all five are always there.",
    ),
    Action.REFILL: (
        "Ask for a refill",
        (
            "For orders that have ended, of services whose `refill` is true; one at a time, and one a day. The answer "
            "has the refill's id."
        ),
    ),
    Action.REFILL_STATUS: (
        "See how refills stand",
        (
            "By the refill's id, or by the order's for its newest refill. The words are `Pending`, `In progress`, "
            "`Completed` and `Rejected`."
        ),
    ),
    Action.CANCEL: (
        "Ask for orders to be canceled",
        (
            "For orders under way, of services whose `cancel` is true. The answer says that it was asked for; the "
            "order's status says later whether it was done. What was not delivered is given back."
        ),
    ),
    Action.BALANCE: (
        "See what is left",
        "The money that new orders can be paid with, in the currency of your account.",
    ),
}

PARAMETERS: Final = {
    "key": "Your API key",
    "action": "What is asked for",
    "service": "The service's id in the list",
    "order": "An order's id",
    "orders": f"Order ids with commas between them, at most {IDS_MAX}",
    "refill": "A refill's id",
    "refills": f"Refill ids with commas between them, at most {IDS_MAX}",
    "idempotency_key": "Your own mark for this order: the same mark never orders twice",
}

STATUSES: Final = {
    StatusWord.PENDING: ("Taken, and not begun. The charge is paid or held.", False),
    StatusWord.PROCESSING: ("Being prepared.", False),
    StatusWord.IN_PROGRESS: ("Being delivered; `remains` goes down.", False),
    StatusWord.COMPLETED: ("Delivered whole.", True),
    StatusWord.PARTIAL: ("Ended early. What `remains` was given back; `charge` is what was paid for the rest.", True),
    StatusWord.CANCELED: ("Nothing was delivered, and everything was given back.", True),
}


class Told(msgspec.Struct, frozen=True):
    """An error's text, and what it means."""

    text: str
    when: str


_ANY_NUMBER: Final = 10  # in the place of a service's own bound
ERRORS: Final = (
    Told(errors.TEXT_INVALID_KEY, "The key is missing, wrong or switched off."),
    Told(errors.TEXT_INCORRECT_REQUEST, f"No such action, more than {IDS_MAX} ids, or fields that cannot be read."),
    Told(errors.TEXT_INCORRECT_SERVICE, "The service is not in the list."),
    Told(errors.TEXT_INCORRECT_ORDER, "The order does not exist, or is not yours."),
    Told(errors.TEXT_NOT_ENOUGH_FUNDS, "The charge is more than your balance."),
    Told(errors.text_less_than_minimum(_ANY_NUMBER), "The quantity, or the lines of a list, are below `min`."),
    Told(errors.text_more_than_maximum(_ANY_NUMBER), "They are above `max`; with a drip-feed quantity × runs."),
    Told(errors.TEXT_INCORRECT_QUANTITY, "The quantity is missing, or no whole number above nought."),
    Told(errors.TEXT_INCORRECT_LINK, "The link is missing, too long, or of several lines."),
    Told(errors.text_incorrect_field("runs"), "`runs` without `interval`, or where the service has no drip-feed."),
    Told(errors.text_incorrect_field("comments"), "Any other field of the type that is missing or wrong, by its name."),
    Told(errors.TEXT_IDEMPOTENCY_REUSED, "The mark stands for another order already; nothing was placed."),
    Told(errors.TEXT_REFILL_NOT_FOUND, "The refill does not exist, or is not yours."),
    Told(errors.TEXT_NOT_REFILLABLE, "No refills for this service, not ended yet, or asked for within the last day."),
    Told(errors.TEXT_NOT_CANCELABLE, "The service cannot be canceled, or the order has ended."),
    Told(errors.TEXT_INVALID_IN_LIST, "In the place of one of several: that one cannot be done."),
    Told(errors.TEXT_TOO_MANY_REQUESTS, "More calls than anybody needs; come back a little later."),
    Told(errors.TEXT_UNAVAILABLE, "Nobody can take it right now. Nothing was charged; ask again later."),
)

# What HTTP says beside the protocol.
HTTP_STATUSES: Final = {
    200: "Every answer of the protocol, errors included: read `error`, not the status.",
    304: "`services`, when your `If-None-Match` still holds.",
    405: "Another method than GET and POST.",
    413: f"A body over {BODY_MAX // 1024} kB.",
    503: "Our books cannot be reached. Send the same again after as many seconds as `Retry-After` says.",
}

SENDING: Final = (
    (
        "Send `key` and `action` with the action's own fields as a form, urlencoded or multipart, as a JSON object, or "
        "as the query string of a GET. JSON is known by its first character, whatever the header says."
    ),
    (
        "The key may also come as `api_token`, `apiKey` or `api_key`, or in the header `Authorization: Bearer …` or "
        "`X-Api-Key`. Where several come, `key` counts."
    ),
    (
        "Empty values, `null` and `undefined` count as not sent, unknown fields are ignored, and of a field that is "
        "sent twice the last one counts."
    ),
    "`/api/v1` and a slash at the end mean the same endpoint. Nothing is ever redirected.",
    (
        f"At most {FIELDS_MAX} fields and {BODY_MAX // 1024} kB in a request, {IDS_MAX} ids in a call, and "
        f"{LINES_MAX:,} lines in a list."
    ),
)


def asking_again(answer_within: str) -> tuple[str, ...]:
    """What happens to an `add` that is sent twice; `answer_within` is in seconds."""
    return (
        (
            f"An `add` is answered within {answer_within} seconds, whatever happens behind it. Give your client more "
            "time than that."
        ),
        (
            f"Send an `idempotency_key` of your own with every `add` (also as `request_id`, or as the header "
            f"`Idempotency-Key`; at most {IDEMPOTENCY_KEY_MAX} characters). After a timeout, send the same again: you "
            "get the same order, charged once. With other fields the same mark is an error."
        ),
        (
            "Without a mark, an identical `add` after an answer that is known not to have reached you gives that "
            "order. Otherwise two are two, unless a window for duplicates was agreed for your account."
        ),
        (
            "After HTTP 503 or a connection that failed, send the same again a little later. Every other action can be "
            "repeated as often as you like; a second `refill` while one is open is refused."
        ),
        (
            f"Ask for status in lists of up to {IDS_MAX} ids, and not more than once a minute: the answer comes from "
            "our books."
        ),
    )
