"""Block B: frozen multi-scale features of pretrained networks, and how pixels come to them."""
