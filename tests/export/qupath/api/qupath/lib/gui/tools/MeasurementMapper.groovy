package qupath.lib.gui.tools

import qupath.lib.color.ColorMaps.ColorMap
import qupath.lib.objects.PathObject

class MeasurementMapper {

    private final ColorMap mapper
    private final String measurement
    double displayMinValue
    double displayMaxValue

    MeasurementMapper(ColorMap mapper, String measurement, Collection<? extends PathObject> pathObjects) {
        this.mapper = mapper
        this.measurement = measurement
    }

    ColorMap getColorMapper() { mapper }
}
