"""gitbatch without Snakemake: archive, git worktrees, pools, runner, runs and the command line."""

__version__ = "0.1.0"
