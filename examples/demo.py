"""`make demo`: two workflows run here and now, and what to type next.

Everything it writes goes into `.demo` of the current folder (or `--folder`).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
from pathlib import Path

from shops import Shops

EXAMPLES = Path(__file__).resolve().parent

NEXT = """
What to type next:

  {mistral} server
      the service, on http://127.0.0.1:8989/v2 until Ctrl-C; then, in another terminal:
  {mistral} workflow-create {examples}/hello_world_blog.yaml
  {mistral} execution-create hello_world
"""


def main() -> int:
    """Run both workflows; the exit code."""
    parser = argparse.ArgumentParser(description="Run two workflows and see what happens.")
    parser.add_argument("--folder", type=Path, default=Path(".demo"), help="where it writes [.demo]")
    folder: Path = parser.parse_args().folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    mistral = _shown(Path(sys.executable).with_name("mistral"))
    environment = _environment(folder)
    with Shops() as shops:
        threading.Thread(target=shops.serve_forever, name="shops", daemon=True).start()
        try:
            for title, arguments in (
                ("1. The first workflow: one task that says hello.", ["hello_world_blog.yaml"]),
                (
                    "2. A bigger one: four shops are asked for a price over HTTP, a busy counter is asked\n"
                    "   again until it answers, an error is handled, and a join brings all of it together.",
                    ["shop_prices.yaml", "-i", f"url={shops.url}"],
                ),
            ):
                file, *options = arguments
                command = [mistral, "run", f"{_shown(EXAMPLES)}/{file}", *options]
                print(f"\n{title}\n\n$ {' '.join(command)}", flush=True)
                code = subprocess.run(command, env=environment, check=False).returncode
                if code:
                    return code
        except KeyboardInterrupt:
            return 130
        finally:
            shops.shutdown()
    print(NEXT.format(mistral=mistral, examples=_shown(EXAMPLES)))
    return 0


def _environment(folder: Path) -> dict[str, str]:
    """The environment without settings of the person who runs this, and with data in `folder`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAESTRALE_")}
    return kept | {
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        # The shops live on this machine, where std.http does not go unless it is allowed to.
        "MAESTRALE_STD_HTTP_DENIED_CIDRS": "",
    }


def _shown(path: Path) -> str:
    """The path as one would type it here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


if __name__ == "__main__":
    sys.exit(main())
