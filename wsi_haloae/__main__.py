"""``python -m wsi_haloae``: the same as ``wsi-haloae``."""

from wsi_haloae.cli.main import main

if __name__ == "__main__":
    main()
