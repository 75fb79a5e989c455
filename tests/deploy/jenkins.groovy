// Runs one cell of a Jenkinsfile's matrix in the current folder, with the Groovy that Jenkins has (2.4): stages, conditions,
// catchError and post conditions as Jenkins does, `sh` by `sh -xe`. Agents, triggers and options do nothing; publishers only
// look for their files. Prints one line for each stage and publisher, and ends with 1 when the build has failed.
// groovy jenkins.groovy JENKINSFILE

class Axis {
    String word
    List words

    void name(String word) { this.word = word }
    void values(String... words) { this.words = words as List }
}

class Pipeline {
    Map params = [:]
    Map env = new HashMap(System.getenv())
    boolean failed = false
    boolean aborted = false // by a step that nothing catches
    boolean skip = false
    List after = []

    def propertyMissing(String name) {
        if (env.containsKey(name)) return env[name]
        if (name in ['none', 'any']) return name
        throw new MissingPropertyException(name, Pipeline)
    }

    def run(Closure body) { give(body, this) }

    def give(Closure body, Object to) {
        body.delegate = to
        body.resolveStrategy = Closure.DELEGATE_FIRST
        body()
    }

    void pipeline(Closure body) { run(body) }
    void agent(Object which) { if (which instanceof Closure) run(which) }
    void label(Object which) { println("label: ${which}") }
    void triggers(Closure body) { run(body) }
    void cron(String when) { assert when.split().size() == 5 }
    void options(Closure body) { run(body) }
    void disableConcurrentBuilds() {}
    void buildDiscarder(Object which) {}
    def logRotator(Map given) { given }
    void timeout(Map given) { assert given.keySet() == ['time', 'unit'] as Set }
    void parameters(Closure body) { run(body) }
    void string(Map given) {
        params[given.name] = env.getOrDefault(given.name, given.defaultValue)
        env[given.name] = params[given.name]
    }
    void stages(Closure body) { run(body) }
    void matrix(Closure body) {
        run(body)
        after.each { run(it) }
    }
    void axes(Closure body) { run(body) }
    void axis(Closure body) {
        def found = new Axis()
        give(body, found)
        assert found.words.size() == found.words.toSet().size()
        if (!env.containsKey(found.word)) env[found.word] = found.words[0]
        assert env[found.word] in found.words
    }
    void stage(String name, Closure body) {
        if (aborted) {
            println("stage ${name}: not run")
            return
        }
        skip = false
        println("stage ${name}")
        try {
            run(body)
        } catch (IllegalStateException error) {
            println("stage ${name}: ${error.message}")
            failed = aborted = true
        }
    }
    void when(Closure body) { run(body) }
    void expression(Closure body) { skip = !run(body) }
    void steps(Closure body) { if (skip) println('skipped') else run(body) }
    void catchError(Map given, Closure body) {
        assert given.keySet() == ['stageResult'] as Set
        try {
            run(body)
        } catch (IllegalStateException error) {
            println(error.message)
            failed = true
        }
    }
    void sh(String text) {
        def started = new ProcessBuilder('sh', '-xec', text).redirectErrorStream(true)
        started.environment().putAll(env.collectEntries { key, value -> [key, value.toString()] })
        def process = started.start()
        process.inputStream.eachLine { println("  ${it}") }
        int code = process.waitFor()
        if (code != 0) throw new IllegalStateException("sh ended with ${code}")
    }
    void post(Closure body) { after << body }
    void always(Closure body) { run(body) }
    void junit(Map given) { publish('junit', given.testResults, given.allowEmptyResults) }
    void archiveArtifacts(Map given) { publish('archiveArtifacts', given.artifacts, given.allowEmptyArchive) }
    void publish(String what, Object pattern, Object mayBeEmpty) {
        def matcher = java.nio.file.FileSystems.default.getPathMatcher("glob:${pattern}")
        def here = new File('.').toPath()
        int found = 0
        def reports = new File('reports')
        if (reports.directory) reports.eachFileRecurse { if (it.file && matcher.matches(here.relativize(new File(".", it.path).toPath()))) found++ }
        println("${what}: ${found ? 'found' : 'nothing found'}")
        if (!found && !mayBeEmpty) failed = true
    }
}

def pipeline = new Pipeline()
def script = new GroovyShell().parse(new File(args[0]))
script.metaClass.pipeline = { Closure body -> pipeline.pipeline(body) }
script.run()
println(pipeline.failed ? 'FAILURE' : 'SUCCESS')
System.exit(pipeline.failed ? 1 : 0)
