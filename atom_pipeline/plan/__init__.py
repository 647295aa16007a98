"""Plans: what to collect now (``poll``) and which day to make now (``days``), as pure decisions over plain values.

No server, ledger, Dagster or clock of its own belongs here; the sensors around them only fetch what a plan asks for and
hand on what it says. What a plan waits for is said in the operators' words.
"""
