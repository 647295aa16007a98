"""Why a contract is where it is, and what changed between two days: events, sentences, differences. Pure.

What is read of lake and ledger for it is in ``resources.explain`` and ``resources.diff``.
"""
