"""Everything of Snakemake that is private, or that must act otherwise here."""
