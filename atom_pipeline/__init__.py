"""ATOM: a declarative pipeline from the bank's files to the dialer's."""

import os

# NumPy is not used for linear algebra here, and the threads it brings for that spin for a tenth of a second in every
# process that starts, on processors that have work.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
