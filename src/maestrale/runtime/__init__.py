"""The shell that makes decisions happen: claim, decide, commit, release effects, run actions."""
