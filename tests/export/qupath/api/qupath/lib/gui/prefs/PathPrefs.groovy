package qupath.lib.gui.prefs

import javafx.beans.property.SimpleStringProperty
import javafx.beans.property.StringProperty

class PathPrefs {

    /** For the tests: what QuPath keeps until the next start. */
    static final Map<String, StringProperty> kept = [:]

    static StringProperty createPersistentPreference(String name, String defaultValue) {
        kept.computeIfAbsent(name) { new SimpleStringProperty(null, name, defaultValue) }
    }
}
