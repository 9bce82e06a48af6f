"""Decisions, pure: events in, changes and effects out. No I/O, no clock, no randomness."""
