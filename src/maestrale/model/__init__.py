"""The words every floor shares: states, values, errors. No I/O, no imports from other floors."""
