/*
 * Runs scripts for QuPath without QuPath: small stand-ins have the names and signatures of what the scripts use of
 * its API (0.4 to 0.7) and of JavaFX, and scripts run as QuPath runs them (JSR 223, with its attributes).
 *
 *     groovy qupath_stand_in.groovy steps.json results.json
 */
import groovy.json.JsonOutput
import groovy.json.JsonSlurper
import javax.script.ScriptContext
import javax.script.SimpleScriptContext
import org.codehaus.groovy.jsr223.GroovyScriptEngineImpl

def loader = new GroovyClassLoader()
[
    '''package javafx.application
    class Platform {
        static void runLater(Runnable work) { work.run() }
        static boolean isFxApplicationThread() { true }
    }''',
    '''package javafx.stage
    class DirectoryChooser {
        static File answer
        String title
        File showDialog(window) { answer }
    }''',
    '''package javafx.scene.control
    class Alert {
        enum AlertType { WARNING }
        static List<String> shown = []
        private final String words
        Alert(AlertType type, String words, Object... buttons) { this.words = words }
        void show() { shown << words }
    }''',
    '''package javafx.beans.value
    interface ChangeListener { void changed(observable, before, after) }''',
    '''package qupath.lib.regions
    @groovy.transform.EqualsAndHashCode
    class ImageRegion {
        int x, y, width, height, z, t
        static ImageRegion createInstance(int x, int y, int width, int height, int z, int t) {
            new ImageRegion(x: x, y: y, width: width, height: height, z: z, t: t)
        }
    }''',
    '''package qupath.lib.gui.viewer
    class OverlayOptions {
        boolean showPixelClassification, showDetections, fillDetections
        def measurementMapper
    }''',
    '''package qupath.lib.gui.viewer.overlays
    class BufferedImageOverlay {
        Map regionMap
        BufferedImageOverlay(qupath.lib.gui.viewer.OverlayOptions options, qupath.lib.regions.ImageRegion region,
                java.awt.image.BufferedImage image) { regionMap = [(region): image] }
    }''',
    '''package qupath.lib.color
    class ColorMaps {
        static createColorMap(String name, int[] r, int[] g, int[] b) { [r, g, b].transpose() }
    }''',
    '''package qupath.lib.gui.tools
    class MeasurementMapper {
        def colours, measurement
        double displayMinValue, displayMaxValue
        MeasurementMapper(colours, String measurement, Collection objects) {
            this.colours = colours
            this.measurement = measurement
        }
    }''',
    '''package qupath.lib.io
    class PathIO {
        static List readObjects(File file) {
            def stream = file.newInputStream()
            if (file.name.endsWith('.gz')) stream = new java.util.zip.GZIPInputStream(stream)
            new groovy.json.JsonSlurper().parse(stream, 'UTF-8').features.collect {
                new PathObject(it.properties.objectType, it.properties.name, it.properties.classification?.name)
            }
        }
    }
    class PathObject {
        String type, name, pathClass
        PathObject(String type, String name, String pathClass) {
            this.type = type; this.name = name; this.pathClass = pathClass
        }
    }''',
    '''package qupath.lib.gui.scripting
    class QPEx {
        static viewer, server, hierarchy, entry, exported = []
        static getCurrentViewer() { viewer }
        static getCurrentServer() { server }
        static getCurrentHierarchy() { hierarchy }
        static getProjectEntry() { entry }
        static getAnnotationObjects() { hierarchy.annotationObjects }
        static void exportObjectsToGeoJson(Collection objects, String path, String option, String... more) {
            exported << [path: path, objects: objects*.name, option: option]
        }
    }
    class Hierarchy {
        List objects = []
        List getTileObjects() { objects.findAll { it.type == 'tile' } }
        List getAnnotationObjects() { objects.findAll { it.type == 'annotation' } }
        boolean removeObjects(Collection gone, boolean keepChildren) { objects.removeAll(gone) }
        boolean addObjects(Collection more) { objects.addAll(more) }
    }
    class Property {
        List listeners = []
        void addListener(javafx.beans.value.ChangeListener one) { listeners << one }
        void removeListener(javafx.beans.value.ChangeListener one) { listeners.remove(one) }
    }
    class Viewer {
        def overlayOptions = new qupath.lib.gui.viewer.OverlayOptions()
        List customOverlayLayers = []
        Property imageData = new Property()
        Property imageDataProperty() { imageData }
        void repaint() {}
    }''',
].each { loader.parseClass(it) }
def named = { String name -> loader.loadClass(name) }
def qp = named('qupath.lib.gui.scripting.QPEx')
def alerts = named('javafx.scene.control.Alert')

def results = new JsonSlurper().parse(new File(args[0]), 'UTF-8').collect { step ->
    def image = step.image
    qp.viewer = qp.viewer ?: named('qupath.lib.gui.scripting.Viewer').newInstance()
    qp.server = image == null ? null : new Expando(getWidth: { -> image.width }, getHeight: { -> image.height },
        getURIs: { -> [new URI(image.uri)] })
    qp.entry = image?.name == null ? null : new Expando(getImageName: { -> image.name })
    if (!step.keep) qp.hierarchy = named('qupath.lib.gui.scripting.Hierarchy').newInstance()
    step.objects?.each { qp.hierarchy.objects << named('qupath.lib.io.PathObject').newInstance(it.type, it.name, it.pathClass) }
    qp.exported.clear()
    alerts.shown.clear()
    named('javafx.stage.DirectoryChooser').answer = step.answer == null ? null : new File(step.answer)

    def out = new StringWriter()
    def context = new SimpleScriptContext()
    context.setWriter(out)
    if (step.path) context.setAttribute('qupath.script.file', step.path, ScriptContext.ENGINE_SCOPE)
    context.setAttribute('qupath.script.batchIndex', step.batch ?: 0, ScriptContext.ENGINE_SCOPE)
    def text = 'import static qupath.lib.gui.scripting.QPEx.*; ' + new File(step.script).getText('UTF-8')
    new GroovyScriptEngineImpl(loader).eval(text, context)

    def layers = qp.viewer.customOverlayLayers
    def mapper = qp.viewer.overlayOptions.measurementMapper
    def result = [
        said: out.toString(), alerts: alerts.shown.collect(),
        layers: layers.collect { layer -> layer.regionMap.collect { region, pixels ->
            [x: region.x, y: region.y, width: region.width, height: region.height,
             pixels: [pixels.width, pixels.height], first: String.format('%08x', pixels.getRGB(0, 0))] }[0] },
        options: [heatmap: qp.viewer.overlayOptions.showPixelClassification, filled: qp.viewer.overlayOptions.fillDetections],
        mapper: mapper == null ? null : [mapper.measurement, mapper.displayMinValue, mapper.displayMaxValue, mapper.colours],
        objects: qp.hierarchy.objects.collect { [it.type, it.name, it.pathClass] }, exported: qp.exported.collect(),
    ]
    if (step.leave) {
        qp.viewer.imageData.listeners.collect().each { it.changed(null, null, null) }
        result.left = [layers: layers.size(), listeners: qp.viewer.imageData.listeners.size()]
    }
    return result
}
new File(args[1]).write(JsonOutput.toJson(results), 'UTF-8')
