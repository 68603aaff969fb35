package qupath.lib.scripting

import java.awt.image.BufferedImage
import qupath.lib.images.ImageData
import qupath.lib.images.servers.ImageServer
import qupath.lib.io.PathIO
import qupath.lib.io.PathIO.GeoJsonExportOptions
import qupath.lib.objects.PathObject
import qupath.lib.objects.hierarchy.PathObjectHierarchy
import qupath.lib.projects.Project
import qupath.lib.projects.ProjectImageEntry

class QP {

    private static ImageData<BufferedImage> imageData
    private static Project<BufferedImage> project
    private static ProjectImageEntry<BufferedImage> entry

    /** For the tests: the image that a script is run for, and its project, or null. */
    static void setBatchProjectAndImage(Project<BufferedImage> project, ProjectImageEntry<BufferedImage> entry,
            ImageData<BufferedImage> imageData) {
        QP.project = project
        QP.entry = entry
        QP.imageData = imageData
    }

    static ImageData<BufferedImage> getCurrentImageData() { imageData }

    static Project<BufferedImage> getProject() { project }

    static ImageServer<?> getCurrentServer() { imageData?.getServer() }

    static PathObjectHierarchy getCurrentHierarchy() { imageData?.getHierarchy() }

    static ProjectImageEntry<BufferedImage> getProjectEntry() { entry }

    static Collection<PathObject> getAnnotationObjects() { getCurrentHierarchy()?.getAnnotationObjects() ?: [] }

    static void exportObjectsToGeoJson(Collection<? extends PathObject> pathObjects, String path, String option,
            String... additionalOptions) throws IOException {
        def options = [option, *additionalOptions].collect { GeoJsonExportOptions.valueOf(it) }
        exportObjectsToGeoJson(pathObjects, path, options as GeoJsonExportOptions[])
    }

    static void exportObjectsToGeoJson(Collection<? extends PathObject> pathObjects, String path,
            GeoJsonExportOptions... options) throws IOException {
        PathIO.exportObjectsAsGeoJSON(new File(path), pathObjects, options)
    }
}
