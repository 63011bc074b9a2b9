"""A gateway program that stops itself, as SIGSTOP does, the first time it passes certain points one after the other.

python -m tests.matrix.stopping what:of what:of -- python -m gateway serve …
"""

import os
import signal
import sys

from gateway import points
from gateway.__main__ import main
from tests.matrix.moments import Moment


def run() -> None:
    """Set the trap, then be the gateway."""
    until = sys.argv.index("--")
    way = [(what, of) for what, _, of in (each.partition(":") for each in sys.argv[1:until])]
    points.hook = Moment(way, lambda: os.kill(os.getpid(), signal.SIGSTOP))
    sys.argv = ["gateway", *sys.argv[sys.argv.index("gateway", until) + 1 :]]
    main()


if __name__ == "__main__":
    run()
