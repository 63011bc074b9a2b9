"""The command line: a group of commands for each noun of the trade."""
