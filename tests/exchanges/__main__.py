"""The usual exchanges as docs/dialects.md: python -m tests.exchanges > docs/dialects.md."""

import sys

from tests.exchanges.render import rendered

if __name__ == "__main__":
    sys.stdout.write(rendered())
