package qupath.lib.objects.classes

class PathClass {

    private final String name

    private PathClass(String name) { this.name = name }

    static PathClass fromString(String name) { name == null ? null : new PathClass(name) }

    String getName() { name }

    @Override
    String toString() { name }
}
