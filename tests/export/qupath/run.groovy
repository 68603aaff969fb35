/*
 * Runs scripts for QuPath without QuPath, against the stand-ins, as QuPath runs them: by JSR 223, with its attributes.
 * What needs a screen of JavaFX (Platform, choosers, dialogues) has stand-ins, too; the rest of it is real.
 *
 *     groovy run.groovy toolkit/ steps.json results.json
 */
import groovy.io.FileType
import groovy.json.JsonOutput
import groovy.json.JsonSlurper
import javax.script.ScriptContext
import javax.script.SimpleScriptContext
import org.codehaus.groovy.jsr223.GroovyScriptEngineImpl
import qupath.lib.gui.prefs.PathPrefs
import qupath.lib.gui.scripting.QPEx
import qupath.lib.images.ImageData
import qupath.lib.images.servers.ImageServer
import qupath.lib.images.servers.PixelCalibration
import qupath.lib.io.PathIO
import qupath.lib.objects.PathObject
import qupath.lib.objects.classes.PathClass
import qupath.lib.objects.hierarchy.PathObjectHierarchy
import qupath.lib.projects.Project
import qupath.lib.projects.ProjectImageEntry
import qupath.lib.scripting.QP

def loader = new GroovyClassLoader(this.class.classLoader)
new File(args[0]).eachFileRecurse(FileType.FILES) { loader.parseClass(it) }
def alert = loader.loadClass('javafx.scene.control.Alert')
def chooser = loader.loadClass('javafx.stage.DirectoryChooser')
def files = loader.loadClass('javafx.stage.FileChooser')
def choice = loader.loadClass('javafx.scene.control.ChoiceDialog')
def progress = loader.loadClass('javafx.scene.control.ProgressBar')
def viewer = QPEx.getCurrentViewer()
def options = viewer.getOverlayOptions()

def hierarchyOf = { objects ->
    def hierarchy = new PathObjectHierarchy()
    hierarchy.addObjects(objects.collect { new PathObject(it.type, it.name, PathClass.fromString(it.pathClass)) })
    return hierarchy
}

def entryOf = { image ->
    def places = { [new URI(image.uri)] }, saved = { hierarchyOf(image.saved) }
    image?.name == null ? null : [getImageName: { image.name }, getURIs: places, readHierarchy: saved] as ProjectImageEntry
}

def open = { step ->
    def image = step.image
    def hierarchy = hierarchyOf(step.objects)
    def calibration = new PixelCalibration(image?.mpp == null ? Double.NaN : image.mpp as double)
    def server = [
        getWidth: { image.width }, getHeight: { image.height }, getURIs: { [new URI(image.uri)] },
        getPixelCalibration: { calibration },
    ] as ImageServer
    def entries = step.project?.images?.collect { entryOf(it) }
    def project = step.project == null ? null : [
        getPath: { new File(step.project.path).toPath() }, getImageList: { entries },
    ] as Project
    def entry = entries?.find { it.getImageName() == image?.name } ?: entryOf(image)
    def data = image == null ? null : new ImageData(server, hierarchy)
    QP.setBatchProjectAndImage(project, entry, data)
    if (step.viewed) viewer.setImageData(data)
    return hierarchy
}

def run = { step ->
    def out = new StringWriter()
    def context = new SimpleScriptContext()
    context.setWriter(out)
    if (step.path) context.setAttribute('qupath.script.file', step.path, ScriptContext.ENGINE_SCOPE)
    context.setAttribute('qupath.script.batchIndex', step.batch ?: 0, ScriptContext.ENGINE_SCOPE)
    new GroovyScriptEngineImpl(loader).eval(Prelude.IMPORTS + new File(step.script).getText('UTF-8'), context)
    return out.toString()
}

def drawn = { overlay ->
    overlay.getRegionMap().collect { region, pixels ->
        [x: region.x, y: region.y, width: region.width, height: region.height,
         pixels: [pixels.width, pixels.height], first: String.format('%08x', pixels.getRGB(0, 0))]
    }[0]
}

/** Opens another image, and then a third: whoever still listens takes the layers away again. */
def leave = {
    def layers = viewer.getCustomOverlayLayers()
    def shown = layers.collect()
    viewer.setImageData(new ImageData(null, null))
    def left = layers.size()
    layers.addAll(shown)
    viewer.setImageData(new ImageData(null, null))
    def listens = layers.size() < shown.size()
    layers.clear()
    return [layers: left, listens: listens]
}

def results = new JsonSlurper().parse(new File(args[1]), 'UTF-8').collect { step ->
    def hierarchy = open(step)
    PathIO.exported.clear()
    PathPrefs.kept.values().each { it.set('') }
    step.kept.each { name, value -> PathPrefs.createPersistentPreference(name, '').set(value) }
    [alert.shown, files.shown, progress.shown].each { it.clear() }
    alert.unwanted = step.unwanted
    chooser.answer = step.answer == null ? null : new File(step.answer)
    files.answers = (step.files ?: [:]).collectEntries { title, file -> [title, new File(file)] }
    choice.offered = null
    choice.answer = step.choice
    def said = run(step)
    def mapper = options.getMeasurementMapper()
    def result = [
        said: said, alerts: alert.shown.collect(), layers: viewer.getCustomOverlayLayers().collect { drawn(it) },
        options: [heatmap: options.getShowPixelClassification(), filled: options.getFillDetections()],
        mapper: mapper == null ? null : [
            mapper.measurement, mapper.displayMinValue, mapper.displayMaxValue,
            [0, 1].collect { String.format('%06x', mapper.getColorMapper().getColor(it, 0, 1)) },
        ],
        objects: hierarchy.getAllObjects(false).collect { [it.isTile() ? 'tile' : 'annotation', it.name, it.pathClass?.name] },
        exported: PathIO.exported.collect(),
        asked: files.shown.collect(), offered: choice.offered, progress: progress.shown.collect(),
        kept: PathPrefs.kept.collectEntries { name, value -> [name, value.get()] },
    ]
    if (step.leave) result.left = leave()
    return result
}
new File(args[2]).write(JsonOutput.toJson(results), 'UTF-8')
