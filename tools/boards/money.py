"""The dashboard of money: what was earned, what is owed, and how long funds last."""

from typing import Final

from tools.board import CHOSEN, Board, Panel, Row

MONEY: Final = Board(
    uid="gateway-money",
    title="Gateway: money",
    description="What was earned, what is owed, what hangs in doubt, and how long funds at providers last.",
    by_provider=True,
    rows=(
        Row(
            "The last 24 hours",
            (
                Panel(
                    title="Sold",
                    description="Charges of orders that panels took.",
                    unit="none",
                    kind="stat",
                    width=6,
                    decimals=2,
                    exprs=(("max by (currency) (gateway_money_sold_day)", "{{currency}}"),),
                ),
                Panel(
                    title="Refunded",
                    description="Given back of it and of earlier orders.",
                    unit="none",
                    kind="stat",
                    width=6,
                    decimals=2,
                    exprs=(("max by (currency) (gateway_money_refunded_day)", "{{currency}}"),),
                ),
                Panel(
                    title="Margin",
                    description="Sold less refunded less cost, at the configured exchange rates.",
                    unit="none",
                    kind="stat",
                    width=6,
                    decimals=2,
                    steps=(("red", None), ("green", 0.0)),
                    exprs=(("max by (currency) (gateway_money_margin_day)", "{{currency}}"),),
                ),
                Panel(
                    title="Margin, share",
                    description="Of what was sold.",
                    unit="percentunit",
                    kind="stat",
                    width=6,
                    steps=(("red", None), ("green", 0.0)),
                    exprs=(("gateway:margin_day:ratio", "{{currency}}"),),
                ),
                Panel(
                    title="Margin over time",
                    description="Of the 24 hours before each moment.",
                    unit="none",
                    width=12,
                    decimals=2,
                    exprs=(("max by (currency) (gateway_money_margin_day)", "{{currency}}"),),
                ),
                Panel(
                    title="Refunds, share",
                    description="Of what was sold.",
                    unit="percentunit",
                    width=12,
                    exprs=(("gateway:refunded_day:ratio", "{{currency}}"),),
                ),
            ),
        ),
        Row(
            "Users' money",
            (
                Panel(
                    title="Owed to users",
                    description="What users may still spend.",
                    unit="none",
                    decimals=2,
                    exprs=(("max by (currency) (gateway_money_available)", "{{currency}}"),),
                ),
                Panel(
                    title="Held",
                    description="Charges of orders without an outcome yet.",
                    unit="none",
                    decimals=2,
                    exprs=(("max by (currency) (gateway_money_held)", "{{currency}}"),),
                ),
                Panel(
                    title="In doubt",
                    description="The part of it nobody can tell the outcome of.",
                    unit="none",
                    decimals=2,
                    exprs=(("max by (currency) (gateway_money_in_doubt)", "{{currency}}"),),
                ),
            ),
        ),
        Row(
            "Funds at providers",
            (
                Panel(
                    title="Balance",
                    description="Ours there, in its currency.",
                    unit="none",
                    decimals=2,
                    exprs=((f"max by (provider) (gateway_provider_balance{{{CHOSEN}}})", "{{provider}}"),),
                ),
                Panel(
                    title="Cost of the day",
                    description="What its orders cost in the last 24 hours, in its currency.",
                    unit="none",
                    decimals=2,
                    exprs=((f"max by (provider) (gateway_provider_cost_day{{{CHOSEN}}})", "{{provider}}"),),
                ),
                Panel(
                    title="Days left",
                    description="How long the balance lasts at the pace of the last 24 hours, if anything is spent.",
                    unit="d",
                    decimals=1,
                    exprs=((f"min by (provider) (gateway_provider_funds_days{{{CHOSEN}}}) < Inf", "{{provider}}"),),
                ),
            ),
        ),
    ),
)
