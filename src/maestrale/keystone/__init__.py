"""The identity service of OpenStack: who holds a token, and tokens in the name of others."""
