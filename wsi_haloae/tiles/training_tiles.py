"""The tiles of outlined slides, cut for one training and kept beside its model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wsi_haloae.atomic import own_folder, recover, refuse_link, remove
from wsi_haloae.errors import OutputExistsError
from wsi_haloae.progress import Reporter
from wsi_haloae.stores.store_header import StoreHeader
from wsi_haloae.stores.tile_store import STORE_NAME, TileStore
from wsi_haloae.tiles.chosen import ChosenTiles
from wsi_haloae.tiles.tiler import fill_tiles
from wsi_haloae.workspace.slide_inputs import SlideInput


@dataclass(frozen=True)
class TrainingTiles:
    """Tile stores below ``folder``, one for each slide. With ``overwrite``, those of an earlier training go."""

    folder: Path
    overwrite: bool
    workers: int
    reporter: Reporter

    def store(self, source: SlideInput, chosen: ChosenTiles) -> Path:
        """The store of a slide's ``chosen`` tiles, cut as far as an interrupted run has not."""
        folder = self.folder / source.name
        for own in (self.folder, folder):
            own_folder(own)
        recover(folder)
        path, header = folder / STORE_NAME, chosen.tiling.header()
        if self.overwrite:
            remove(path)
        self._refuse_another_training(path, header, chosen)
        fill_tiles(source, path, header, chosen, self.workers, self.reporter)
        chosen.preview(folder / "preview.png")
        return path

    def _refuse_another_training(self, path: Path, header: StoreHeader, chosen: ChosenTiles) -> None:
        """Raise `OutputExistsError` if an earlier training cut other tiles of this slide."""
        refuse_link(path)
        if path.exists() and (others := TileStore.open(path).differs_in(header, chosen.index)):
            raise OutputExistsError(
                f"{self.folder.parent}: an earlier training with the same -o used other tiles of {header.slide.name} "
                f"(differs in: {others}). Choose another -o, give the options of that training, or pass --overwrite to "
                "replace it."
            )
