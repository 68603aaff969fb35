"""Output folders: file names, the lock, the record of a run, and the slides that a run works on."""
