package qupath.lib.projects

import java.nio.file.Path

interface Project<T> {
    /** The file project.qpproj. */
    Path getPath()
    List<ProjectImageEntry<T>> getImageList()
}
