"""Block B: frozen multi-scale features of pretrained networks, and the preprocessing of their input."""
