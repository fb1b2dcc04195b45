"""What several suites of tests share: the deployed pair, what is waited for, the command line, real Airflows.

A module of tests imports from here and never from another module of tests; the demo and the benchmarks use it, too.
"""
