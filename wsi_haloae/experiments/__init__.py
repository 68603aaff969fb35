"""The code behind `pipelines/`: comparisons over several trainings, and synthetic slides with known truth."""
