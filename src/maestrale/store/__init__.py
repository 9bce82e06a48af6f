"""Durable state: tables, transactions, and the only SQL in the house."""
