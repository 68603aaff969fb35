"""Where tiles lie, how they are read, and reading them into a store."""
