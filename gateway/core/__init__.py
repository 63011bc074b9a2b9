"""The rules of the trade: nothing in this room waits, reads a clock, opens a socket or rolls a die."""
