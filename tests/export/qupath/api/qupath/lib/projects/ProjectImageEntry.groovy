package qupath.lib.projects

import qupath.lib.objects.hierarchy.PathObjectHierarchy

interface ProjectImageEntry<T> {
    String getImageName()
    Collection<URI> getURIs() throws IOException
    PathObjectHierarchy readHierarchy() throws IOException
}
