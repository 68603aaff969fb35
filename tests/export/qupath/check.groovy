/*
 * Compiles scripts for QuPath against JavaFX and the stand-ins, with the types of all calls checked. QuPath itself
 * looks up a call when it comes to it; what is found there only when a user runs the script is found here.
 *
 *     groovy check.groovy errors.json SCRIPT...
 */
import groovy.json.JsonOutput
import groovy.transform.TypeChecked
import org.codehaus.groovy.control.CompilerConfiguration
import org.codehaus.groovy.control.MultipleCompilationErrorsException
import org.codehaus.groovy.control.customizers.ASTTransformationCustomizer

def checked = new CompilerConfiguration()
checked.addCompilationCustomizers(new ASTTransformationCustomizer(TypeChecked))
def errors = args.tail().collectEntries { path ->
    try {
        new GroovyClassLoader(this.class.classLoader, checked).parseClass(Prelude.IMPORTS + new File(path).getText('UTF-8'))
        return [path, []]
    } catch (MultipleCompilationErrorsException refused) {
        return [path, refused.errorCollector.errors.collect { it.cause.message }]
    }
}
new File(args[0]).write(JsonOutput.toJson(errors), 'UTF-8')
