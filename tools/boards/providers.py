"""The dashboard of providers: whether they answer, how, how quickly, and how their orders are followed."""

from typing import Final

from tools.board import CHOSEN, RED_ABOVE_NOUGHT, RED_AT_NOUGHT, Board, Panel, Row, quantiles

CALLS: Final = "gateway_upstream_calls_total"

PROVIDERS: Final = Board(
    uid="gateway-providers",
    title="Gateway: providers",
    description="How each provider does: whether it answers, how, how quickly, and how its orders are followed.",
    by_provider=True,
    rows=(
        Row(
            "How it answers",
            (
                Panel(
                    title="Up",
                    description="1 while it answers `balance`; where it has none, any call.",
                    unit="none",
                    kind="stat",
                    width=8,
                    steps=RED_AT_NOUGHT,
                    exprs=((f"max by (provider) (gateway_provider_up{{{CHOSEN}}})", "{{provider}}"),),
                ),
                Panel(
                    title="Breakers",
                    description="0 closed, 1 trying, 2 open: it failed again and again and is left alone for a while.",
                    unit="none",
                    kind="stat",
                    width=8,
                    steps=(("green", None), ("orange", 1.0), ("red", 2.0)),
                    exprs=((f"max by (provider, kind) (gateway_breaker{{{CHOSEN}}})", "{{provider}} {{kind}}"),),
                ),
                Panel(
                    title="Brakes",
                    description="1 while doubt stops new orders to it.",
                    unit="none",
                    kind="stat",
                    width=8,
                    steps=RED_ABOVE_NOUGHT,
                    exprs=((f"max by (provider) (gateway_provider_braked{{{CHOSEN}}})", "{{provider}}"),),
                ),
                Panel(
                    title="Calls",
                    description="All calls to it.",
                    unit="reqps",
                    exprs=(
                        (f"sum by (provider) (rate(gateway_upstream_calls_total{{{CHOSEN}}}[5m]))", "{{provider}}"),
                    ),
                ),
                Panel(
                    title="What went wrong",
                    description="Calls that did not go well, by error type. `policy_` are calls we spared it.",
                    unit="reqps",
                    exprs=(
                        (
                            f'sum by (provider, error_type) (rate({CALLS}{{error_type!="none",{CHOSEN}}}[5m])) > 0',
                            "{{provider}} {{error_type}}",
                        ),
                    ),
                ),
                Panel(
                    title="Failed by its fault",
                    description="Share of its calls with a `panel_` error.",
                    unit="percentunit",
                    exprs=((f"gateway:upstream_errors:ratio_rate5m{{{CHOSEN}}}", "{{provider}}"),),
                ),
                Panel(
                    title="An add takes",
                    description="From asking for a connection to the last byte of the answer.",
                    unit="s",
                    exprs=quantiles("gateway_upstream_add_seconds", "provider"),
                ),
                Panel(
                    title="Other calls take",
                    description="The same by action, over all providers.",
                    unit="s",
                    exprs=quantiles("gateway_upstream_ask_seconds", "action"),
                ),
                Panel(
                    title="Asked again",
                    description="Reads that were repeated, over all providers; a tenth of the calls at most.",
                    unit="reqps",
                    exprs=(("sum(rate(gateway_upstream_retries_total[5m]))", "repeated"),),
                ),
                Panel(
                    title="Words nobody knows",
                    description="Errors in words that nobody has classified, and how many such texts wait (errors.md).",
                    unit="none",
                    exprs=(
                        ("sum(increase(gateway_unclassified_total[1h]))", "heard in an hour"),
                        ("max(gateway_unclassified_texts)", "texts that wait"),
                    ),
                ),
            ),
        ),
        Row(
            "Orders",
            (
                Panel(
                    title="Attempts",
                    description="Orders handed over, by what became of them.",
                    unit="ops",
                    exprs=(
                        (
                            f"sum by (provider, outcome) (rate(gateway_attempts_total{{{CHOSEN}}}[5m])) > 0",
                            "{{provider}} {{outcome}}",
                        ),
                    ),
                ),
                Panel(
                    title="Taken",
                    description="Share of attempts of the last hour that it accepted.",
                    unit="percentunit",
                    exprs=((f"gateway:attempts_accepted:ratio_rate1h{{{CHOSEN}}}", "{{provider}}"),),
                ),
                Panel(
                    title="Longest in doubt",
                    description="Age of the order in doubt for longest; wake somebody after two hours.",
                    unit="s",
                    exprs=((f"max by (provider) (gateway_unknown_oldest_seconds{{{CHOSEN}}})", "{{provider}}"),),
                ),
                Panel(
                    title="Refunded in doubt",
                    description="Orders in doubt whose users were refunded by the rule, in a day, over all providers.",
                    unit="none",
                    exprs=(("sum(increase(gateway_unknown_refunded_total[1d]))", "refunded"),),
                ),
                Panel(
                    title="Stuck",
                    description="Orders under way for four times as long as their service's orders lately took.",
                    unit="none",
                    exprs=((f"max by (provider) (gateway_orders_stuck{{{CHOSEN}}})", "{{provider}}"),),
                ),
                Panel(
                    title="Dearer than listed",
                    description="Orders of any panel that took more than its list said, in a day: `cost_above_list`.",
                    unit="none",
                    exprs=(("sum(increase(gateway_orders_dearer_total[1d]))", "dearer"),),
                ),
                Panel(
                    title="Asked about",
                    description="Orders asked about, with news (heard) and without (silent).",
                    unit="ops",
                    exprs=(
                        (
                            f"sum by (provider, news) (rate(gateway_orders_tracked_total{{{CHOSEN}}}[5m]))",
                            "{{provider}} {{news}}",
                        ),
                    ),
                ),
                Panel(
                    title="Overdue",
                    description="How far beyond its time the most overdue order is.",
                    unit="s",
                    exprs=((f"max by (provider) (gateway_poll_lag_seconds{{{CHOSEN}}})", "{{provider}}"),),
                ),
                Panel(
                    title="Longest without news",
                    description="For how long the order without news for longest has had none.",
                    unit="s",
                    exprs=((f"max by (provider) (gateway_unheard_oldest_seconds{{{CHOSEN}}})", "{{provider}}"),),
                ),
                Panel(
                    title="On the list",
                    description="Orders that are asked about.",
                    unit="none",
                    exprs=((f"max by (provider) (gateway_polls_waiting{{{CHOSEN}}})", "{{provider}}"),),
                ),
            ),
        ),
        Row(
            "Lists",
            (
                Panel(
                    title="Age of the list",
                    description="How long ago the list in use was fetched.",
                    unit="s",
                    width=8,
                    exprs=((f"max by (provider) (gateway_catalogue_age_seconds{{{CHOSEN}}})", "{{provider}}"),),
                ),
                Panel(
                    title="Lists fetched",
                    description="By result, in an hour, over all providers.",
                    unit="none",
                    width=8,
                    exprs=(("sum by (outcome) (increase(gateway_catalogue_refreshes_total[1h]))", "{{outcome}}"),),
                ),
                Panel(
                    title="Services that wait",
                    description="Of providers' lists, for a person: `gateway catalogue held`.",
                    unit="none",
                    width=8,
                    exprs=(("max(gateway_catalogue_held)", "wait"),),
                ),
            ),
        ),
    ),
)
