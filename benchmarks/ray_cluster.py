"""Start a cluster of Ray with two nodes of one core each on this machine, kill one of them, and end both."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import ray

from akin.stack.processes import free_ports

RAY = Path(sys.executable).parent / "ray"

# Loopback addresses: Ray would take 127.0.0.1 for the address of the network.
_HEAD, _SECOND = "127.0.0.2", "127.0.0.3"
_SECONDS = 300  # a node starts in some seconds, on a busy machine in minutes


class Cluster:
    """Two nodes of one core each, in processes of their own."""

    def __init__(self, folder: str) -> None:
        """Start both nodes, which keep their files in a folder whose name is short, as those of sockets must be."""
        self.address = f"{_HEAD}:{free_ports(1)[0]}"
        self._nodes: list[subprocess.Popen[bytes]] = []
        try:
            self._start(folder)
        except BaseException:
            self.close()
            raise

    def _start(self, folder: str) -> None:
        port = self.address.partition(":")[2]
        self._add(_HEAD, "--head", f"--port={port}", f"--temp-dir={folder}", "--include-dashboard=false")
        until = time.monotonic() + _SECONDS
        while time.monotonic() < until:
            with suppress(OSError), socket.create_connection((_HEAD, int(port)), 1):
                break
            time.sleep(0.2)
        self._add(_SECOND, f"--address={self.address}")
        self._wait(2)

    def _add(self, address: str, *options: str) -> None:
        size = "--num-cpus=1", "--object-store-memory=80000000", f"--node-ip-address={address}"
        self._nodes.append(
            subprocess.Popen(
                [str(RAY), "start", "--block", "--disable-usage-stats", *size, *options],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        )

    def _wait(self, count: int) -> None:
        until = time.monotonic() + _SECONDS
        while not ray.is_initialized():
            try:
                ray.init(address=self.address, log_to_driver=False, logging_level="ERROR")
            except ConnectionError:  # the head listens, and its node is not ready
                if time.monotonic() > until:
                    raise
        try:
            while (found := sum(node["Alive"] for node in ray.nodes())) < count:
                if time.monotonic() > until:
                    raise SystemExit(f"the cluster has {found} nodes of {count}: see the logs in its folder")
                time.sleep(0.2)
        finally:
            ray.shutdown()

    def kill_second(self) -> None:
        """Kill the second node with all of its processes, as a power cut would."""
        self._end(self._nodes.pop(), signal.SIGKILL)

    def close(self) -> None:
        """End both nodes."""
        while self._nodes:
            self._end(self._nodes.pop(), signal.SIGTERM)

    @staticmethod
    def _end(node: subprocess.Popen[bytes], how: int) -> None:
        started = [psutil.Process(node.pid), *psutil.Process(node.pid).children(recursive=True)]
        for process in started if how == signal.SIGKILL else started[:1]:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(how)
        _, left = psutil.wait_procs(started, timeout=20)
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        node.wait()
