package qupath.lib.gui.scripting

import qupath.lib.gui.viewer.QuPathViewer
import qupath.lib.scripting.QP

/** What scripts call without naming a class: QuPath imports the static methods of this one into every script. */
class QPEx extends QP {

    private static QuPathViewer viewer = new QuPathViewer()

    static QuPathViewer getCurrentViewer() { viewer }
}
