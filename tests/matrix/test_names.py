"""Row U3: a panel's name that resolves only now and then, to a gateway that sees a hosts file of its own."""

import subprocess
from decimal import Decimal

from tests.matrix.served import served
from tests.matrix.trial import Trial
from tests.world import balance, status_of

LINK = "https://social.example/name"
NAME = "panel-a.invalid"  # which no resolver of the world answers
# A mount of our own over /etc/hosts, seen by this one program alone.
_AROUND = ("unshare", "--user", "--mount", "--map-root-user", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"')


def may_mount() -> bool:
    """Whether this machine lets a program have a hosts file of its own."""
    tried = ("unshare", "--user", "--mount", "--map-root-user", "mount", "--bind", "/etc/hosts", "/etc/hosts")
    return subprocess.run(tried, check=False, capture_output=True).returncode == 0


async def test_u3_name_that_does_not_resolve_is_never_sent(small_trial: Trial) -> None:
    """The name is gone: the next route at once, charged once. It is there again: the first route.

    Where a program may not have a hosts file of its own the name is gone from the start, and only that is tried.
    """
    trial, flapping = small_trial, may_mount()
    hosts = trial.folder / "hosts"
    known = f"127.0.0.1 localhost\n127.0.0.1 {NAME}\n"
    hosts.write_text(known)
    async with trial.gateway() as house:
        key = (await house.user()).key
    trial.settings(panels={"panel-a": {"url": trial.a.proxy.url().replace("127.0.0.1", NAME)}})
    around = (*_AROUND, str(hosts)) if flapping else ()
    async with served(trial.environ(), trial.folder, around=around) as running:
        await running.ready()
        call = running.caller(key)
        steps = [("here", known), ("gone", "127.0.0.1 localhost\n"), ("back", known)]
        for name, text in steps if flapping else steps[1:2]:
            with hosts.open("r+") as file:  # in place: the mount holds on to the file itself
                file.truncate(0)
                file.write(text)
            placed = await trial.add(call, LINK + name)
            await status_of(call, placed["order"], "Completed")
        assert await balance(call) == 100 - (3 if flapping else 1) * Decimal("0.135")
    states = await trial.rows("SELECT state, provider FROM attempts ORDER BY order_id, n")
    tried = [("panel-a", "not_sent"), ("panel-b", "accepted")]
    well = [("panel-a", "accepted")]
    assert [(row["provider"], row["state"]) for row in states] == ([*well, *tried, *well] if flapping else tried)
    assert set((await trial.judge()).values()) == {"completed"}
    assert (trial.a.placed(), trial.b.placed()) == ([LINK + "here", LINK + "back"] * flapping, [LINK + "gone"])
