"""The labelled histology tiles that experiments use: which folders are the reference, and how groups are divided."""

from __future__ import annotations

from collections.abc import Mapping

from wsi_haloae.experiments.histology import HistologySet

HISTOLOGY_SETS: Mapping[str, HistologySet] = {
    # GlaS: colon; malignant glands are the reference, and colour does not separate the classes.
    # Two of its seven training patients have 120 tiles each, the others 2 to 24: the two are used for training.
    "glas": HistologySet(
        "glas_colon",
        ("train/malignant",),
        ("test/malignant",),
        ("test/benign",),
        mpp=0.62,
        group="p[0-9]+",
        fixed={
            **dict.fromkeys(("p02", "p07"), "train"),
            **dict.fromkeys(("p06", "p14", "p16"), "validation"),
            **dict.fromkeys(("p08", "p12"), "calibration"),
        },
    ),
    # LC25000: lung; adenocarcinoma is the reference, and colour almost separates the classes. Its pixel size is
    # unknown: 0.5 is assumed. Clusters are numbered separately in each class, so the class is part of the name.
    "lung": HistologySet(
        "lc25000_lung",
        ("train/tumour", "val/tumour"),
        ("test/tumour",),
        ("test/normal",),
        mpp=0.5,
        group="(?:aca|n)_c[0-9]+",
    ),
}
