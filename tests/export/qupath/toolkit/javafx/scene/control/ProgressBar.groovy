package javafx.scene.control

class ProgressBar {

    static final double INDETERMINATE_PROGRESS = -1

    /** For the tests: all that was shown. */
    static final List<Double> shown = []

    ProgressBar(double progress) { setProgress(progress) }

    void setProgress(double progress) { shown << progress }
}
