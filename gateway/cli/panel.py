"""The command that runs a simulated panel, for the demo, for tests and for trying a client against something."""

import asyncio
from importlib.resources import as_file, files
from pathlib import Path

import rich_click as click

from gateway.cli.session import command
from gateway.core.presets import PRESETS
from gateway.panel.program import Options, run_panel
from gateway.panel.switches import KNOWN, parse_switch

_TABLE = ", ".join(sorted(KNOWN))


@click.command(epilog=f"Switches: {_TABLE}. docs/panel.md tells what each does.")
@click.option("--services", help="The YAML file of services; the demo's first panel otherwise.")
@click.option("--data", default="panel.db", show_default=True, help="The SQLite file that keeps its orders.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="0 takes a free one, which is printed.")
@click.option("--key", default="panel-a-key", show_default=True, help="The key it lets in.")
@click.option("--balance", default="1000", show_default=True, help="What that key has at first.")
@click.option("--control-token", default="", help="Opens /control/ to whoever sends it as X-Control-Token.")
@click.option("--pace", type=click.FloatRange(0.001, 1000), default=1.0, help="Multiplies how long orders take.")
@click.option("--first-order", type=click.IntRange(1, 2**31), default=1, help="The id of its first order.")
@click.option("--switch", "switches", multiple=True, help="A misdeed: [ACTION:]NAME[=VALUE]; may be repeated.")
@click.option(
    "--dialect", type=click.Choice(list(PRESETS)), help="Hears and speaks only as this family of panels does."
)
@command
def panel(  # noqa: PLR0913 - a command's options
    *,
    services: str | None,
    data: str,
    host: str,
    port: int,
    key: str,
    balance: str,
    control_token: str,
    pace: float,
    first_order: int,
    switches: tuple[str, ...],
    dialect: str | None,
) -> None:
    """Run a simulated upstream panel until Ctrl-C; prints its address as one line of JSON."""
    with as_file(files("gateway.panel").joinpath("demo", "panel-a.yaml")) as shipped:
        options = Options(
            services=Path(services) if services else shipped,
            data=Path(data),
            key=key,
            balance=balance,
            host=host,
            port=port,
            control_token=control_token,
            pace=pace,
            first_order=first_order,
            switches=tuple(parse_switch(each) for each in switches),
            dialect=None if dialect is None else PRESETS[dialect].dialect,
        )
        asyncio.run(run_panel(options))
