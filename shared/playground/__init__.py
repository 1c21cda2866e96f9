"""A page on which one sees what a reward thinks; every service shows it at ``/``.

- `assets`: the files of the page, held in memory, with the headers they are sent with
- `routes`: the page, its files, and what it has to know of this service
- `relay`: other rewards, asked through this service, so that the page speaks to its own origin only
- ``static/``: the page itself: HTML, CSS, and JavaScript modules, as they are written (there is no build step)
"""

from shared.playground.relay import Relay
from shared.playground.routes import playground_routes

__all__ = ["Relay", "playground_routes"]
