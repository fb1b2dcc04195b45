"""Code that several test suites share: the deployed pair, waiting, the command line, real Airflows.

A test module imports from here and never from another test module; the demo and the benchmarks use it, too.
"""
