package qupath.lib.gui.viewer

import java.awt.image.BufferedImage
import javafx.beans.property.ReadOnlyObjectProperty
import javafx.beans.property.SimpleObjectProperty
import javafx.collections.FXCollections
import javafx.collections.ObservableList
import qupath.lib.gui.viewer.overlays.PathOverlay
import qupath.lib.images.ImageData

class QuPathViewer {

    private final SimpleObjectProperty<ImageData<BufferedImage>> imageData = new SimpleObjectProperty<>()
    private final ObservableList<PathOverlay> layers =
        FXCollections.synchronizedObservableList(FXCollections.observableArrayList())
    private final OverlayOptions overlayOptions = new OverlayOptions()

    ReadOnlyObjectProperty<ImageData<BufferedImage>> imageDataProperty() { imageData }

    ImageData<BufferedImage> getImageData() { imageData.get() }

    void setImageData(ImageData<BufferedImage> imageDataNew) throws IOException { imageData.set(imageDataNew) }

    ObservableList<PathOverlay> getCustomOverlayLayers() { layers }

    OverlayOptions getOverlayOptions() { overlayOptions }

    void repaint() {}
}
