"""Ports for servers that cannot be told "any": taken where the system gives none to clients, so that nobody gets them
between our look and the server's."""

from __future__ import annotations

import random
import socket

_BELOW_THE_SYSTEM_S_OWN = range(10_000, 32_000)


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    ports = random.SystemRandom()  # Hypothesis and others set the seed of all
    while True:
        port = ports.choice(_BELOW_THE_SYSTEM_S_OWN)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
