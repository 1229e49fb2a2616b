"""Commands as jobs of the batch system Slurm, through the package submitit."""
