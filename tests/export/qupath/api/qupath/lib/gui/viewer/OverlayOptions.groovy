package qupath.lib.gui.viewer

import qupath.lib.gui.tools.MeasurementMapper

class OverlayOptions {
    boolean showPixelClassification
    boolean showDetections
    boolean fillDetections
    MeasurementMapper measurementMapper
}
