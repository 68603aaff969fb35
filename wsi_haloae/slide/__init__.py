"""Slides: reading them, finding their tissue, and making synthetic ones."""
