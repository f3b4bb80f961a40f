"""From a Snakemake job to a job order: what it is, its key, its resources, its environment."""
