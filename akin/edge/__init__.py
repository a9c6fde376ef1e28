"""Guard both HTTP servers: their port, the host names that they answer under, security headers, limits of bodies.

The middleware uses the bare ASGI protocol, is independent of the application behind it, and costs microseconds.
"""

from akin.edge.bodies import BodyTooLong, ClientLeft, SlowBody, TooManyBodies, limited_body
from akin.edge.errors import error_body, refuse
from akin.edge.headers import SecurityHeaders, api_headers, page_headers
from akin.edge.hosts import AllowedHosts, HostCheck, is_loopback, parse_hosts
from akin.edge.listening import CannotListen, listen, reason_of, with_copies
from akin.edge.origins import parse_origins

__all__ = [
    "AllowedHosts",
    "BodyTooLong",
    "CannotListen",
    "ClientLeft",
    "HostCheck",
    "SecurityHeaders",
    "SlowBody",
    "TooManyBodies",
    "api_headers",
    "error_body",
    "is_loopback",
    "limited_body",
    "listen",
    "page_headers",
    "parse_hosts",
    "parse_origins",
    "reason_of",
    "refuse",
    "with_copies",
]
