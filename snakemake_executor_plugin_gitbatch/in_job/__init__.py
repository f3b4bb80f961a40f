"""What is loaded in a job, where Snakemake runs it."""
