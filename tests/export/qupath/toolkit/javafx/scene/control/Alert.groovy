package javafx.scene.control

class Alert {

    static enum AlertType { NONE, INFORMATION, WARNING, CONFIRMATION, ERROR }

    static class Pane {
        double minHeight
        double prefWidth
    }

    /** For the tests: what was shown to people, and the word at which they close a window. */
    static final List<String> shown = []
    static String unwanted

    final Pane dialogPane = new Pane()
    String title
    Object graphic
    private final AlertType alertType
    private String contentText
    private Closure onHidden

    Alert(AlertType alertType) { this(alertType, '') }

    Alert(AlertType alertType, String contentText, ButtonType... buttons) {
        this.alertType = alertType
        this.contentText = contentText
    }

    void setContentText(String text) {
        contentText = text
        if (unwanted != null && text.contains(unwanted)) close()
    }

    void setOnHidden(Closure handler) { onHidden = handler }

    void initModality(Object modality) {}

    void show() { if (alertType != AlertType.NONE) shown << contentText }

    void close() { onHidden?.call() }
}
