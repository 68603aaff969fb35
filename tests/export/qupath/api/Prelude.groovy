/** What QuPath puts before a script: imports of its core classes, and of the static methods of QPEx. */
class Prelude {

    static final String IMPORTS = [
        'java.awt.image.BufferedImage', 'javafx.application.Platform', 'qupath.lib.images.ImageData',
        'qupath.lib.images.servers.ImageServer', 'qupath.lib.io.PathIO', 'qupath.lib.objects.PathObject',
        'qupath.lib.objects.classes.PathClass', 'qupath.lib.objects.hierarchy.PathObjectHierarchy',
        'qupath.lib.regions.ImageRegion', 'static qupath.lib.gui.scripting.QPEx.*',
    ].collect { "import $it;" }.join(' ') + '\n'
}
