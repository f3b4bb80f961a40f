"""Names of the files and folders that Snakemake makes, which no other module here spells out."""

from __future__ import annotations

FOLDER = ".snakemake"
"""In the working directory: what Snakemake knows of its jobs, and its caches."""
CONDA, IMAGES = f"{FOLDER}/conda", f"{FOLDER}/singularity"
"""Where it puts conda environments and container images."""
OUR_LOGS = f"{FOLDER}/gitbatch"
"""Where logs of runs without a terminal and of failed jobs are, in Snakemake's folder."""
TIMESTAMP = ".snakemake_timestamp"
"""In an output folder: its time."""
LOG_ENDING = ".snakemake.log"
"""Of the name of the file that has what Snakemake printed."""
WRITTEN = (
    r"\.snakemake/((auxiliary|conda|conda-archive|incomplete|iocache|locks|log|metadata|shadow"
    r"|singularity)/|$)"
)
"""Regular expression of the paths that Snakemake itself writes to, a slash at their end."""
