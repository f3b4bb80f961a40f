"""Everything of Snakemake that is private, or that must act otherwise here.

No other module imports Snakemake beyond its plugin interfaces and its documented API, names a
private member of its objects, or puts something in the place of one of its functions. Each such use
has a test in `tests/snakemake_internals`, which fails when a release of Snakemake changes it.
"""
