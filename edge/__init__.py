"""What stands in front of both HTTP servers: which names are answered, with which headers, how long a body may be.

Each part is middleware on the bare ASGI protocol. It knows nothing of what lies behind it, and costs microseconds.
"""

from edge.bodies import BodyTooLong, BodyTooSlow, limited_body
from edge.errors import error_body, refuse
from edge.headers import SecurityHeaders, api_headers, page_headers
from edge.hosts import AllowedHosts, HostCheck, parse_hosts
from edge.origins import parse_origins

__all__ = [
    "AllowedHosts",
    "BodyTooLong",
    "BodyTooSlow",
    "HostCheck",
    "SecurityHeaders",
    "api_headers",
    "error_body",
    "limited_body",
    "page_headers",
    "parse_hosts",
    "parse_origins",
    "refuse",
]
