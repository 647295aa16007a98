"""Massive actions, pure: which rows may be sent, when, what an answer means, which contracts are marked.

No connection, no file, no clock of its own. Sending and its record are in ``resources``, the layouts' own checks in
``layout``.
"""
