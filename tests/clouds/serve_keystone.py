"""Serves Keystone, in the virtual environment that has it: `python serve_keystone.py CONFIG PORT`."""

from __future__ import annotations

import sys

import waitress
from keystone.server import wsgi


def main() -> None:
    config, port = sys.argv[1:]
    sys.argv = ["keystone", "--config-file", config]
    application = wsgi.initialize_public_application()
    waitress.serve(application, host="127.0.0.1", port=int(port), threads=8, _quiet=True)


main()
