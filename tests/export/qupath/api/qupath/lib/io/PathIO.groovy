package qupath.lib.io

import groovy.json.JsonSlurper
import java.util.zip.GZIPInputStream
import qupath.lib.objects.PathObject
import qupath.lib.objects.classes.PathClass

class PathIO {

    static enum GeoJsonExportOptions { PRETTY_JSON, EXCLUDE_MEASUREMENTS, FEATURE_COLLECTION }

    /** For the tests: what was exported, instead of files. */
    private static final List<Map> exported = []

    static List<PathObject> readObjects(File file) throws IOException {
        def stream = file.newInputStream()
        def name = file.name
        if (name.endsWith('.gz')) {
            stream = new GZIPInputStream(stream)
            name = name - ~/\.gz$/
        }
        if (!name.endsWith('.geojson')) return []
        new JsonSlurper().parse(stream, 'UTF-8').features.collect {
            def found = it['properties']
            new PathObject(found.objectType, found.name, PathClass.fromString(found.classification?.name))
        }
    }

    static void exportObjectsAsGeoJSON(File file, Collection<? extends PathObject> pathObjects,
            GeoJsonExportOptions... options) throws IOException {
        exported << [path: file.path, objects: pathObjects*.getName(), options: options*.name()]
    }
}
