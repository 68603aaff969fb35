"""Table 1 of the paper: HaloAE on MVTec AD's categories, with baselines on the same features.

    python pipelines/paper_table1.py MVTEC_ROOT -o table1 --all
    python pipelines/paper_table1.py MVTEC_ROOT -o table1 --category screw --config haloae-small

It runs `wsi-haloae mvtec --baselines`; run it again to continue where it stopped.
"""

from __future__ import annotations

import sys

from wsi_haloae.cli.main import run

if __name__ == "__main__":
    sys.exit(run(["mvtec", "--baselines", *sys.argv[1:]]))
