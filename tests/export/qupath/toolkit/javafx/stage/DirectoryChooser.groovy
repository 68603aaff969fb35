package javafx.stage

class DirectoryChooser {

    /** For the tests: the folder that people choose, or null where they cancel. */
    static File answer

    String title

    File showDialog(Window ownerWindow) { answer }
}
