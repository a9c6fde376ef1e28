"""Examine the ports of the stack: free, held by this very stack, or taken by another process."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from akin.doctor.finding import Finding, fail, ok
from akin.stack.processes import port_is_free
from akin.stack.record import Stack, find_running_stack
from akin.stack_settings import Settings

Holder = Callable[[int], tuple[int, str] | None]


def examine_ports(
    settings: Settings, free: Callable[[int, str], bool] = port_is_free, holder: Holder | None = None
) -> Iterator[Finding]:
    """Yield the findings about the ports.

    Args:
        settings: The ports.
        free: Returns True if nobody listens on a port of an address.
        holder: Returns process id and name of who listens on a port; None if that is hidden from this user.
    """
    try:
        stack = find_running_stack(settings)
    except OSError:  # a finding about the data folder says why
        stack = None
    loopback = "127.0.0.1"
    wanted = [
        (settings.service_host, settings.service_port, "AKIN_SERVICE_PORT"),
        (settings.service_metrics_host, settings.service_metrics_port, "AKIN_SERVICE_METRICS_PORT"),
        (settings.ui_host, settings.ui_port, "AKIN_UI_PORT"),
    ]
    if not settings.triton_url:
        wanted += [
            (loopback, settings.triton_http_port, "AKIN_TRITON_HTTP_PORT"),
            (loopback, settings.triton_grpc_port, "AKIN_TRITON_GRPC_PORT"),
            (loopback, settings.triton_metrics_port, "AKIN_TRITON_METRICS_PORT"),
        ]
    for host, number, name in wanted:
        if not number:
            continue
        where = f"{number} ({name})"
        if free(number, host):
            yield ok("port", f"{where} is free")
        elif stack is not None and number in ports_of(stack):
            yield ok("port", f"{where} is held by the running stack")
        else:
            found = (holder or listener)(number)
            by = f"process {found[0]} ({found[1]})" if found else "a process that this user may not see"
            yield fail("port", f"{where} is held by {by}", f"stop that, or set {name} to a free port")


def ports_of(stack: Stack) -> set[int]:
    """Return the ports of the parts of a stack."""
    addresses = (
        stack.service,
        stack.page,
        stack.triton,
        stack.triton_http,
        stack.triton_metrics,
        stack.service_metrics,
    )
    ports = (address.rpartition(":")[2] for address in addresses)
    return {int(port) for port in ports if port.isascii() and port.isdigit()}


def listener(port: int) -> tuple[int, str] | None:
    """Return process id and name of who listens on a port of this machine; None if nobody does, or it is hidden."""
    import psutil

    try:
        for each in psutil.net_connections("tcp"):
            if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == port and each.pid:
                return each.pid, psutil.Process(each.pid).name()
    except (psutil.Error, OSError):
        pass
    return None
