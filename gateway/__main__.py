"""The front door: the command line."""

import rich_click as click

from gateway import __version__
from gateway.cli.config import config
from gateway.cli.key import key
from gateway.cli.serve import serve
from gateway.cli.user import user
from gateway.settings.environment import VARIABLES

_TABLE = "\n".join(f"  {each.name} ({each.default or 'empty'})\n      {each.meaning}" for each in VARIABLES)


@click.group(epilog="Settings come from the environment; docs/configuration.md explains them.\n\n\b\n" + _TABLE)
@click.version_option(__version__, prog_name="gateway")
def main() -> None:
    """A gateway between panels: one endpoint, one key, one prepaid balance in front of many upstream panels."""


for _command in (serve, user, key, config):
    main.add_command(_command)

if __name__ == "__main__":
    main()
