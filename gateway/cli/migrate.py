"""The command that brings the books' schema to this program's, before any process of it serves."""

import asyncio

import rich_click as click

from gateway.cli.session import command, environment, prepare_folder
from gateway.store.store import open_store


@click.command()
@command
def migrate() -> None:
    """Bring the schema of the books to this program's, and tell how many steps that took.

    `gateway serve` does the same at its start. A rollout of several processes does it once before: a migration that
    fails is then known while the old ones still serve.
    """
    url = environment().database_url.reveal()
    prepare_folder(url)

    async def run() -> int:
        store = open_store(url)
        await store.open()
        try:
            return await store.migrate()
        finally:
            await store.close()

    ran = asyncio.run(run())
    click.echo(f"{ran} migration{'' if ran == 1 else 's'} ran" if ran else "nothing to migrate")
