"""The comparison methods, a folder each; beside the folders what several of them share."""
