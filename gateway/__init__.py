"""A gateway between panels: users order here, providers deliver, and the books are exact in between."""

__version__ = "0.1.0"
