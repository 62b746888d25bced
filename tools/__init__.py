"""What developers run from a checkout; none of it is installed."""
