"""The rules of the collection base: pure functions, frames in and frames out (DESIGN section 5).

One module per event of the transition table, in the order of a day: ``remessa``, enrichment, ``acordos``,
``exclusao``, ``batimento``, then ``fichas``. Nothing here reads a file, a clock or the ledger.
"""
