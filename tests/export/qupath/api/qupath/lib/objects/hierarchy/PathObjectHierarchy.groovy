package qupath.lib.objects.hierarchy

import qupath.lib.objects.PathObject

class PathObjectHierarchy {

    private final List<PathObject> objects = []

    Collection<PathObject> getAllObjects(boolean includeRoot) { new ArrayList<>(objects) }

    Collection<PathObject> getAnnotationObjects() { objects.findAll { it.isAnnotation() } }

    Collection<PathObject> getTileObjects() { objects.findAll { it.isTile() } }

    boolean addObjects(Collection<? extends PathObject> pathObjects) { objects.addAll(pathObjects) }

    void removeObjects(Collection<? extends PathObject> pathObjects, boolean keepChildren) {
        objects.removeAll(pathObjects)
    }
}
