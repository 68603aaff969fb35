package javafx.scene.control

class ChoiceDialog<T> {

    /** For the tests: what was offered last, the default first, and the beginning of what people choose, or null. */
    static List offered
    static String answer

    String title
    String headerText

    ChoiceDialog(T defaultChoice, Collection<T> choices) { offered = [defaultChoice, *choices] }

    Optional<T> showAndWait() { Optional.ofNullable(offered.find { answer != null && it.startsWith(answer) }) }
}
