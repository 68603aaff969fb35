package javafx.scene.control

class Alert {

    static enum AlertType { NONE, INFORMATION, WARNING, CONFIRMATION, ERROR }

    /** For the tests: what was shown to people. */
    static final List<String> shown = []

    private final String contentText

    Alert(AlertType alertType) { this(alertType, '') }

    Alert(AlertType alertType, String contentText, ButtonType... buttons) { this.contentText = contentText }

    void show() { shown << contentText }
}
