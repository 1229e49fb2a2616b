"""Commands as jobs of the batch system Slurm."""
