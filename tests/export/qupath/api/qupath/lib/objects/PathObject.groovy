package qupath.lib.objects

import qupath.lib.objects.classes.PathClass

/** QuPath has a subclass of it for each type. */
class PathObject {

    private final String type
    private final String name
    private final PathClass pathClass

    PathObject(String type, String name, PathClass pathClass) {
        this.type = type
        this.name = name
        this.pathClass = pathClass
    }

    boolean isAnnotation() { type == 'annotation' }

    boolean isTile() { type == 'tile' }

    String getName() { name }

    PathClass getPathClass() { pathClass }
}
