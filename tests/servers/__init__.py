"""Real file servers on loopback, for tests: OpenSSH's, and others whose faults can be chosen (FAULTS.md).

Each is a context manager that gives a ``Served``, is up in well under a second, and leaves no process and no thread.
What the servers do when nothing is chosen is what such servers do.
"""

from servers.common import Fault, Faults, Served, silent_server
from servers.ftp import Certificates, ftp_server
from servers.openssh import OpenSsh, openssh_server
from servers.sftp import sftp_server

__all__ = [
    "Certificates",
    "Fault",
    "Faults",
    "OpenSsh",
    "Served",
    "ftp_server",
    "openssh_server",
    "sftp_server",
    "silent_server",
]
