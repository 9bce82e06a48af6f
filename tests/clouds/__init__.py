"""Services of OpenStack for tests: real ones, in virtual environments of their own."""
