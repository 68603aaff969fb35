package qupath.lib.projects

interface ProjectImageEntry<T> {
    String getImageName()
}
