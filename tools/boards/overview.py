"""The first dashboard: whether users are served, and by whose fault they are not."""

from typing import Final

from tools.board import RED_ABOVE_NOUGHT, RED_AT_NOUGHT, Board, Panel, Row, quantiles

OVERVIEW: Final = Board(
    uid="gateway-overview",
    title="Gateway: overview and objectives",
    description="Whether users are served, by whose fault they are not, and what needs a person.",
    rows=(
        Row(
            "Now",
            (
                Panel(
                    title="New orders",
                    description="1 while every process takes orders. 0: a violation of the books or a broken fence.",
                    unit="none",
                    kind="stat",
                    width=4,
                    steps=RED_AT_NOUGHT,
                    exprs=(("min(gateway_placing)", "taken"),),
                ),
                Panel(
                    title="Processes",
                    description="Gateways that are scraped.",
                    unit="none",
                    kind="stat",
                    width=4,
                    steps=RED_AT_NOUGHT,
                    exprs=(("count(gateway_build_info)", "processes"),),
                ),
                Panel(
                    title="In doubt",
                    description="Orders nobody can tell the outcome of. `gateway unknown list` names them.",
                    unit="none",
                    kind="stat",
                    width=4,
                    steps=RED_ABOVE_NOUGHT,
                    exprs=(("max(gateway_orders_unknown)", "orders"),),
                ),
                Panel(
                    title="Broken invariants",
                    description="Rows of the books that break an invariant. Anything but 0 stops new orders.",
                    unit="none",
                    kind="stat",
                    width=4,
                    steps=RED_ABOVE_NOUGHT,
                    exprs=(("sum(max by (invariant) (gateway_books_violations))", "rows"),),
                ),
                Panel(
                    title="Providers up",
                    description="Share of providers that answer `balance`.",
                    unit="percentunit",
                    kind="stat",
                    width=4,
                    steps=(("red", None), ("orange", 0.5), ("green", 1.0)),
                    exprs=(("avg(max by (provider) (gateway_provider_up))", "up"),),
                ),
                Panel(
                    title="Services on sale",
                    description="What `services` lists.",
                    unit="none",
                    kind="stat",
                    width=4,
                    steps=RED_AT_NOUGHT,
                    exprs=(("max(gateway_catalogue_services)", "services"),),
                ),
            ),
        ),
        Row(
            "Objectives",
            (
                Panel(
                    title="Failed by our own fault",
                    description="Share of requests that failed for a reason of the gateway's. Objective: below 0.1 %.",
                    unit="percentunit",
                    exprs=(
                        ("gateway:errors_ours:ratio_rate5m", "5 minutes"),
                        ("gateway:errors_ours:ratio_rate30m", "30 minutes"),
                        ("gateway:errors_ours:ratio_rate1h", "1 hour"),
                        ("gateway:errors_ours:ratio_rate6h", "6 hours"),
                    ),
                ),
                Panel(
                    title="Quick by our own part",
                    description="Share of requests with less than 50 ms of our own time. Objective: above 99 %.",
                    unit="percentunit",
                    exprs=(("gateway:own_part_quick:ratio_rate5m", "5 minutes"),),
                ),
                Panel(
                    title="What went wrong",
                    description="Refused requests by error type; the prefix says whose it is (docs/metrics.md).",
                    unit="reqps",
                    exprs=(("sum by (error_type) (rate(gateway_request_errors_total[5m])) > 0", "{{error_type}}"),),
                ),
            ),
        ),
        Row(
            "What users ask",
            (
                Panel(
                    title="Requests",
                    description="By action.",
                    unit="reqps",
                    exprs=(("sum by (action) (gateway:requests:rate5m)", "{{action}}"),),
                ),
                Panel(
                    title="Outcomes",
                    description="What became of them. `error` is mostly the caller's own.",
                    unit="reqps",
                    exprs=(("sum by (outcome) (gateway:requests:rate5m)", "{{outcome}}"),),
                ),
                Panel(
                    title="Answered within",
                    description="From a request's last byte to its answer; an `add` waits for its panel.",
                    unit="s",
                    exprs=quantiles("gateway_request_seconds", "action"),
                ),
                Panel(
                    title="Own part",
                    description="The same without waiting for panels.",
                    unit="s",
                    exprs=quantiles("gateway_request_overhead_seconds", "action"),
                ),
                Panel(
                    title="Orders by state",
                    description="As the books have them.",
                    unit="none",
                    exprs=(("max by (state) (gateway_orders)", "{{state}}"),),
                ),
                Panel(
                    title="Given again and refused for limits",
                    description="Adds answered with an order from before, and adds refused for their user's limits.",
                    unit="ops",
                    exprs=(
                        ("sum(rate(gateway_orders_replayed_total[5m]))", "given again"),
                        ("sum by (limit) (rate(gateway_adds_limited_total[5m]))", "{{limit}}"),
                    ),
                ),
            ),
        ),
    ),
)
