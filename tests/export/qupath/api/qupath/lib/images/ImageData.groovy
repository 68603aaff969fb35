package qupath.lib.images

import qupath.lib.images.servers.ImageServer
import qupath.lib.objects.hierarchy.PathObjectHierarchy

class ImageData<T> {

    private final ImageServer<T> server
    private final PathObjectHierarchy hierarchy

    ImageData(ImageServer<T> server, PathObjectHierarchy hierarchy) {
        this.server = server
        this.hierarchy = hierarchy
    }

    ImageServer<T> getServer() { server }

    PathObjectHierarchy getHierarchy() { hierarchy }
}
