"""The front door: the command line."""

import rich_click as click

from gateway import __version__
from gateway.cli.backup import backup, restore
from gateway.cli.catalogue import catalogue
from gateway.cli.config import config
from gateway.cli.demo import demo
from gateway.cli.doctor import doctor
from gateway.cli.errors import errors
from gateway.cli.events import events
from gateway.cli.healthcheck import healthcheck
from gateway.cli.key import key
from gateway.cli.ledger import ledger
from gateway.cli.migrate import migrate
from gateway.cli.notify import notify
from gateway.cli.order import order
from gateway.cli.panel import panel
from gateway.cli.provider import provider
from gateway.cli.reconcile import reconcile
from gateway.cli.serve import serve
from gateway.cli.unknown import unknown
from gateway.cli.user import user


@click.group(epilog="Settings come from GATEWAY_ variables (`gateway config variables` lists them) and providers.yaml.")
@click.version_option(__version__, prog_name="gateway")
def main() -> None:
    """A gateway between panels: one endpoint, one key, one prepaid balance in front of many upstream panels."""


_BOOKS = (catalogue, user, key, order, unknown, ledger, errors, events, notify, migrate, backup, restore, reconcile)
for _command in (serve, demo, doctor, healthcheck, *_BOOKS, config, provider, panel):
    main.add_command(_command)

if __name__ == "__main__":
    main()
