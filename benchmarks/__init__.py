"""Benchmarks: domctx and its peers in turn, pair by pair, over inputs that are made from a seed.

``python -m benchmarks`` runs all rows; ``python -m benchmarks index-1g convert`` some. See ``--help``.
"""
