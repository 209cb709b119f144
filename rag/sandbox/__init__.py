"""Reading strangers' files in processes of their own, with limits on memory, time and output.

`pool`, `process` and `outcome` run in the service; `worker` and `confine` run in the child, which imports
neither asyncio nor anything of the service; `limits` and `wire` are what both sides know.

What holds a child back: it is a fresh interpreter without the service's sockets, secrets and open files, in a
session and a temporary folder of its own, under limits that the kernel enforces, at low priority, and the
first to go when the machine runs out of memory. What does not: it runs as the service's user, can read what
that user can read, and can reach the network. No parser opens a connection; a service that must hold against
code execution in a parser needs a container or a user of its own around the worker. The number of processes
is not limited, since the kernel counts those by user and not for root.
"""
