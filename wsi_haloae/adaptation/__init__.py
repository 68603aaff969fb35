"""Adaptation to a slide: its tiles compared with its own level, which stain, scanner and patient shift.

Needs descriptors of tiles only: no slide, no model, no torch.
"""
