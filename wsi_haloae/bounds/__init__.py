"""What a file may cost to read: every limit in one table, and checks that are cheaper than reading."""
