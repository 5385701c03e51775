"""The page: live picture, events, registration and people in a browser, for boards without a screen.

The standard library serves it; everything else is in ``page/`` and needs no build, no framework and no other machine.
"""

from deploy.web.server import WebServer
from deploy.web.token import find_token

__all__ = ["WebServer", "find_token"]
