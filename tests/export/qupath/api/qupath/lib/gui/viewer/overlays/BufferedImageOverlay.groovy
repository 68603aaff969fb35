package qupath.lib.gui.viewer.overlays

import java.awt.image.BufferedImage
import qupath.lib.gui.viewer.OverlayOptions
import qupath.lib.regions.ImageRegion

class BufferedImageOverlay implements PathOverlay {

    private final Map<ImageRegion, BufferedImage> regions

    BufferedImageOverlay(OverlayOptions options, ImageRegion region, BufferedImage img) { this(options, [(region): img]) }

    BufferedImageOverlay(OverlayOptions options, Map<? extends ImageRegion, BufferedImage> regions) {
        this.regions = new LinkedHashMap<>(regions)
    }

    Map<ImageRegion, BufferedImage> getRegionMap() { Collections.unmodifiableMap(regions) }
}
