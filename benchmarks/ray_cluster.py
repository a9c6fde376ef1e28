"""Start a cluster of Ray with two nodes of one core each on this machine, kill one of them, and end both."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import ray

from akin.stack.processes import free_ports

RAY = Path(sys.executable).parent / "ray"


class Cluster:
    """Two nodes of one core each, in processes of their own."""

    def __init__(self, folder: str) -> None:
        """Start both nodes, which keep their files in a folder whose name is short, as those of sockets must be."""
        self.address = f"127.0.0.1:{free_ports(1)[0]}"
        self._nodes: list[subprocess.Popen[bytes]] = []
        try:
            self._start(folder)
        except BaseException:
            self.close()
            raise

    def _start(self, folder: str) -> None:
        self.add(
            "--head", f"--port={self.address.partition(':')[2]}", f"--temp-dir={folder}", "--include-dashboard=false"
        )
        self.add(f"--address={self.address}")
        self.wait(2)

    def add(self, *options: str) -> None:
        """Start a node by `ray start`, and wait until the cluster has it."""
        size = "--num-cpus=1", "--object-store-memory=80000000", "--node-ip-address=127.0.0.1"
        self._nodes.append(
            subprocess.Popen(
                [RAY, "start", "--block", "--disable-usage-stats", *size, *options],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        )
        self.wait(len(self._nodes))

    def wait(self, count: int) -> None:
        """Wait until the cluster has a number of nodes.

        Raises:
            SystemExit: It does not get them within a minute.
        """
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with suppress(ConnectionError, RuntimeError):
                ray.init(address=self.address, log_to_driver=False, logging_level="ERROR")
                try:
                    if sum(node["Alive"] for node in ray.nodes()) == count:
                        return
                finally:
                    ray.shutdown()
            time.sleep(0.5)
        raise SystemExit(f"the cluster has no {count} nodes")

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
