"""Serves Glance, in the virtual environment that has it: `python serve_glance.py PORT`, with its settings in
the folder of the variable `OS_GLANCE_CONFIG_DIR`.
"""

from __future__ import annotations

import sys

import waitress
from glance.common import wsgi_app


def main() -> None:
    port = int(sys.argv.pop())
    waitress.serve(wsgi_app.init_app(), host="127.0.0.1", port=port, threads=4, _quiet=True)


main()
