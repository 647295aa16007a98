"""Benchmarks: this project and its peers on the same files, in the same run (``make bench``, docs/benchmarks/)."""
