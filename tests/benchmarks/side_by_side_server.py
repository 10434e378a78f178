"""
Be one of the servers that ``side_by_side.py`` compares, in the environment of its framework.

    python tests/benchmarks/side_by_side_server.py --serve FRAMEWORK[/ROUTES] --port N --middleware N

It imports nothing that the framework does not bring. It makes its application on any core, and is then held to one.
"""

import argparse
import os
import sys
from importlib import import_module
from typing import Any

from beside.frameworks import FRAMEWORKS, Framework
from held_cores import hold_to_core

THREADS = 8  # of gunicorn's worker
KEEP_ALIVE = 75  # seconds


def serve_wsgi(app: Any, port: int) -> None:
    """Be gunicorn, with one worker of threads."""
    from gunicorn.app.base import BaseApplication  # pyright: ignore[reportMissingImports]

    class Server(BaseApplication):
        def load_config(self) -> None:
            self.cfg.set("bind", f"127.0.0.1:{port}")
            self.cfg.set("worker_class", "gthread")
            self.cfg.set("threads", THREADS)
            self.cfg.set("keepalive", KEEP_ALIVE)
            self.cfg.set("loglevel", "error")
            # For commands that nobody gives; not every release has it.
            if "control_socket_disable" in self.cfg.settings:
                self.cfg.set("control_socket_disable", True)

        def load(self) -> Any:
            return app

    # It reads the arguments of the command line, which are not its own.
    sys.argv[1:] = []
    Server().run()


def serve(framework: Framework, port: int, middleware: int, routes: int) -> None:
    """Be the server of a framework, with its work or so many routes."""
    module = import_module(f"beside.{framework.module}")
    if framework.server == "own":
        hold_to_core(0)
        module.serve(port, middleware, routes)
        return
    app = module.make(framework.key, middleware, routes)
    hold_to_core(0)
    if framework.server == "gunicorn":
        serve_wsgi(app, port)
        return
    import uvicorn

    uvicorn.run(app, port=port, loop="uvloop", http="httptools", log_level="warning", access_log=False)


def main() -> None:
    """Be a server."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--serve", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--middleware", type=int, required=True)
    arguments = parser.parse_args()
    key, _, routes = arguments.serve.partition("/")
    framework = next(one for one in FRAMEWORKS if one.key == key)
    serve(framework, arguments.port, arguments.middleware, int(routes or 0))
    # What a pool's threads still do is of no use to anybody.
    os._exit(0)


if __name__ == "__main__":
    main()
