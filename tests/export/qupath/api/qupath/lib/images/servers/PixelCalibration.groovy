package qupath.lib.images.servers

class PixelCalibration {

    private final double microns

    PixelCalibration(double microns) { this.microns = microns }

    boolean hasPixelSizeMicrons() { !Double.isNaN(microns) }

    double getAveragedPixelSizeMicrons() { microns }
}
