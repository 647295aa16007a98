"""The report of a day for operators and the bank: facts, what is worth a look in them, and one page of HTML.

Pure: ``facts`` are values that ``resources.report_facts`` reads, ``findings`` decide over them, ``charts`` and ``page``
draw. No ledger, no lake and no clock belong here, so that equal facts give an equal page.
"""
