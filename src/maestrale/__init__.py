"""Maestrale: durable YAML workflows, from a laptop to a cloud."""

__version__ = "0.1.0"
