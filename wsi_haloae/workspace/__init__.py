"""An output folder: the names of its files, its lock, the record of a run, and which slides a run is about."""
